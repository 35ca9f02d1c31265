"""Lists in values of parameters: commas and white space separate the elements, except within braces."""

import re
from collections.abc import Mapping

_ELEMENT = re.compile(r"(?:\{(?:[^{}]|\{[^{}]*\})*\}|[^\s,])+", re.ASCII)

_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))", re.ASCII)

# How often a value is expanded: more than lists are nested. A definition may refer to itself without end.
_DEPTH = 10


def elements(value: str) -> list[str]:
    """The elements of a list (postconf(5), "SYNTAX OF main.cf"; dict_open(3) for braces)."""
    return _ELEMENT.findall(value)


def refers(value: str, name: str) -> bool:
    """Whether a value refers to a parameter."""
    return re.search(rf"\$(?:{name}\b|[({{]{name}\b)", value) is not None


def reference(word: str) -> str | None:
    """The name, if a word is nothing but a reference to a parameter."""
    found = _REFERENCE.fullmatch(word)
    return found and (found[1] or found[2] or found[3])


def expanded(value: str, definitions: Mapping[str, str]) -> str:
    """A value with each `$name` replaced; an undefined `$name` stays."""
    for _ in range(_DEPTH):
        text = _REFERENCE.sub(lambda m: definitions.get(m[1] or m[2] or m[3], m[0]), value)
        if text == value:
            break
        value = text
    return value
