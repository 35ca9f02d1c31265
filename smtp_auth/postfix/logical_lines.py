"""Logical lines of main.cf and master.cf (postconf(5), master(5))."""

import re
from collections.abc import Iterable, Iterator

# White space for Postfix. Python also treats some bytes of UTF-8 letters as white space.
WHITE = " \t\n\v\f\r"


def fold(text: str) -> str:
    """The text with each run of white space as one space, and none at the start and the end."""
    return " ".join(re.findall(r"\S+", text, re.ASCII))


def split_lines(content: str) -> list[str]:
    """Physical lines with their line ends; as in Postfix, only LF ends a line."""
    lines = content.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def logical_lines(lines: list[str]) -> Iterator[list[int]]:
    """Yield the indices of the physical lines that make up each logical line.

    A line that starts with white space continues the one before it. Comments and empty lines belong to no
    logical line, and do not end one.
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
    """The line end for a new line in this file: that of its last line."""
    return "\r\n" if content[: content.rfind("\n") + 1].endswith("\r\n") else "\n"


def joined(parts: Iterable[str], end: str) -> str:
    """Lines as one text. Each line but the last gets a line end if it has none, as a file's last line may."""
    *others, last = [part for part in parts if part] or [""]
    return "".join(part if part.endswith("\n") else part + end for part in others) + last


def ended(content: str) -> str:
    """The content with a line end after its last line, so that a line can be appended."""
    return content if not content or content.endswith("\n") else content + line_end(content)
