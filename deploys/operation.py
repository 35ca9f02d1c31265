"""What a step's operation does: show its part of the plan, and yield the commands that carry it out.

Two rules of pyinfra shape this module. Its planning stops at the first command that an operation yields, so
everything that a preview shows must be logged before that. An exception inside an operation's generator
ends the run for every host, so these functions let none out.
"""

from collections.abc import Callable, Generator, Iterable

from pyinfra import host, state
from pyinfra.api import FunctionCommand, Host, State, StringCommand
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.output import format_text
from pyinfra.context import ctx_host

from deploys.host import Pass, Refused, current
from deploys.trouble import fail, fault, tell
from on_host.change import change_script
from plan.preview import reload_lines, step_lines
from plan.step import Step


def take_part(step: Step, live: str = "") -> Generator[PyinfraCommand, None, None]:
    """Show what a step changes. Its edits go live with a later operation, unless `live` is given.

    + live: a service; this operation then changes its files on the host, reloads and proves it
    """

    def part(this: Pass) -> list[PyinfraCommand]:
        _show(step_lines(this.plan, step))
        if live:
            return _live(this, live, step.nothing_to_do)
        if not this.plan.edits_of(step):
            host.noop(step.nothing_to_do)
            return []
        return [FunctionCommand(_staged, (), {})]

    yield from _alone(part)


def go_live(service: str, nothing_to_do: str) -> Generator[PyinfraCommand, None, None]:
    """Change the files of a service on the host as one transaction, reload it and prove it.

    + nothing_to_do: what to say if neither a change nor a reload is due
    """
    yield from _alone(lambda this: _live(this, service, nothing_to_do))


def _live(this: Pass, service: str, nothing_to_do: str) -> list[PyinfraCommand]:
    if not this.plan.concerns(service):
        host.noop(nothing_to_do)
        return []
    _show(reload_lines(this.plan.reload_of(service)))
    script = change_script(this.plan, this.settings, this.look, service)
    return [StringCommand("sh", "-s", _stdin=script)]


def _alone(part: Callable[[Pass], list[PyinfraCommand]]) -> Generator[PyinfraCommand, None, None]:
    """The commands of a part of the plan. Whatever goes wrong here fails this host alone."""
    if ctx_host.get() in state.failed_hosts:
        # deploy.py goes on calling operations for a host that failed while it was planned.
        return
    try:
        commands = part(current())
    except (PyinfraError, EOFError):
        # Of pyinfra's own: no host is left, or nobody answers its question whether to go on.
        raise
    except Refused as reason:
        commands = _failure(str(reason))
    except Exception as error:
        commands = _failure(fault(error))
    yield from commands


def _failure(reason: str) -> list[PyinfraCommand]:
    """Fail the host: at once while pyinfra plans; during the execution by a command that fails."""
    if state.is_executing:
        return [FunctionCommand(_refuse, (reason,), {})]
    fail([reason])
    return []


def _show(lines: Iterable[str]) -> None:
    """Log lines of a preview under `--diff`, once: while pyinfra plans, or with `-y` when it executes."""
    if not state.config.DIFF or (state.is_executing and state.should_check_for_changes()):
        return
    colours = {"+": "green", "-": "red"}
    for line in lines:
        colour = colours.get(line[:1])
        host.log("    " + (format_text(line, colour) if colour else line))


def _refuse(state: State, host: Host, reason: str) -> bool:
    tell(reason)
    return False


def _staged(state: State, host: Host) -> bool:
    return True
