"""A question on the terminal."""

import sys
import termios


def can_be_asked() -> bool:
    """Whether somebody can be asked: standard input is a terminal."""
    return bool(sys.stdin and sys.stdin.isatty())


def answer_to(question: str) -> str:
    """What somebody types as the answer, without the white space around it; empty at the end of input.

    + question: without a line end
    """
    # What was typed before the question does not answer it.
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        return input().strip()
    except EOFError:
        sys.stderr.write("\n")
        return ""
