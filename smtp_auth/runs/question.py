"""A question on the terminal."""

import os
import select
import signal
import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass

from gevent.monkey import get_original

from smtp_auth.runs.mistakes import Declined, Mistake
from smtp_auth.shown import counted

# With gevent's, the rest of the run would go on while somebody is asked.
_poll = get_original("select", "poll")


@dataclass(frozen=True)
class Question:
    """What is asked before hosts are changed.

    + what: what would happen, such as `3 hosts would change`
    + asks: the question itself
    + answers: what has to be typed, one of these
    """

    what: str
    asks: str
    answers: tuple[str, ...]

    def needs_somebody(self, option: str) -> None:
        """Raise `Mistake` if nobody can be asked. + option: the one that answers the question"""
        if not can_be_asked():
            raise Mistake(
                f"{self.what}, and nobody can be asked: standard input is no terminal. Use {option} to go on "
                "without a question"
            )

    def ask(self, text: str) -> None:
        """Ask. Raises `Declined` if the answer is another one.

        + text: what is shown, without a line end
        """
        if answer_to(text).lower() not in self.answers:
            raise Declined(f"the answer is not {' or '.join(self.answers)}: no host was changed")


def question_about(changing: int, answers: Sequence[str], *, closing: int = 0) -> Question:
    """The question whether to change hosts.

    + changing: how many would change
    + answers: what means yes
    + closing: on how many of them a removal closes port 465. Their number is the answer then: it has to be
      read, and cannot be typed out of habit
    """
    what = f"{counted(changing, 'host')} would change"
    if closing:
        where = "it" if changing == 1 else f"{closing} of them"
        asks = f"Type the number of hosts where it closes, {closing}, to go on"
        return Question(f"{what}, and port 465 would close on {where}", asks, (str(closing),))
    it = "it" if changing == 1 else "them"
    asks = f"Change {it}? Only 'yes' does" if len(answers) == 1 else f"Change {it}? {' or '.join(answers)}"
    return Question(what, asks, tuple(answers))


def can_be_asked() -> bool:
    """Whether somebody can be asked: standard input is a terminal."""
    return bool(sys.stdin and sys.stdin.isatty())


def answer_to(question: str) -> str:
    """What somebody types as the answer, without the white space around it; empty at the end of input.

    + question: without a line end
    """
    # What was typed before the question does not answer it.
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    _write(question)
    _wait_for_a_line()
    try:
        return input().strip()
    except (EOFError, UnicodeDecodeError):
        # Ctrl-D, or no text.
        _write("\n")
        return ""


def _wait_for_a_line() -> None:
    """Wait until somebody has typed a line, or until a handler of a signal ends the run.

    Python runs a handler between two of its own steps. A signal that comes after the last step before
    `input` reads would have to wait for a line, too: Ctrl-C would seem to do nothing. See
    `signal.set_wakeup_fd` in Python's library reference.
    """
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    poll = _poll()
    for descriptor in (sys.stdin, woken):
        poll.register(descriptor, select.POLLIN)
    try:
        while [descriptor for descriptor, _ in poll.poll()] == [woken]:
            os.read(woken, 64)
    finally:
        signal.set_wakeup_fd(before)
        os.close(wakes)
        os.close(woken)


def _write(text: str) -> None:
    """Write where somebody types, whatever goes to files."""
    try:
        with open(os.ttyname(sys.stdin.fileno()), "w") as terminal:  # noqa: PTH123
            terminal.write(text)
    except OSError:
        # Its name is of another mount namespace, for example.
        sys.stderr.write(text)
        sys.stderr.flush()
