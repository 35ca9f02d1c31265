"""Runs a program in a pseudo-terminal, as somebody who types there."""

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

# Far more than anything here takes.
_SECONDS = 60

CTRL_C, CTRL_D = "\x03", "\x04"


@dataclass
class Terminal:
    """A program that runs in a terminal.

    + shown: everything that the terminal has shown so far, without colours
    """

    process: subprocess.Popen[bytes]
    screen: int
    shown: str = ""

    def type(self, text: str) -> None:
        """Type a text, with `\\n` for Enter."""
        os.write(self.screen, text.encode())

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

    def read(self) -> bool:
        """Read what is shown next, within a second. Returns whether the program may still show something."""
        if not select.select([self.screen], [], [], 1)[0]:
            return True
        try:
            read = os.read(self.screen, 65536)
        except OSError:
            # Linux says so when nobody has the terminal open any more.
            read = b""
        self.shown += re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", read.decode(errors="replace")).replace("\r\n", "\n")
        return bool(read)


@contextmanager
def in_a_terminal(words: Sequence[str | Path], folder: Path) -> Iterator[Terminal]:
    """A program that has been started in a terminal of its own; at the end it is killed if it still runs.

    + words: its command line
    + folder: where it runs
    """
    screen, keyboard = pty.openpty()
    process = subprocess.Popen(
        words,
        cwd=folder,
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        start_new_session=True,
        # Its own terminal, so that Ctrl-C interrupts it.
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(keyboard)
    try:
        yield Terminal(process, screen)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(screen)
