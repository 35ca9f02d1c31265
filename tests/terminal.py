"""Runs a program in a pseudo-terminal, as somebody who types there, and shows its screen as they see it."""

import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from typing import IO, TextIO

from pyte import ByteStream, HistoryScreen
from pyte.screens import Char

# Far more than anything here takes.
_SECONDS = 300

CTRL_C, CTRL_D = "\x03", "\x04"

_ROWS = 24

# As pyte calls the colours that rich has another name for.
_COLOURS = {"default": "", "brown": "yellow"}


@dataclass(frozen=True)
class Row:
    """One row of a screen.

    + style: as rich calls it, such as `bold red`; empty if there is none
    """

    text: str
    style: str = ""


@dataclass
class Screen:
    """A terminal, as somebody sees it who sits in front of it.

    + descriptor: the side of the pseudo-terminal at which they sit
    + columns: how wide the terminal is
    + written: everything that was written to it so far
    + shown: the same as text, without colours; what was drawn over is still in it
    """

    descriptor: int
    columns: int = 80
    written: bytes = b""
    shown: str = ""

    def read(self) -> bool:
        """Read what is shown next, within a second. Returns whether the program may still show something."""
        if not select.select([self.descriptor], [], [], 1)[0]:
            return True
        try:
            read = os.read(self.descriptor, 65536)
        except OSError:
            # Linux says so when nobody has the terminal open any more.
            read = b""
        self.written += read
        # All of it once more: a sequence or a character may be in two parts.
        text = self.written.decode(errors="replace").replace("\r\n", "\n")
        self.shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)
        return bool(read)

    def rows(self) -> list[Row]:
        """What the terminal shows now, below what has scrolled off it. Each row has one style."""
        screen = self._drawn()
        visible = [screen.buffer[number] for number in range(_ROWS)]
        found = [self._row(cells) for cells in (*screen.history.top, *visible)]
        last = max((number for number, row in enumerate(found, 1) if row.text), default=0)
        return found[:last]

    def lines(self) -> list[str]:
        """The same without the styles."""
        return [row.text for row in self.rows()]

    def is_as_before(self) -> bool:
        """Whether the cursor is seen, and what is typed is shown, as before the program."""
        echoes = bool(termios.tcgetattr(self.descriptor)[3] & termios.ECHO)
        return echoes and not self._drawn().cursor.hidden

    def _drawn(self) -> HistoryScreen:
        screen = HistoryScreen(self.columns, _ROWS, history=10_000)
        ByteStream(screen).feed(self.written)
        return screen

    def _row(self, cells: Mapping[int, Char]) -> Row:
        row = [cells[column] for column in range(self.columns)]
        text = "".join(cell.data for cell in row).rstrip()
        styles = {_style(cell) for cell in row if cell.data.strip()}
        assert len(styles) < 2, f"{text!r} has several styles: {styles}"
        return Row(text, *styles)


@dataclass
class Terminal(Screen):
    """A terminal in which a program runs."""

    process: subprocess.Popen[bytes] = field(kw_only=True)

    def type(self, text: str) -> None:
        """Type a text, with `\\n` for Enter."""
        os.write(self.descriptor, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until the terminal has shown a text."""
        deadline = time.monotonic() + _SECONDS
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self.read() or text in self.shown, self.shown

    def status(self) -> int:
        """The exit status, once the program has ended."""
        deadline = time.monotonic() + _SECONDS
        while self.read():
            assert time.monotonic() < deadline, self.shown
        return self.process.wait(_SECONDS)


def _style(cell: Char) -> str:
    return f"{'bold ' if cell.bold else ''}{_COLOURS.get(cell.fg, cell.fg)}".strip()


@contextmanager
def a_screen(columns: int) -> Iterator[tuple[Screen, TextIO]]:
    """A terminal for this process, so wide: who sits in front of it, and what is written to."""
    screen, keyboard = _opened(columns)
    try:
        with os.fdopen(keyboard, "w") as stream:
            yield Screen(screen, columns), stream
    finally:
        os.close(screen)


def _opened(columns: int) -> tuple[int, int]:
    """Both sides of a pseudo-terminal: where somebody sits, and where a program reads and writes."""
    screen, keyboard = pty.openpty()
    ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    return screen, keyboard


@contextmanager
def in_a_terminal(
    words: Sequence[str | Path],
    folder: Path,
    columns: int = 80,
    environment: Mapping[str, str] | None = None,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
) -> Iterator[Terminal]:
    """A program that has been started in a terminal of its own; at the end it is killed if it still runs.

    + words: its command line
    + folder: where it runs
    + environment: variables besides those of this process
    + stdout, stderr: files that get what it writes there, instead of the terminal
    """
    screen, keyboard = _opened(columns)
    process = subprocess.Popen(
        # Its own terminal, so that Ctrl-C interrupts it. gevent's Popen cannot do this.
        ["setsid", "--ctty", *words],
        cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        stdin=keyboard,
        stdout=stdout or keyboard,
        stderr=stderr or keyboard,
    )
    os.close(keyboard)
    try:
        yield Terminal(screen, columns, process=process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(screen)


def without_progress(errors: str) -> str:
    """What a program has written to a file for errors, without the lines that say how far it is."""
    return re.sub(r"^asked \d+ of \d+ host.*\n", "", errors, flags=re.MULTILINE)
