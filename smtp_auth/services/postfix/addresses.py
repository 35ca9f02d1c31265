"""Where Postfix listens. It keeps the inet_interfaces with which it was started until it is restarted.

A reload opens new ports on the old addresses (postconf(5), inet_interfaces; `own_inet_addr()` in
src/global/own_inet_addr.c reads them once).
"""

from collections.abc import Iterator

from smtp_auth.facts.look import Look
from smtp_auth.postfix.lists import elements
from smtp_auth.postfix.master_cf import is_loopback, is_on_loopback, services
from smtp_auth.services.postfix.reload import is_outdated

# All addresses of a host.
WILDCARDS = {"0.0.0.0", "::"}

_RESTART = "restart Postfix (systemctl restart postfix), because a reload keeps the old addresses"


def obstacles(look: Look) -> Iterator[str]:
    """Why mail programs on other hosts could not connect to port 465."""
    found = look.submissions_services
    if found and not any(service.is_on_all_interfaces for service in found):
        # What a name in place of an address stands for, the sockets tell.
        in_use = {address for port, address in look.postfix_sockets if port == 465}
        if all(map(is_on_loopback, found)) or (in_use and all(map(is_loopback, in_use))):
            names = ", ".join(service.name for service in found)
            yield (
                f"port 465 is bound to loopback ({names} in {look.master_cf.path}), so mail programs cannot "
                "reach it: rename that service to submissions"
            )
        return
    given = look.parameters["inet_interfaces"]
    words = elements(given)
    if words and all(word.lower() == "loopback-only" or is_loopback(word) for word in words):
        yield (
            f"Postfix listens only on loopback (inet_interfaces = {given}), so mail programs cannot reach "
            f"it: set inet_interfaces to all, then {_RESTART}"
        )
        return
    used = _addresses_in_use(look)
    if used and all(map(is_loopback, used)):
        yield (
            f"Postfix listens only on loopback ({', '.join(sorted(used))}), although inet_interfaces = "
            f"{given}, so mail programs could not reach port 465: make sure that no name in inet_interfaces "
            f"stands for loopback (/etc/hosts), then {_RESTART}"
        )


def warnings(look: Look) -> Iterator[str]:
    """That Postfix still listens on other addresses than those that main.cf names."""
    given, used = look.parameters["inet_interfaces"], _addresses_in_use(look)
    if used and not all(map(is_loopback, used)) and _is_outdated(elements(given), used):
        yield (
            f"Postfix still listens on {', '.join(sorted(used))}, although inet_interfaces = {given}, and so "
            f"will port 465: {_RESTART}"
        )


def _addresses_in_use(look: Look) -> set[str]:
    """The addresses on which Postfix listens for services that have no address in their own name.

    Empty if it has not read master.cf since its last edit: then these sockets are those of other services.
    """
    if is_outdated(look, look.master_cf.changed):
        return set()
    found = [one for one in services(look.master_cf.content or "") if one.type == "inet"]
    bound = {one.number for one in found if not one.is_on_all_interfaces}
    ports = {one.number for one in found} - bound
    return {address for port, address in look.postfix_sockets if port in ports}


def _is_outdated(given: list[str], used: set[str]) -> bool:
    """Whether the addresses surely are not those of inet_interfaces. What names stand for is not known."""
    if [word.lower() for word in given] == ["all"]:
        return not used & WILDCARDS
    known, of_ipv4 = {word for word in given if _is_ipv4(word)}, {word for word in used if _is_ipv4(word)}
    return bool(known - of_ipv4) or (len(known) == len(given) and known != of_ipv4)


def _is_ipv4(word: str) -> bool:
    return word.replace(".", "").isdigit()
