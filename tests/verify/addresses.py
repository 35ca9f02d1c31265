"""The addresses at which a host is looked at from outside."""

import errno
import ipaddress
import socket

from pyinfra.connectors.sshuserclient.client import get_ssh_config

from tests.verify.target import Target, Unseen


def name_lookup(target: Target) -> tuple[tuple[str, ...], str]:
    """The addresses to connect to, in the resolver's order, and the reason if there are none.

    They are those of `mail_hostname`, or with `verify_addresses = "ssh"` those of the name that SSH uses.
    """
    name = target.settings.mail_hostname
    if target.settings.verify_addresses == "ssh":
        name = _ssh_name(target)
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return (), f"{name} leads to no address: {error.strerror or error}"
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found)), ""


def addresses(target: Target) -> tuple[str, ...]:
    """The addresses to which this machine has a route: a machine without IPv6 leaves IPv6 addresses out."""
    found, problem = target.see(name_lookup)
    if problem:
        raise Unseen(problem)
    routed = tuple(address for address in found if _routed(address))
    if not routed:
        raise Unseen(f"this machine has no route to {', '.join(found)}")
    return routed


def _ssh_name(target: Target) -> str:
    name = target.host.data.get("ssh_hostname") or target.name
    config = get_ssh_config(target.host.data.get("ssh_config_file"))
    return str(config.lookup(name).get("hostname", name)) if config else str(name)


def _routed(address: str) -> bool:
    """Whether the kernel has a route there; connecting a datagram socket sends nothing."""
    version = ipaddress.ip_address(address).version
    with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError as error:
            return error.errno not in (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True
