"""A question on the terminal."""

import os
import sys
import termios

from smtp_auth.runs.mistakes import Mistake


def can_be_asked() -> bool:
    """Whether somebody can be asked: standard input is a terminal."""
    return bool(sys.stdin and sys.stdin.isatty())


def nobody_to_ask(what: str, option: str) -> Mistake:
    """The error if nobody can be asked.

    + what: what would be asked about
    + option: the one that answers the question
    """
    return Mistake(
        f"{what}, and nobody can be asked: standard input is no terminal. Use {option} to apply without a "
        "question"
    )


def answer_to(question: str) -> str:
    """What somebody types as the answer, without the white space around it; empty at the end of input.

    + question: without a line end
    """
    # What was typed before the question does not answer it.
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    _write(question)
    try:
        return input().strip()
    except (EOFError, UnicodeDecodeError):
        # Ctrl-D, or no text.
        _write("\n")
        return ""


def _write(text: str) -> None:
    """Write where somebody types, whatever goes to files."""
    try:
        with open(os.ttyname(sys.stdin.fileno()), "w") as terminal:  # noqa: PTH123
            terminal.write(text)
    except OSError:
        # Its name is of another mount namespace, for example.
        sys.stderr.write(text)
        sys.stderr.flush()
