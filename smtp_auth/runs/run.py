"""What has to be settled before a run connects to any host: its command line, its hosts' data, its report.

pyinfra reads config.py before the inventory, and deploy.py after it has connected. In between it calls
`state.init` with the inventory. pyinfra offers no other hook there, so this wraps that method.
"""

import signal
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import FrameType
from typing import Any

import click
from pyinfra.api import Config, Inventory
from pyinfra.api.exceptions import NoGroupError, PyinfraError
from pyinfra.context import ctx_state

from smtp_auth.runs.data_check import leave_out_bad_hosts
from smtp_auth.runs.report import report_at_the_end
from smtp_auth.runs.terminal import escape_what_others_say

# As a shell reports a program that Ctrl-C has ended.
INTERRUPTED = 130

# These work with what is on record: data that is not valid any more keeps nobody from undoing.
_WITHOUT_DATA = ("undo.py", "remove.py")

_in_place: list[bool] = []


def is_in_place() -> bool:
    """Whether config.py was loaded, and with it all that a run of a deploy rests on."""
    return bool(_in_place)


def prepare_runs() -> None:
    """Make runs of a deploy check what they can before they connect, and report at their end.

    config.py calls this. Runs without a deploy file (`fact`, `exec`, `debug-inventory`) stay as they are.
    """
    state = ctx_state.get()
    initialise = state.init

    def initialise_and_check(inventory: Inventory, config: Config | None, **options: object) -> None:
        initialise(inventory, config, **options)
        given = _command_line()
        if not any(word.endswith(".py") for word in given.get("operations", ())[:1]):
            return
        escape_what_others_say()
        _check_command_line(given, inventory)
        if given.get("dry"):
            # A preview changes nothing: whether to go on is no question.
            state.config.FAIL_PERCENT = None
        signal.signal(signal.SIGINT, _interrupted)
        report_at_the_end(state, is_dry=bool(given.get("dry")))
        if Path(given["operations"][0]).name not in _WITHOUT_DATA:
            leave_out_bad_hosts(state)

    state.init = initialise_and_check
    _in_place.append(True)


def _command_line() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return dict(context.params) if context else {}


def _check_command_line(given: dict[str, Any], inventory: Inventory) -> None:
    """Raise pyinfra's `PyinfraError` for what it would take without a word."""
    if given.get("dry") and given.get("yes"):
        raise PyinfraError(
            "--dry with -y (or PYINFRA_YES) compares nothing and shows nothing: leave one of them out"
        )
    for option in ("limit", "exclude"):
        for pattern in given.get(option) or ():
            if not matches(pattern, inventory):
                raise PyinfraError(f"--{option} {pattern}: no host or group of the inventory is called so")


def matches(pattern: str, inventory: Inventory) -> bool:
    """Whether a host or group of the inventory is called so, as --limit and --exclude take it."""
    try:
        return bool(inventory.get_group(pattern))
    except NoGroupError:
        return any(fnmatch(host.name, pattern) for host in inventory)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    # pyinfra's own exit status here is 0. It waits for what it has begun before it disconnects.
    click.echo("Interrupted: waiting for the changes that have begun.", err=True)
    click.echo("Interrupt again to leave: they go on, whole or not at all.", err=True)
    sys.exit(INTERRUPTED)
