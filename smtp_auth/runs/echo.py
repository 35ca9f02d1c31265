"""Whether a terminal shows what is typed: a prompt for a password switches that off, and may be interrupted.

It imports nothing that takes time.
"""

import sys
import termios
from contextlib import suppress
from typing import Any


def mode_of_terminal() -> list[Any] | None:
    """How the terminal is now where somebody types; `None` if there is none."""
    return termios.tcgetattr(sys.stdin) if sys.stdin and sys.stdin.isatty() else None


def restore(mode: list[Any] | None) -> None:
    """Make the terminal again as it was. + mode: what `mode_of_terminal` has returned"""
    if mode:
        # It may be closed.
        with suppress(termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSANOW, mode)
