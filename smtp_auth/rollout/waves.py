"""Which hosts of a rollout are changed together, and in which order.

It knows names alone: nothing here asks a host.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

DEFAULT = "1,10%,100%"

_STEP = re.compile(r"([0-9]{1,9})(%?)", re.ASCII)


def check_waves(text: str) -> None:
    """Raise `ValueError` with what is accepted if a text describes no waves. + text: such as `1,10%,100%`"""
    found = [_STEP.fullmatch(word.strip()) for word in text.split(",")]
    if not all(found) or any(one[2] and int(one[1]) > 100 for one in found if one):
        raise ValueError("give numbers of hosts or shares of all, such as 1,10%,100%")
    for unit in ("", "%"):
        steps = [int(one[1]) for one in found if one and one[2] == unit]
        if 0 in steps or steps != sorted({*steps}):
            raise ValueError("each step must be more than the one before, as in 1,10%,100%")
    if text.split(",")[-1].strip() != "100%":
        raise ValueError("the last one must be 100%, so that no host is left out")


def waves(
    names: Sequence[str], text: str, first: Sequence[str], domains: Mapping[str, Iterable[str]]
) -> list[list[str]]:
    """The hosts of each wave.

    + names: the hosts that would be changed, in the inventory's order
    + text: how many hosts are done at the end of each wave, in numbers or shares of all that are rounded up
    + first: canaries: they are the first wave's hosts, which may be more than `text` says
    + domains: the mail domains of every host that is known, also of those that would not be changed

    A wave without further hosts is left out. A wave with all hosts of a domain that has several is split.
    """
    working = {*names}
    canaries = [name for name in dict.fromkeys(first) if name in working]
    order = [*dict.fromkeys([*canaries, *names])]
    found, begin = [], 0
    for index, end in enumerate(_ends(text, len(order))):
        if not index:
            end = max(end, len(canaries))
        if end > begin:
            found += _split(order[begin:end], domains)
            begin = end
    return found


def most_failures(text: str, count: int) -> int:
    """How many failures a rollout goes on with. Raises `ValueError` with what is accepted.

    + text: a number, or a share of all hosts (`5%`), which is rounded down
    + count: how many hosts would be changed
    """
    found = _STEP.fullmatch(text.strip())
    if not found or (found[2] and int(found[1]) > 100):
        raise ValueError("give a number of hosts, or a share of all such as 5%")
    return int(found[1]) * count // 100 if found[2] else int(found[1])


def _ends(text: str, count: int) -> Iterator[int]:
    """How many hosts are done at the end of each wave."""
    for word in text.split(","):
        number = int(word.strip().removesuffix("%"))
        # Rounded up.
        yield -(-number * count // 100) if "%" in word else min(number, count)


def _split(wave: Sequence[str], domains: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """A wave as one or more, of which none has all hosts of a domain that has several."""
    hosts_of: dict[str, set[str]] = {}
    for name, ones in domains.items():
        for domain in ones:
            hosts_of.setdefault(domain, set()).add(name)
    here = {*wave}
    # Of each domain that would be in this wave alone: how many of its hosts are not in the earlier part.
    left = {domain: len(hosts) for domain, hosts in hosts_of.items() if len(hosts) > 1 and hosts <= here}
    earlier: list[str] = []
    later: list[str] = []
    for name in wave:
        own = [domain for domain in {*domains.get(name, ())} if domain in left]
        if any(left[domain] == 1 for domain in own):
            later.append(name)
            continue
        earlier.append(name)
        for domain in own:
            left[domain] -= 1
    return [earlier, *_split(later, domains)] if later else [earlier]
