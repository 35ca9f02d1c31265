"""Edits main.cf: sets a parameter, or comments it out (postconf(5), "SYNTAX OF main.cf")."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from smtp_auth.postfix.logical_lines import WHITE, ended, fold, joined, line_end, logical_lines, split_lines


def set_parameter(content: str, name: str, value: str) -> str:
    """Set a parameter.

    Postfix uses the last definition: it gets the value in place, and keeps its spelling of " = ". Earlier
    ones are commented out, because Postfix warns of definitions that differ. Without a definition, a line is
    appended.

    + content: the whole file
    + value: on one line; an empty one defines the parameter as empty
    """
    lines = split_lines(content)
    definitions = [found for found in _definitions(content) if found.name == name]
    if not definitions:
        line = f"{name} = {value}".rstrip() + line_end(content)
        return ended(content) + line
    last = definitions[-1]
    first = lines[last.lines[0]]
    end = first[len(first.rstrip("\r\n")) :]
    lines[last.lines[0]] = (last.prefix + value).rstrip(WHITE) + end
    for index in last.lines[1:]:
        lines[index] = ""
    for index in (index for earlier in definitions[:-1] for index in earlier.lines):
        lines[index] = "#" + lines[index]
    return "".join(lines)


def comment_out(content: str, name: str) -> str:
    """Put "#" in front of every line that defines a parameter."""
    lines = split_lines(content)
    for definition in _definitions(content):
        if definition.name == name:
            for index in definition.lines:
                lines[index] = "#" + lines[index]
    return "".join(lines)


def give_back(content: str, earlier: Mapping[str, str]) -> str:
    """Restore the earlier definitions of parameters, at the place of the present ones.

    A definition that was commented out is restored in its own place. If there was none, the present ones are
    deleted.

    + content: the whole file
    + earlier: parameter to the lines that `definition_lines` has given then
    """
    lines = split_lines(content)
    present: dict[str, list[_Definition]] = {name: [] for name in earlier}
    for one in _definitions(content):
        if one.name in present:
            present[one.name].append(one)
    gone = {index for ones in present.values() for one in ones for index in one.lines}
    coming: dict[int, list[str]] = {}
    end = line_end(content)
    places: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        places.setdefault(line, []).append(index)
    for name, text in earlier.items():
        if end == "\r\n":
            text = re.sub(r"\r?\n", "\r\n", text)
        place = min((index for one in present[name] for index in one.lines), default=len(lines))
        definitions = [*_named(text, name)]
        _place_definitions((lines, places), split_lines(text), definitions, place, (gone, coming))
    parts = []
    for index, line in enumerate([*lines, ""]):
        parts += [*coming.get(index, ()), "" if index in gone else line]
    return joined(parts, end)


# The lines of a text, and each line to the places where it is.
_Lines = tuple[list[str], Mapping[str, list[int]]]


def _place_definitions(
    lines: _Lines,
    before: list[str],
    definitions: Sequence["_Definition"],
    place: int,
    edits: tuple[set[int], dict[int, list[str]]],
) -> None:
    """Find the places at which the earlier definitions of one parameter are restored.

    + lines: those of the present file
    + before: those that the definitions are in
    + definitions: the earlier ones
    + place: the line before which a definition is added that is not in the file as a comment
    + edits: the lines to delete, and the text to add before each line; this function extends both
    """
    gone, coming = edits
    # Postfix uses the last definition, so the order of the definitions must stay.
    done = 0
    for definition in definitions:
        start = _commented_out(lines, before, definition.lines, gone, done)
        for index in definition.lines:
            if start is None:
                done = max(place, done)
            else:
                done = start + index - definition.lines[0]
                gone.add(done)
            coming.setdefault(done, []).append(before[index])


def _named(content: str, name: str) -> Iterator["_Definition"]:
    return (one for one in _definitions(content) if one.name == name)


def definition_lines(content: str, name: str) -> str:
    """The lines that define a parameter, from the first of a definition to its last."""
    lines = split_lines(content)
    spans = [range(one.lines[0], one.lines[-1] + 1) for one in _named(content, name)]
    return ended("".join(lines[index] for span in spans for index in span))


def without_earlier(content: str, values: Mapping[str, str]) -> str:
    """Delete the definitions of parameters that have these values, but for the last ones, which count.

    + values: name to value
    """
    lines = split_lines(content)
    last = {one.name: one for one in _definitions(content)}
    gone = {
        index
        for one in _definitions(content)
        if one.value == values.get(one.name) and one is not last[one.name]
        for index in one.lines
    }
    return "".join(line for index, line in enumerate(lines) if index not in gone)


# At how many places a definition is searched for: a text may have the same line ten thousand times.
_MOST_PLACES = 1_000


def _commented_out(
    lines: _Lines, before: list[str], definition: Sequence[int], taken: set[int], first: int
) -> int | None:
    """The line at which a definition begins that `comment_out` has commented out; `None` if there is none.

    + before, definition: the lines of the earlier file, and which of them define the parameter
    + taken, first: lines that cannot be part of it, and the line from which to search
    """
    text, places = lines
    its = {*definition}
    span = range(definition[0], definition[-1] + 1)
    wanted = [f"#{before[index]}" if index in its else before[index] for index in span]
    starts = places.get(wanted[0], [])
    begin = bisect_left(starts, first)
    for start in starts[begin : begin + _MOST_PLACES]:
        if text[start : start + len(wanted)] == wanted and taken.isdisjoint(
            range(start, start + len(wanted))
        ):
            return start
    return None


def defined_parameters(content: str) -> dict[str, str]:
    """Name to value of every defined parameter, white space folded; the last definition wins."""
    return {found.name: found.value for found in _definitions(content)}


@dataclass(frozen=True)
class _Definition:
    name: str
    value: str
    prefix: str
    lines: tuple[int, ...]


# A logical line may break before "=", and between "=" and the value.
_NAME = re.compile(r"\s*([^\s=#]+)\s*=[^\S\n]*", re.ASCII)


# A plan parses the same text several times.
@lru_cache(maxsize=64)
def _definitions(content: str) -> tuple[_Definition, ...]:
    lines, found = split_lines(content), []
    for indices in logical_lines(lines):
        text = "".join(lines[index] for index in indices)
        match = _NAME.match(text)
        if match:
            found.append(
                _Definition(match[1], fold(text[match.end() :]), match[0].rstrip("\r"), tuple(indices))
            )
    return tuple(found)
