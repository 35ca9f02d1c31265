"""How a command runs for Nagios: it says everything in one answer on standard output, also what is wrong.

It imports nothing that takes time, as it begins before the command line is read.
"""

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr

from smtp_auth.runs.signals import ending

_OPTION = "--nagios"


def is_plugin(words: Sequence[str]) -> bool:
    """Whether a command line is one for Nagios. + words: those of the command line"""
    place = words.index("--") if "--" in words else len(words)
    names = [word.partition("=")[0] for word in words[:place]]
    # argparse takes a beginning of an option, too.
    return names[:1] == ["verify"] and any(len(name) > 2 and _OPTION.startswith(name) for name in names)


def run_as_plugin(work: Callable[[], int]) -> int:
    """Do the work, and write nothing to standard error. Returns Nagios' exit status.

    + work: writes the answer, and returns the exit status; if it raises anything, that is the answer
    """
    for number in ending():
        signal.signal(number, _interrupted)
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    try:
        with redirect_stderr(said):
            return work()
    except SystemExit as end:
        if not end.code:
            # --help was asked for.
            raise
        said.seek(0)
        # Before its sentence, argparse shows how the command is used.
        return _unknown(re.sub(r".*: error: ", "", said.read(), flags=re.DOTALL).strip())
    except Exception as error:
        from smtp_auth.runs.mistakes import Declined, Mistake

        wrong = isinstance(error, Mistake | Declined)
        return _unknown(str(error) if wrong else f"{type(error).__name__}: {error}")


def _unknown(text: str) -> int:
    from smtp_auth.shown import shown
    from smtp_auth.verify.nagios import State, answer

    first, *rest = map(shown, text.splitlines() or [""])
    try:
        print("".join(answer(State.UNKNOWN, first, details=rest)), end="", flush=True)
    except OSError:
        # Nobody hears anything, and Python would say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return State.UNKNOWN


def _interrupted(number: int, _frame: object) -> None:
    """End at once: Nagios does not wait any longer, and what is known so far may be the smaller part."""
    said = f"SMTP_AUTH UNKNOWN - {signal.Signals(number).name} has ended this before the host was looked at\n"
    os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, said.encode())
    os._exit(3)
