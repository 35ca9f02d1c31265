"""Looks at many hosts side by side, before anything is judged."""

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress

import gevent
from gevent.event import Event
from gevent.pool import Pool

from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.text import took_line
from smtp_auth.runs.interruption import heed_interruptions
from smtp_auth.verify.connection import leave
from smtp_auth.verify.reach import why_down
from smtp_auth.verify.target import Observer, Target

# How many observers run on each host, at least. However many of them wait for a host that hangs, it takes
# the place of one.
_OBSERVERS = 4


def look_at(
    looks: Mapping[Target, Sequence[Observer]],
    at_once: int,
    doing: str = "looked at",
    *,
    is_verbose: bool = False,
    stopped: Event | None = None,
) -> list[Target]:
    """Let observers look at hosts, with progress on standard error.

    + looks: the observers of each host
    + at_once: how many hosts are looked at at the same time
    + doing: what is shown as progress
    + is_verbose: whether it is said how long each host took
    + stopped: is set by an interruption, which then ends this early; `None` leaves interruptions to others

    Returns the hosts that were looked at with all of their observers.
    """
    side_by_side = max(_OBSERVERS, at_once // max(1, len(looks)))
    ended: list[Target] = []
    with Progress(doing, len(looks)) as progress:
        if stopped:
            heed_interruptions(progress.hide, progress.say_text, stopped.set)

        def look(target: Target) -> None:
            progress.begins(target.name)
            began = time.monotonic()
            _look_at(target, looks[target], side_by_side)
            ended.append(target)
            took = took_line(target.name, (("look", time.monotonic() - began),))
            progress.ends(target.name, _word(target), [took] if is_verbose else [])

        with warnings.catch_warnings():
            # Since 3.12, Python warns of threads at each command on this machine (`@local`).
            warnings.simplefilter("ignore", DeprecationWarning)
            pool = Pool(at_once)
            # What is left waits for nothing and nobody if it is interrupted. For threads, Python would wait.
            looking = pool.map_async(look, looks)
            gevent.wait([looking, stopped] if stopped else [looking], count=1)
            if looking.ready():
                looking.get()
            else:
                looking.kill(block=False)
                pool.kill(block=False)
    return [target for target in looks if target in ended]


def _look_at(target: Target, observers: Sequence[Observer], side_by_side: int) -> None:
    # `wrong_logins` takes longest, so it is started first.
    ordered = sorted(dict.fromkeys(observers), key=lambda observe: observe.__name__ != "wrong_logins")

    def try_look(observe: Observer) -> None:
        # The check that needs this observer raises an exception again, and reports it.
        with suppress(Exception):
            target.see(observe)

    Pool(side_by_side).map(try_look, [why_down, *ordered])
    leave(target)


def _word(target: Target) -> str:
    try:
        return "not reached" if target.see(why_down) else "reached"
    except Exception:
        # Its check reports it.
        return "not reached"
