"""Lines for people: whole in a file, wrapped and coloured on a terminal."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import TextIO


class Style(Enum):
    """What a line is. Each value is one of rich's styles; a reader sees the same from the words alone."""

    PLAIN = ""
    TITLE = "bold"
    ADDED = "green"
    DELETED = "red"
    TROUBLE = "bold red"
    WARNING = "yellow"


@dataclass(frozen=True)
class Line:
    """One line.

    + style: how it looks on a terminal
    + under: the column in which the rest of a line begins that is longer than the terminal is wide
    """

    text: str
    style: Style = Style.PLAIN
    under: int = 0


EMPTY = Line("")


def show(lines: Iterable[Line], stream: TextIO) -> None:
    """Write lines to a stream. On a terminal they are coloured, unless `NO_COLOR` is set, and wrapped."""
    width = width_of(stream)
    if width is None:
        # One line is one line, for programs that search it.
        stream.writelines(f"{line.text}\n" for line in lines)
        stream.flush()
        return
    for line in lines:
        for part in rows(line, width):
            stream.write(f"{_coloured(part, line.style)}\n")
    stream.flush()


def rows(line: Line, width: int) -> Iterator[str]:
    """A line as a terminal with so many columns shows it."""
    # A terminal would expand tabs itself, but the width of a line has to be known.
    yield from wrapped(line.text.expandtabs(), width, line.under)


def width_of(stream: TextIO) -> int | None:
    """How many columns a terminal has; `None` for what is no terminal."""
    return (os.get_terminal_size(stream.fileno()).columns or 80) if stream.isatty() else None


def show_results(lines: Iterable[Line]) -> None:
    """Write lines to standard output. The work goes on if nobody reads them any more, as behind head(1)."""
    with _read_or_not():
        show(lines, sys.stdout)


def show_beside(lines: Iterable[Line]) -> None:
    """Write lines to standard error. Nobody has to be able to read them."""
    with suppress(OSError):
        show(lines, sys.stderr)


def write_results(lines: Iterable[str]) -> None:
    """The same for lines of a program, which have their ends."""
    with _read_or_not():
        sys.stdout.writelines(lines)
        sys.stdout.flush()


@contextmanager
def _read_or_not() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _coloured(text: str, style: Style) -> str:
    if style is Style.PLAIN or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    from rich.style import Style as Rich

    return Rich.parse(style.value).render(text)


def wrapped(text: str, width: int, under: int) -> Iterator[str]:
    """A line in pieces that are at most so wide, torn at spaces only. A longer word stays whole.

    + width: in columns
    + under: the column in which each piece but the first begins
    """
    from rich.cells import cell_len

    if cell_len(text) <= width:
        yield text
        return
    indent = len(text) - len(text.lstrip(" "))
    words = text[indent:].split(" ")
    piece = " " * indent + words[0]
    for word in words[1:]:
        if cell_len(piece) + 1 + cell_len(word) > width:
            yield piece
            piece = " " * under + word
        else:
            piece = f"{piece} {word}"
    yield piece


def be_writable() -> None:
    """Let standard output and standard error escape what their encoding does not have: a host's name."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
