"""The addresses through which a host is checked from outside."""

import errno
import ipaddress
import re
import socket

from pyinfra.api import Host

from smtp_auth.runs.pyinfra_internals import ssh_name
from smtp_auth.verify.target import Target, Unseen, observer

# The prefix length of the largest network that belongs to one organisation (10.0.0.0/8, RFC 1918).
_OWN = 8


@observer
def name_lookup(target: Target) -> tuple[tuple[str, ...], str]:
    """The addresses to connect to, in the resolver's order, and the reason if there are none.

    They are those of `mail_hostname`, or with `verify_addresses = "ssh"` those of the name that SSH uses.
    """
    name = target.settings.mail_hostname
    if target.settings.verify_addresses == "ssh":
        name = name_for_ssh(target.host)
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return (), f"{name} does not resolve to an address: {error.strerror or error}"
    leads_to = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not any(map(_routed, leads_to)):
        return (), f"this machine has no route to {', '.join(leads_to)}"
    return leads_to, ""


def name_for_ssh(host: Host) -> str:
    """The name or address that SSH connects to for a host."""
    return ssh_name(host.data.get("ssh_hostname") or host.name, host.data.get("ssh_config_file"))


@observer
def addresses(target: Target) -> tuple[str, ...]:
    """The addresses that this machine has a route to; without IPv6, only the IPv4 addresses."""
    found, problem = target.see(name_lookup)
    if problem:
        raise Unseen(problem, "the name resolves")
    return tuple(address for address in found if _routed(address))


def is_within(address: str, networks: str, *, narrow: bool = False) -> bool:
    """Whether an address is in a list such as mynetworks. Tables in the list are ignored.

    + narrow: ignore networks that are too large to belong to one organisation
    """
    for word in re.split(r"[\s,]+", networks):
        try:
            network = ipaddress.ip_network(word.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            continue
        if ipaddress.ip_address(address) in network and not (narrow and network.prefixlen < _OWN):
            return True
    return False


def _routed(address: str) -> bool:
    """Whether the kernel has a route to an address; connecting a datagram socket sends nothing."""
    version = ipaddress.ip_address(address).version
    with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError as error:
            return error.errno not in (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True
