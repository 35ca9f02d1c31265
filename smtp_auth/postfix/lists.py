"""Lists in values of parameters: commas and white space separate the elements, except within braces."""

import re
from collections.abc import Mapping

_ELEMENT = re.compile(r"(?:\{(?:[^{}]|\{[^{}]*\})*\}|[^\s,])+", re.ASCII)

_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))", re.ASCII)

# How often a value is expanded: more than lists are nested. A definition may refer to itself without end.
_DEPTH = 10

# How many references are replaced in a value, and how long it may become by that, in characters. The longest
# values of Postfix's own have forty references. With two of them in each of ten definitions, there are
# thousands.
_MOST, _LONGEST = 200, 100_000


def elements(value: str) -> list[str]:
    """The elements of a list (postconf(5), "SYNTAX OF main.cf"; dict_open(3) for braces)."""
    return _ELEMENT.findall(value)


def references(value: str) -> set[str]:
    """The names of the parameters to which a value refers."""
    return {*re.findall(r"\$[({]?(\w+)", value)} if "$" in value else set()


def refers(value: str, name: str) -> bool:
    """Whether a value refers to a parameter."""
    return name in references(value)


def reference(word: str) -> str | None:
    """The name, if a word is nothing but a reference to a parameter."""
    found = _REFERENCE.fullmatch(word)
    return found and (found[1] or found[2] or found[3])


def expanded(value: str, definitions: Mapping[str, str]) -> str:
    """A value with each `$name` replaced, unless that makes it too long; an undefined `$name` stays."""
    rest = _MOST
    if "$" not in value:
        return value
    for _ in range(_DEPTH):
        parts: list[str] = []
        end = length = 0
        for found in _REFERENCE.finditer(value):
            definition = definitions.get(found[1] or found[2] or found[3])
            if definition is not None:
                parts += [value[end : found.start()], definition]
                end, length, rest = found.end(), length + len(definition), rest - 1
            if rest < 0 or length > _LONGEST:
                return value
        text = "".join([*parts, value[end:]])
        if text == value:
            break
        value = text
    return value
