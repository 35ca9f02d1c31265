"""The signals that end a run. It imports nothing that takes time."""

import signal
from collections.abc import Iterator


def ending() -> Iterator[signal.Signals]:
    """Ctrl-C, SIGTERM, and that a terminal is closed; without those that are ignored.

    A shell lets a program in the background ignore the first one, and nohup(1) the last one.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            yield number
