"""What happens before a run connects to any host: checks of the command line and data, and the report."""

import signal
import sys
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from types import FrameType
from typing import Any

import click
from pyinfra.api import Inventory, State
from pyinfra.api.exceptions import NoGroupError, PyinfraError
from pyinfra.context import ctx_state

from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.data_check import leave_out_bad_hosts
from smtp_auth.runs.names import compare_names
from smtp_auth.runs.report import report_at_the_end
from smtp_auth.runs.terminal import escape_what_others_say

# The exit status with which a shell reports a program that Ctrl-C has stopped.
INTERRUPTED = 130

# These use the settings on record, so they work even if the data is not valid any more.
_WITHOUT_DATA = ("undo.py", "remove.py")

_DEPLOY_FILE = Path(__file__).parents[2] / "deploy.py"

_in_place: list[bool] = []

# Noted at the start, because click tells its command line only to the thread that it runs in.
_is_for_real: list[bool] = []


def is_in_place() -> bool:
    """Whether config.py was loaded: it adds the checks that a run of a deploy needs."""
    return bool(_in_place)


def is_dry() -> bool:
    """Whether this run only previews. Before `prepare_runs`, it is taken for one."""
    return not _is_for_real


def prepare_runs() -> None:
    """Add the checks before the first connection, and the report at the end, to runs of a deploy.

    config.py calls this. Runs without a deploy file (`fact`, `exec`, `debug-inventory`) are not changed.
    """
    state = ctx_state.get()
    pyinfra_internals.register_file(_DEPLOY_FILE)
    pyinfra_internals.after_inventory(state, lambda: _prepare(state))
    _in_place.append(True)


def _prepare(state: State) -> None:
    given = pyinfra_internals.command_line()
    if not any(word.endswith(".py") for word in given.get("operations", ())[:1]):
        return
    escape_what_others_say()
    _check_command_line(given, state.inventory)
    pyinfra_internals.ask_only_before_changes(state)
    if not given.get("dry"):
        _is_for_real.append(True)
    else:
        # A preview changes nothing, so pyinfra's question whether to continue is not needed.
        pyinfra_internals.ask_no_question(state)
    signal.signal(signal.SIGINT, _interrupted)
    pyinfra_internals.after_planning(compare_names)
    report_at_the_end(state, is_dry=bool(given.get("dry")))
    if Path(given["operations"][0]).name not in _WITHOUT_DATA:
        leave_out_bad_hosts(state)


def _check_command_line(given: Mapping[str, Any], inventory: Inventory) -> None:
    """Raise pyinfra's `PyinfraError` for options that pyinfra would silently accept."""
    if given.get("dry") and given.get("yes"):
        raise PyinfraError(
            "--dry with -y (or PYINFRA_YES) compares nothing and shows nothing: use only one of them"
        )
    for option in ("limit", "exclude"):
        for pattern in given.get(option) or ():
            if not matches(pattern, inventory):
                raise PyinfraError(f"--{option} {pattern}: no host or group of the inventory has this name")


def matches(pattern: str, inventory: Inventory) -> bool:
    """Whether a host or group of the inventory matches a pattern of --limit or --exclude."""
    try:
        return bool(inventory.get_group(pattern))
    except NoGroupError:
        return any(fnmatch(host.name, pattern) for host in inventory)


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    # pyinfra's own exit status would be 0. Before it disconnects, it waits for the commands that it has
    # started.
    click.echo("Interrupted: waiting for the changes that have begun.", err=True)
    click.echo(
        "Interrupt again to quit: each host then completes its change or restores everything.", err=True
    )
    sys.exit(INTERRUPTED)
