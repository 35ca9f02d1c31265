"""Lists in values of parameters: commas and white space separate the elements, except within braces."""

import re
from collections.abc import Mapping

_ELEMENT = re.compile(r"(?:\{(?:[^{}]|\{[^{}]*\})*\}|[^\s,])+", re.ASCII)

_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))", re.ASCII)

# How often a value is expanded: more than lists are nested. A definition may refer to itself without end.
_DEPTH = 10

# How long a value may become by that, in characters: with ten references in each of ten definitions, it would
# fill the memory.
_LONGEST = 100_000


def elements(value: str) -> list[str]:
    """The elements of a list (postconf(5), "SYNTAX OF main.cf"; dict_open(3) for braces)."""
    return _ELEMENT.findall(value)


def references(value: str) -> set[str]:
    """The names of the parameters to which a value refers."""
    return {*re.findall(r"\$[({]?(\w+)", value)}


def refers(value: str, name: str) -> bool:
    """Whether a value refers to a parameter."""
    return name in references(value)


def reference(word: str) -> str | None:
    """The name, if a word is nothing but a reference to a parameter."""
    found = _REFERENCE.fullmatch(word)
    return found and (found[1] or found[2] or found[3])


def expanded(value: str, definitions: Mapping[str, str]) -> str:
    """A value with each `$name` replaced, unless that makes it too long; an undefined `$name` stays."""
    for _ in range(_DEPTH):
        text = _expanded_once(value, definitions) if "$" in value else None
        if text is None or text == value:
            break
        value = text
    return value


def _expanded_once(value: str, definitions: Mapping[str, str]) -> str | None:
    """`None` if the value became longer than any that is read."""
    parts: list[str] = []
    end = length = 0
    for found in _REFERENCE.finditer(value):
        parts += [value[end : found.start()], definitions.get(found[1] or found[2] or found[3], found[0])]
        end, length = found.end(), length + len(parts[-1])
        if length > _LONGEST:
            return None
    return "".join([*parts, value[end:]])
