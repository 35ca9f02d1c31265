"""One host's look, plan and rehearsal: everything that is known before anything happens to it.

pyinfra runs every operation twice: first to plan, then to execute. With `-y` it skips the first, and so
compares nothing and shows nothing beforehand; but deploy.py itself, and with it `ready`, always runs before
the execution. The change itself compares the host's files with those of the look once more: a file that
somebody edited meanwhile is left alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pyinfra import host, logger, state
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_host

from smtp_auth.facts.look import Look
from smtp_auth.facts.mail_host import MailHost, Question
from smtp_auth.facts.record import Record
from smtp_auth.facts.record_fact import RecordOfChanges
from smtp_auth.facts.rehearsal import Rehearsal, Rehearsed
from smtp_auth.on_host import program
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.on_host.programs import rehearsal_program
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.preview import last_change_line
from smtp_auth.plan.step import Step, files_managed, parameters_asked
from smtp_auth.runs.report import Outcome, report
from smtp_auth.runs.run import is_in_place
from smtp_auth.runs.trouble import fail, fault
from smtp_auth.settings import Settings, SettingsError, settings_from_data
from smtp_auth.shown import shown


@dataclass(frozen=True)
class Prepared:
    """A host that can be deployed to."""

    settings: Settings
    look: Look
    plan: Plan


def ready(steps: Sequence[Step]) -> bool:
    """Check the host's data, look at the host, make its plan; whether the operations can go on.

    In a run with a preview, the host's own programs are asked about the new files, too. If anything stands in
    the way, the host fails with every reason. deploy.py calls this before the operations.

    + steps: those of the deploy, in their order

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    return alone(lambda: _prepare(tuple(steps)))


def alone(prepare: Callable[[], bool]) -> bool:
    """What a preparation of the present host gives. Whatever goes wrong in it fails this host alone.

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    if not is_in_place():
        raise PyinfraError(
            "config.py was not loaded: run pyinfra in the folder of deploy.py, without --config"
        )
    try:
        return prepare()
    except (PyinfraError, EOFError):
        # Of pyinfra's own: no host is left, or nobody answers its question whether to go on.
        raise
    except Exception as error:
        fail([fault(error)], Outcome.FAILED)
        return False


def prepared() -> Prepared:
    """What `ready` has found out about the present host. Raises `RuntimeError` if it was not called."""
    found = _hosts.get(ctx_host.get())
    if found is None:
        raise RuntimeError("there is no plan of this host: deploy.py has to call ready() first")
    return found


# A run goes over many hosts at once.
_hosts: WeakKeyDictionary[Host, Prepared] = WeakKeyDictionary()


def _prepare(steps: tuple[Step, ...]) -> bool:
    settings = settings_of(ctx_host.get().data.dict())
    look = looked(settings, steps) if settings else None
    if settings is None or look is None:
        return False
    return carries_out(settings, look, plan_of(settings, look, steps))


def settings_of(data: Mapping[str, Any]) -> Settings | None:
    """The settings in the present host's data; `None` if that is not valid, and the host has failed."""
    try:
        return settings_from_data(ctx_host.get().name, data)
    except SettingsError as error:
        fail(str(problem) for problem in error.problems)
        return None


def carries_out(settings: Settings, look: Look, plan: Plan) -> bool:
    """Tell a plan's warnings, rehearse it in a run with a preview, and keep it for the operations.

    If anything stands in the way, the present host fails with every reason, and this is `False`.
    """
    current_host = ctx_host.get()
    last, is_preview = look.last_change, state.config.DIFF and not state.is_executing
    if is_preview and last and (last.edited or not plan.is_empty):
        host.log(shown(last_change_line(last)))
    for warning in plan.warnings:
        _warn(warning)
    if plan.refusals:
        fail(plan.refusals)
        return False
    if state.should_check_for_changes() and not plan.is_empty and not _rehearse(settings, look, plan):
        return False
    _hosts[current_host] = Prepared(settings, look, plan)
    report(current_host, Outcome.UNCHANGED if plan.is_empty else Outcome.WOULD_CHANGE)
    return True


def looked(settings: Settings, steps: Sequence[Step]) -> Look | None:
    """A look at the present host; `None` if it failed, and the host with it."""
    question = Question(settings, RECORD, parameters_asked(steps, settings), files_managed(steps))
    found: Look | None = host.get_fact(MailHost, question=question, _stdin=program("look.pl"))
    if found is None:
        _no_end("look")
    return found


def recorded(files: str, *, baseline: bool = False) -> Record | None:
    """The record of the present host; `None` if it cannot be read, and the host has failed with it.

    + files, baseline: see `RecordOfChanges`
    """
    found: Record | None = host.get_fact(
        RecordOfChanges, record=RECORD, files=files, baseline=baseline, _stdin=program("history.pl")
    )
    if found is None:
        _no_end("reading of the record")
    return found


def leave_unchanged(reason: str) -> None:
    """Say and report why nothing happens on the present host."""
    host.log(reason)
    report(ctx_host.get(), Outcome.UNCHANGED)


def _no_end(what: str) -> None:
    """Fail the present host for a command that came to no end, unless pyinfra has told why."""
    if ctx_host.get() not in state.failed_hosts:
        fail(
            [f"the {what} on this host came to no end: run again, with -v for what the host said"],
            Outcome.FAILED,
        )


def _rehearse(settings: Settings, look: Look, plan: Plan) -> bool:
    """Whether the host's own programs accept what is planned; if not, the host fails with what they say."""
    found: Rehearsed | None = host.get_fact(Rehearsal, _stdin=rehearsal_program(plan, settings, look))
    if found is None:
        _no_end("rehearsal")
        return False
    for sentence in found.warnings:
        _warn(sentence)
    if found.refused:
        fail(found.refused)
    return not found.refused


def _warn(sentence: str) -> None:
    host.log_styled(shown(sentence), fg="yellow", log_func=logger.warning)
