"""One host's look and plan in each of the two passes of a run.

pyinfra runs every operation twice: first to plan, then to execute. With `-y` it skips the first, and so
compares nothing and shows nothing beforehand; but deploy.py itself, and with it `ready`, always runs before
the execution. If nothing on the host was touched since the plan, the execution uses that plan. Otherwise it
looks and plans again, and if a file of ours was edited, the host fails and nothing is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyinfra import host, logger, state
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_host

from deploys.data_check import is_in_place
from deploys.trouble import fail, fault
from facts.look import Look
from facts.mail_host import MailHost, Question, Seen
from on_host import program
from plan.plan import Plan, plan_of
from plan.step import Step, files_managed, parameters_asked
from settings import Settings, SettingsError, settings_from_data
from shown import shown


class Refused(Exception):
    """The host cannot be changed now; the message is a sentence for people."""


@dataclass(frozen=True)
class Pass:
    """One of the two passes over one host.

    + executing: whether it is the second
    """

    steps: tuple[Step, ...]
    settings: Settings
    look: Look
    plan: Plan
    executing: bool


def ready(steps: Sequence[Step]) -> bool:
    """Check the host's data, look at the host, make its plan; whether the operations can go on.

    If they cannot, the host fails with every reason. deploy.py calls this before the operations.

    + steps: those of the deploy, in their order

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    if not is_in_place():
        raise PyinfraError(
            "config.py was not loaded: run pyinfra in the folder of deploy.py, without --config"
        )
    try:
        return _planned(tuple(steps))
    except (PyinfraError, EOFError):
        # Of pyinfra's own: no host is left, or nobody answers its question whether to go on.
        raise
    except Exception as error:
        fail([fault(error)])
        return False


def current() -> Pass:
    """The present pass over the present host.

    Raises `Refused` if the host cannot be changed any more, for example after an edit since the plan.
    """
    planned = _passes.get(ctx_host.get())
    if planned is None:
        raise Refused("there is no plan of this host: deploy.py has to call ready() first")
    if not state.is_executing or planned.executing:
        return planned
    executing = _execution(planned)
    _passes[ctx_host.get()] = executing
    return executing


# By host: a run goes over many at once.
_passes: WeakKeyDictionary[Host, Pass] = WeakKeyDictionary()


def _planned(steps: tuple[Step, ...]) -> bool:
    current_host = ctx_host.get()
    try:
        settings = settings_from_data(current_host.name, current_host.data.dict())
    except SettingsError as error:
        fail(str(problem) for problem in error.problems)
        return False
    look = _look(settings, steps)
    if look is None:
        if current_host not in state.failed_hosts:
            fail(["the look at this host came to no end: run again, with -v for what the host said"])
        return False
    plan = plan_of(settings, look, steps)
    for warning in plan.warnings:
        host.log_styled(shown(warning), fg="yellow", log_func=logger.warning)
    if plan.refusals:
        fail(plan.refusals)
        return False
    _passes[current_host] = Pass(steps, settings, look, plan, executing=False)
    return True


def _execution(planned: Pass) -> Pass:
    """The second pass, with the same plan if nothing that the look saw was touched since."""
    steps, settings, look = planned.steps, planned.settings, planned.look
    if look.seen and host.get_fact(Seen, watched=look.watched) == list(look.seen):
        return Pass(steps, settings, look, planned.plan, executing=True)
    fresh = _look(settings, steps)
    if fresh is None:
        raise Refused("the look at this host failed; nothing was done")
    edited = [file.path for key, file in look.files.items() if file.digest != fresh.files[key].digest]
    if edited:
        raise Refused(
            f"changed since the plan: {', '.join(edited)}; nothing was done, "
            "run again to take that into account"
        )
    plan = plan_of(settings, fresh, steps)
    if plan.refusals:
        raise Refused("; ".join(plan.refusals))
    return Pass(steps, settings, fresh, plan, executing=True)


def _look(settings: Settings, steps: Sequence[Step]) -> Look | None:
    """A look at the host; `None` if it failed. Then pyinfra has reported why."""
    question = Question(settings, parameters_asked(steps, settings), files_managed(steps))
    found: Look | None = host.get_fact(MailHost, question=question, _stdin=program("look.pl"))
    return found
