"""The first thing that a run does, and what saves Python work during it and at its end.

It imports nothing else of ours than the exit statuses, because that takes half a second. Outside a run of
pyinfra's command line, the functions that config.py calls do nothing: `smtp-auth` and the verification read
it, too. `smtp-auth` calls `begin_loading` and `end_loading` itself.
"""

import gc
import importlib
import os
import signal
import sys
from types import FrameType, ModuleType
from typing import Any

import click

from smtp_auth.runs.status import Status

_of_pyinfra: list[Any] = []


def is_run_of_pyinfra() -> bool:
    """Whether this is a run of pyinfra's command line, which is made with click."""
    return click.get_current_context(silent=True) is not None


def end_when_interrupted() -> None:
    """End at Ctrl-C as interrupted, while nothing has begun. By itself, pyinfra would exit with 0.

    No garbage is looked for until `keep_what_is_loaded` is called.
    """
    if not is_run_of_pyinfra():
        return
    _of_pyinfra.append(signal.signal(signal.SIGINT, _end))
    gc.disable()


def leave_interruptions_to_pyinfra() -> None:
    """Undo `end_when_interrupted`, for a run of pyinfra's own."""
    if _of_pyinfra:
        signal.signal(signal.SIGINT, _of_pyinfra.pop())


def _end(_number: int, _frame: FrameType | None) -> None:
    print("\nInterrupted: no change is under way.", file=sys.stderr, flush=True)
    # Not with an exception: what is being imported may handle it.
    os._exit(Status.INTERRUPTED)


def keep_what_is_loaded() -> None:
    """Do as `end_loading` in a run of pyinfra."""
    if is_run_of_pyinfra():
        end_loading()


def begin_loading() -> None:
    """Save work until `end_loading` is called: what is loaded is no garbage, and some of it is never used."""
    gc.disable()
    # paramiko imports it for a `Match exec` in an SSH configuration: a third of the time that paramiko takes.
    _load_when_used("invoke")


def end_loading() -> None:
    """Exclude everything that is loaded from garbage collection: it is needed until the end of the run.

    Without this, the collector searches all of it, once during a run and several times at its end. That took
    a quarter of a run's processor time.
    """
    gc.freeze()
    gc.enable()


def _load_when_used(name: str) -> None:
    """Make an import of a package give a module that loads the package when something of it is used."""
    if name in sys.modules:
        return
    stand_in = ModuleType(name)

    def attribute(wanted: str) -> Any:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(importlib.import_module(name), wanted)

    stand_in.__getattr__ = attribute  # type: ignore[method-assign]
    sys.modules[name] = stand_in
