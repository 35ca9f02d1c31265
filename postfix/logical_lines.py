"""Logical lines, as main.cf and master.cf share them (postconf(5), master(5))."""

from collections.abc import Iterator


def split_lines(content: str) -> list[str]:
    """Physical lines with their line ends; only LF ends a line, as in Postfix."""
    lines = content.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def logical_lines(lines: list[str]) -> Iterator[list[int]]:
    """Yield the indices of the physical lines that make up each logical line.

    A line that starts with white space continues the one before it; comments and empty lines belong
    to none and do not end one either.
    """
    current: list[int] = []
    for index, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and current:
            current.append(index)
            continue
        if current:
            yield current
        current = [index]
    if current:
        yield current


def line_end(content: str) -> str:
    """The line end that a new line of this file gets: CRLF where its last line has one."""
    return "\r\n" if content.endswith("\r\n") else "\n"


def ended(content: str) -> str:
    """The content with its last line ended, so that something can be appended."""
    return content if not content or content.endswith("\n") else content + line_end(content)
