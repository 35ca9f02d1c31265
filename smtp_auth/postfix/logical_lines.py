"""Logical lines, which main.cf and master.cf have in common (postconf(5), master(5))."""

import re
from collections.abc import Iterable, Iterator

# What Postfix takes for white space. For Python, some bytes of UTF-8 letters are white space, too.
WHITE = " \t\n\v\f\r"


def fold(text: str) -> str:
    """The text with each run of white space as one space, and none at its ends."""
    return " ".join(re.findall(r"\S+", text, re.ASCII))


def split_lines(content: str) -> list[str]:
    """Physical lines with their line ends; only LF ends a line, as in Postfix."""
    lines = content.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def logical_lines(lines: list[str]) -> Iterator[list[int]]:
    """Yield the indices of the physical lines that make up each logical line.

    A line that starts with white space continues the one before it. Comments and empty lines are part
    of no logical line and do not end one.
    """
    current: list[int] = []
    for index, line in enumerate(lines):
        if line.lstrip(WHITE)[:1] in ("", "#"):
            continue
        if line[0] in WHITE and current:
            current.append(index)
            continue
        if current:
            yield current
        current = [index]
    if current:
        yield current


def line_end(content: str) -> str:
    """The line end for a new line in this file: the last one that the file has."""
    return "\r\n" if content[: content.rfind("\n") + 1].endswith("\r\n") else "\n"


def joined(parts: Iterable[str], end: str) -> str:
    """Lines as one text. The last line of a file may have no end: inside the text it gets one."""
    *others, last = [part for part in parts if part] or [""]
    return "".join(part if part.endswith("\n") else part + end for part in others) + last


def ended(content: str) -> str:
    """The content with its last line ended, so that something can be appended."""
    return content if not content or content.endswith("\n") else content + line_end(content)
