"""Ctrl-C, SIGTERM, or a terminal that is closed, during a run.

The first interruption waits for the changes that have begun, and lets no other begin. A second one leaves
them to their hosts, which complete or restore. Both end the run with the report.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

from gevent import spawn
from gevent.event import Event

from smtp_auth.runs.echo import mode_of_terminal, restore
from smtp_auth.runs.signals import ending
from smtp_auth.runs.status import Status
from smtp_auth.shown import counted

# In seconds. systemd sends SIGTERM to all of a service or a session, and SIGHUP behind it to a session
# (systemd.kill(5), SendSIGHUP=). GNU parallel, or a worker, passes on a signal of its own.
_TOGETHER = 2.0

_COMPLETES = "completes its change or restores everything"


@dataclass
class _Changes:
    """How many changes are under way, and how often the run was interrupted.

    + report, say, stop, each_host: those of `heed_interruptions`
    + number, at: the last signal that counted, and when it came
    + terminal: how the terminal was at first, if there is one
    + is_busy, is_late: whether something is written that an interruption waits for, and whether one does
    """

    under_way: int = 0
    interruptions: int = 0
    report: Callable[[], object] = lambda: None
    say: Callable[[str], None] = lambda _text: None
    stop: Callable[[], None] | None = None
    each_host: str = _COMPLETES
    terminal: list[Any] | None = None
    number: int = 0
    at: float = 0.0
    is_busy: bool = False
    is_late: bool = False
    none: Event = field(default_factory=Event)


_changes = _Changes()


def heed_interruptions(
    report: Callable[[], object],
    say: Callable[[str], None],
    stop: Callable[[], None] | None = None,
    *,
    each_host: str = _COMPLETES,
) -> None:
    """Heed interruptions from now on. By itself, pyinfra would end at once, with exit status 0.

    + report: prints the outcomes of the run, at its end
    + say: prints a text of one or more lines, behind a line that may be incomplete
    + stop: for a run that changes nothing: what the first interruption calls, instead of ending the run;
      the run then has to call `leave_if_interrupted` once it has shown what it knows
    + each_host: what a host then does that a second interruption does not wait for
    """
    _changes.report, _changes.say, _changes.stop = report, say, stop
    _changes.each_host = each_host
    _changes.terminal = mode_of_terminal()
    for number in ending():
        signal.signal(number, _interrupted)


@contextmanager
def change_under_way() -> Iterator[None]:
    """Inside the `with`, a change is made that the first interruption waits for.

    If there was one already, it does not begin: the run ends with the changes that have begun.
    """
    leave_if_interrupted()
    _changes.under_way += 1
    _changes.none.clear()
    try:
        yield
    finally:
        _changes.under_way -= 1
        if not _changes.under_way:
            _changes.none.set()


def is_interrupted() -> bool:
    """Whether the run was interrupted, so that nothing new begins."""
    return bool(_changes.interruptions)


def leave_if_interrupted() -> None:
    """End an interrupted run, once the changes under way are over."""
    if _changes.interruptions:
        _leave_after_the_changes()


@contextmanager
def undivided() -> Iterator[None]:
    """Inside the `with`, something is written, to a terminal or a file: an interruption waits for the end.

    A mask of signals would not do: another thread may get the signal, and Python handles it in this one.
    """
    if _changes.is_busy:
        yield
        return
    _changes.is_busy = True
    try:
        yield
    finally:
        _changes.is_busy = False
        if _changes.is_late:
            _changes.is_late = False
            _interrupt()


def _interrupted(number: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    if _changes.number not in (0, number) and now - _changes.at < _TOGETHER:
        # The same interruption, passed on.
        return
    _changes.number, _changes.at = number, now
    if _changes.is_busy:
        _changes.is_late = True
    else:
        _interrupt()


def _interrupt() -> None:
    _changes.interruptions += 1
    count = _changes.under_way
    if _changes.interruptions > 2:
        # Even the report is not waited for.
        os._exit(Status.INTERRUPTED)
    if _changes.stop and _changes.interruptions == 1:
        _changes.say("Interrupted: what is known so far follows.")
        _changes.stop()
        return
    if not count or _changes.interruptions > 1:
        _changes.say("Interrupted: no change is under way." if not count else "Interrupted again.")
        _leave()
    _changes.say(
        f"Interrupted: waiting for {counted(count, 'change')} under way; no other begins.\n"
        f"Interrupt again to quit: each host then {_changes.each_host}."
    )
    spawn(_leave_after_the_changes)


def _leave_after_the_changes() -> None:
    if _changes.under_way:
        _changes.none.wait()
    _leave()


def _leave() -> NoReturn:
    """End this process with the report, as it is: Python's own end waits for all that has begun."""
    restore(_changes.terminal)
    # Nobody may read it any more; and what was interrupted while it was written cannot be written to.
    with suppress(OSError, RuntimeError):
        _changes.report()
    with suppress(OSError, RuntimeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(Status.INTERRUPTED)
