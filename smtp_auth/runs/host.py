"""The current host of a pass: its look and plan, before any operation.

pyinfra runs every operation twice: first to plan, then to execute. With `-y` it skips the first pass, so it
compares and shows nothing beforehand. But deploy.py itself always runs before the execution, and calls
`ready`. The change compares the host's files with those of the look once more, and is refused if somebody has
edited a file meanwhile.
"""

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from pyinfra import host, logger, state
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_host

from smtp_auth.facts.hold import Hold, hold_line
from smtp_auth.on_host.asking import Asked, NothingOnRecord, NotOnRecord, ask
from smtp_auth.on_host.changing import ChangeOutcome
from smtp_auth.on_host.channel import Channel, NoAnswer, NotAllowed
from smtp_auth.plan.step import Step
from smtp_auth.plan.text import last_change_line, proof_due_line
from smtp_auth.runs.carrying_out import prove_services
from smtp_auth.runs.channel import channel_to
from smtp_auth.runs.coming_back import keep_what_comes_back
from smtp_auth.runs.fault import fault
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.runs.names import keep_for_comparison
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.report import report, report_proof
from smtp_auth.runs.run import check_is_prepared, is_dry
from smtp_auth.runs.trouble import fail
from smtp_auth.settings import SettingsError
from smtp_auth.shown import shown, shown_words


def ready(steps: Sequence[Step]) -> bool:
    """Check the host's data, look at the host, make its plan. Returns whether the operations can run.

    In a run with a preview, the host's own programs also check the new files. If there is any reason against
    the deploy, the host fails with all reasons. deploy.py calls this before the operations.

    + steps: those of the deploy, in their order

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    return prepare_this_host(lambda channel, rehearsing: _ask(channel, tuple(steps), rehearsing))


def prepare_this_host(asking: Callable[[Channel, bool], Asked | None]) -> bool:
    """Ask the current host, report the answer, and keep it for the operations. Returns whether they can run.

    An exception fails this host only.

    + asking: is called with the channel to the host, and whether to rehearse; returns `None` if the host has
      failed

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    return _failing_this_host_only(lambda: _asked(asking))


def _failing_this_host_only(prepare: Callable[[], bool]) -> bool:
    """Run `prepare` for the current host and return its result. An exception fails this host only.

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    check_is_prepared()
    try:
        return prepare()
    except (NothingOnRecord, NotOnRecord) as reason:
        if reason.hold:
            _pass_over(reason.hold)
        elif isinstance(reason, NotOnRecord):
            fail([str(reason)])
        else:
            host.log(str(reason))
            report(ctx_host.get(), Outcome.UNCHANGED)
    except SettingsError as error:
        fail(map(str, error.problems))
    except NotAllowed as reason:
        fail([str(reason)])
    except NoAnswer as reason:
        fail([str(reason)], Outcome.FAILED)
    except PyinfraError:
        # pyinfra raises these to stop the run: no host is left.
        raise
    except Exception as error:
        fail([fault(error)], Outcome.FAILED)
    return False


def asked() -> Asked:
    """What `ready` has found out about the current host. Raises `RuntimeError` if it was not called."""
    found = _hosts.get(ctx_host.get())
    if found is None:
        raise RuntimeError("there is no plan of this host: deploy.py has to call ready() first")
    return found


# By host: a run has many at once.
_hosts: WeakKeyDictionary[Host, Asked] = WeakKeyDictionary()


def _ask(channel: Channel, steps: tuple[Step, ...], rehearsing: bool) -> Asked:
    settings = settings_of(ctx_host.get())
    return ask(channel, settings, steps, even_held=settings.even_held, rehearsing=rehearsing)


def _asked(asking: Callable[[Channel, bool], Asked | None]) -> bool:
    found = asking(channel_to(ctx_host.get()), state.should_check_for_changes())
    return found is not None and _keep(found)


def _keep(found: Asked) -> bool:
    """Log a plan's warnings and refusals, and keep it for the operations if there are no refusals.

    A host that is held is passed over.
    """
    keep_what_comes_back(ctx_host.get(), found)
    keep_for_comparison(ctx_host.get(), found)
    if found.hold:
        _pass_over(found.hold)
        return False
    last, is_preview = found.look.last_change, state.config.DIFF and not state.is_executing
    if is_preview and last and (last.edited or not found.plan.is_empty):
        host.log(shown(last_change_line(last)))
    if found.hold_warning:
        host.log_styled(shown_words(found.hold_warning), fg="yellow", log_func=logger.warning)
    for warning in found.warnings:
        host.log_styled(shown(warning), fg="yellow", log_func=logger.warning)
    if found.refusals:
        fail(found.refusals)
        return False
    if found.plan.to_prove(found.look) and not _proves(found):
        return False
    _hosts[ctx_host.get()] = found
    report(ctx_host.get(), Outcome.UNCHANGED if found.plan.is_empty else Outcome.WOULD_CHANGE)
    return True


def _pass_over(hold: Hold) -> None:
    host.log_styled(shown_words(hold_line(hold)), fg="yellow", log_func=logger.warning)
    report(ctx_host.get(), Outcome.HELD)


def _proves(found: Asked) -> bool:
    """Prove the services of a host with nothing to do, or say that a deploy will; whether the run goes on."""
    if is_dry():
        host.log(proof_due_line(found.plan, found.look))
        return True
    ended = prove_services(channel_to(ctx_host.get()), found)
    report_proof(ctx_host.get(), ended)
    is_well = ended.outcome is not ChangeOutcome.FAILED
    if not is_well:
        fail(ended.said, Outcome.FAILED)
    return is_well
