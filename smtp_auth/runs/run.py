"""What happens before a run connects to any host: checks of the command line and data, and the report."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click
from pyinfra import logger
from pyinfra.api import Inventory, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.output import format_text
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_state

from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.bounds import bound_connections
from smtp_auth.runs.coming_back import hosts_removed_from, tell_what_comes_back
from smtp_auth.runs.data_check import leave_out_bad_hosts
from smtp_auth.runs.host_keys import heed_host_keys
from smtp_auth.runs.interruption import heed_interruptions
from smtp_auth.runs.inventory_check import check_options, choose, read_checked
from smtp_auth.runs.mistakes import Mistake, sentence_of
from smtp_auth.runs.names import compare_names
from smtp_auth.runs.question import question_about
from smtp_auth.runs.report import report_at_the_end, report_now, tell_left_out
from smtp_auth.runs.startup import is_run_of_pyinfra, leave_interruptions_to_pyinfra
from smtp_auth.runs.status import Status
from smtp_auth.runs.terminal import escape_what_others_say
from smtp_auth.shown import shown

# These use the settings on record, so they work even if the data is not valid any more.
_WITHOUT_DATA = ("undo.py", "remove.py")

# Each of them plans from a look at the hosts before any change, so a run has only one.
_PROGRAMS = ("deploy.py", *_WITHOUT_DATA)

_NO_FUNCTION = (
    "this deploy does not run as a function, because pyinfra checks nothing before one: give its file, as in "
    "pyinfra inventory.py deploy.py"
)

_DEPLOY_FILE = Path(__file__).parents[2] / "deploy.py"

_loaded: list[bool] = []
_prepared: list[bool] = []

# Noted at the start, because click tells its command line only to the thread that it runs in.
_is_for_real: list[bool] = []


def check_is_prepared() -> None:
    """Raise `Mistake` if this run has none of the checks that a run of a deploy needs."""
    if _loaded and _prepared:
        return
    # pyinfra imports the module of a function before it loads config.py.
    if not _loaded and _are_files(pyinfra_internals.command_line().get("operations", ())):
        _stop(Mistake("config.py was not loaded: run pyinfra in the folder of deploy.py, without --config"))
    _stop(Mistake(_NO_FUNCTION))


def _stop(mistake: Mistake) -> NoReturn:
    """Stop a run that `prepare_runs` has not prepared."""
    pyinfra_internals.tell_errors(_tell)
    raise mistake


def _are_files(words: Sequence[str]) -> bool:
    """Whether pyinfra takes the words of its command line for files; otherwise the first is a function."""
    return all(word.endswith(".py") for word in words)


def is_dry() -> bool:
    """Whether this run only previews. Before `prepare_runs`, it is taken for one."""
    return not _is_for_real


def prepare_runs() -> None:
    """Add the checks before the first connection, and the report at the end, to runs of a deploy.

    config.py calls this. Runs of pyinfra's own commands and functions (`fact`, `exec`, `debug-inventory`,
    `server.user`) are not changed, but for the host keys that they accept; outside a run of pyinfra's command
    line, this does nothing.
    """
    if not is_run_of_pyinfra():
        return
    state = ctx_state.get()
    pyinfra_internals.register_file(_DEPLOY_FILE)
    _loaded.append(True)
    heed_host_keys()
    given = pyinfra_internals.command_line()
    words: Sequence[str] = given.get("operations", ())
    inventory = str(given.get("inventory", ""))
    if Path(inventory).name in _PROGRAMS:
        _stop(
            Mistake(f"{inventory} is no inventory: give it behind that, as in pyinfra inventory.py deploy.py")
        )
    if words and words[0].partition(".")[0] in ("operations", "smtp_auth"):
        _stop(Mistake(_NO_FUNCTION))
    if not any(word.endswith(".py") for word in words[:1]):
        leave_interruptions_to_pyinfra()
        return
    pyinfra_internals.tell_errors(_tell)
    heed_interruptions(report_now, lambda text: click.echo(f"\n{text}", err=True))
    _check_command_line(given)
    logger.addFilter(lambda record: not pyinfra_internals.is_no_inventory_line(record))
    pyinfra_internals.read_inventory_with(partial(_read, given))
    pyinfra_internals.after_inventory(state, lambda: _prepare(state, given))


def _read(given: Mapping[str, Any], word: str, read: Callable[[], Inventory]) -> Inventory:
    found = read_checked(word, read)
    # Here, before pyinfra chooses hosts: it only warns.
    choose(found, given.get("limit") or (), given.get("exclude") or ())
    return found


def _prepare(state: State, given: Mapping[str, Any]) -> None:
    bound_connections(state.inventory)
    escape_what_others_say()
    pyinfra_internals.show_no_output(state, commands=bool(given.get("debug")))
    pyinfra_internals.leave_out_text("Detected changes may not include every change")
    if not given.get("dry") and not given.get("yes"):
        # A question without what it is about is none.
        state.config.DIFF = True
    pyinfra_internals.ask(state, lambda: _ask(state))
    if not given.get("dry"):
        _is_for_real.append(True)
    pyinfra_internals.after_planning(_compare)
    report_at_the_end(state, is_dry=bool(given.get("dry")))
    _prepared.append(True)
    if Path(given["operations"][0]).name not in _WITHOUT_DATA:
        leave_out_bad_hosts(state)


def _compare() -> None:
    """Judge all hosts together, once they have been planned."""
    compare_names()
    tell_what_comes_back()


def _check_command_line(given: Mapping[str, Any]) -> None:
    """Raise `Mistake` for what pyinfra would silently accept, or answer with a traceback."""
    if given.get("dry") and given.get("yes"):
        raise Mistake(
            "--dry with -y (or PYINFRA_YES) compares nothing and shows nothing: use only one of them"
        )
    check_options(
        str(given.get("inventory", "")),
        given.get("data") or (),
        given.get("group_data") or (),
        given.get("parallel"),
    )
    programs = [name for word in given["operations"] if (name := Path(word).name) in _PROGRAMS]
    if len(programs) > 1:
        raise Mistake(f"{' and '.join(programs)} in one run: run them one after the other")


def _ask(state: State) -> bool:
    """Ask whether to make the changes, if any. Raises `Declined`, or `Mistake` if nobody can be asked."""
    changing = sum(bool(state.meta[host].ops_change) for host in state.active_hosts)
    if not changing:
        return True
    question = question_about(changing, ("y", "yes"), closing=hosts_removed_from())
    question.needs_somebody("-y")
    tell_left_out(state)
    failed = len(state.failed_hosts)
    left_out = f"; {failed} {'is' if failed == 1 else 'are'} left out, see above" if failed else ""
    question.ask(f"\n    {question.what}{left_out}.\n    {question.asks}: ")
    return True


def _tell(error: BaseException) -> int:
    """Tell with which error this run ends. Returns the exit status."""
    cause, _ = pyinfra_internals.cause_and_file(error)
    logger.error(format_text(f"--> {shown(sentence_of(error))}", "red"))
    has_begun = ctx_state.isset() and ctx_state.get().current_stage is not StateStage.Setup
    if isinstance(cause, Mistake):
        return Status.MISTAKE
    is_late = has_begun or isinstance(cause, PyinfraError)
    return Status.TROUBLE if is_late else Status.MISTAKE
