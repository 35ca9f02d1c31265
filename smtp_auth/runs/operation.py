"""What an operation does: it shows its step's part of the plan, and yields the command that carries it out.

A host changes once: the first operation with something to do carries out the whole plan, the later ones only
report their part of it. If the change fails, pyinfra executes no later operation of that host.

Two rules of pyinfra shape this module. pyinfra's planning stops at the first command that an operation
yields, so everything that a preview shows must be logged before. An exception inside an operation's generator
stops the run for every host, so these functions raise none.
"""

from collections.abc import Callable, Generator, Iterable

from pyinfra import host, state
from pyinfra.api import FunctionCommand, Host, State
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.output import format_text
from pyinfra.context import ctx_host

from smtp_auth.on_host.asking import Asked
from smtp_auth.plan.step import Part
from smtp_auth.plan.text import reload_lines, step_lines
from smtp_auth.runs.fault import fault
from smtp_auth.runs.host import asked
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.report import note_part_done
from smtp_auth.runs.transaction import Transaction
from smtp_auth.runs.trouble import fail, tell


def take_part(step: Part, present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """Show what a step changes, and change the host if this step is the first that has an edit.

    + present: whether the host shall have it, as in deploy.py; `False` in remove.py, which removes it
    """

    def part(found: Asked) -> list[PyinfraCommand]:
        _show(step_lines(found.plan, step))
        if not found.plan.edits_of(step):
            host.noop(step.nothing_to_do if present else "there is nothing of it to remove")
            return []
        first = found.plan.edits[0].step == step.name
        return [Transaction(found) if first else _reported()]

    yield from _failing_this_host_only(part)


def go_live(nothing_to_do: str) -> Generator[PyinfraCommand, None, None]:
    """Show what is reloaded, and change the host if no step has an edit but a reload is due.

    + nothing_to_do: what to say if neither an edit nor a reload is due
    """

    def part(found: Asked) -> list[PyinfraCommand]:
        _show(reload_lines(found.plan))
        if found.plan.is_empty:
            host.noop(nothing_to_do)
            return []
        return [_reported() if found.plan.edits else Transaction(found)]

    yield from _failing_this_host_only(part)


def _reported() -> PyinfraCommand:
    """A command for a part of the plan that an earlier operation has carried out."""
    return FunctionCommand(_done, (), {})


def _done(state: State, host: Host) -> bool:
    note_part_done(host)
    return True


def _failing_this_host_only(
    part: Callable[[Asked], list[PyinfraCommand]],
) -> Generator[PyinfraCommand, None, None]:
    """Run `part` for the current host and yield its commands. An exception fails this host only."""
    if ctx_host.get() in state.failed_hosts:
        # pyinfra also calls the operations of a host that failed while it was planned.
        return
    try:
        commands = part(asked())
    except PyinfraError:
        # pyinfra raises these to stop the run: no host is left.
        raise
    except Exception as error:
        commands = _failure(fault(error))
    yield from commands


def _failure(reason: str) -> list[PyinfraCommand]:
    """Fail the host: at once while pyinfra plans, or with a failing command while it executes."""
    if state.is_executing:
        return [FunctionCommand(_fail, (reason,), {})]
    fail([reason], Outcome.FAILED)
    return []


def _fail(state: State, host: Host, reason: str) -> bool:
    tell([reason], Outcome.FAILED)
    return False


def _show(lines: Iterable[str]) -> None:
    """Log lines of a preview with `--diff`, once: while pyinfra plans, or with `-y` while it executes."""
    if not state.config.DIFF or (state.is_executing and state.should_check_for_changes()):
        return
    colours = {"+": "green", "-": "red"}
    for line in lines:
        colour = colours.get(line[:1])
        host.log("    " + (format_text(line, colour) if colour else line))
