"""The names of Postfix's parameters, and the release that introduced each.

`parameters.txt` has a line `NAME` or `NAME RELEASE` for each parameter that postconf(5) describes, from
Postfix 3.5 to the snapshots of 3.12. A name without a release already exists in 3.5. Some parameters were
also added by patches to older releases; a host's own postconf says which parameters it has.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path

Release = tuple[int, int]


def came_with(name: str) -> Release | None:
    """The first release that has a parameter, such as `(3, 10)`.

    `(0, 0)` if 3.5 already has it, `None` if no release has it.
    """
    return _releases().get(name)


def nearest(name: str, further: Iterable[str] = ()) -> str | None:
    """The parameter with the most similar name; `further` are names that the host itself defines."""
    near = get_close_matches(name, (*_releases(), *further), n=1)
    return near[0] if near else None


def is_yes(value: str) -> bool:
    """Whether a boolean parameter has this value for `yes`. Postfix reads it in any case of letters."""
    return value.lower() == "yes"


def is_no(value: str) -> bool:
    """Whether a boolean parameter has this value for `no`. Postfix reads it in any case of letters."""
    return value.lower() == "no"


def same_value(one: str | None, other: str | None) -> bool:
    """Whether Postfix reads two values in the same way, as far as they are equal or words in another case."""
    if one is None or other is None:
        return one is other
    return one == other or (other.lower() in _WORDS and one.lower() == other.lower())


# Values that Postfix compares in any case of letters: booleans, and levels of TLS.
_WORDS = ("yes", "no", "none", "may", "encrypt")


@cache
def _releases() -> dict[str, Release]:
    found: dict[str, Release] = {}
    for line in Path(__file__).with_name("parameters.txt").read_text().splitlines():
        name, _, release = line.partition(" ")
        major, _, minor = release.partition(".")
        found[name] = (int(major), int(minor)) if release else (0, 0)
    return found
