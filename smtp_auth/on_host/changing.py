"""Changes a host: carries out its plan there, and reads the outcome even if the connection is lost.

Where a plan changes nothing, the services may have to be proved once.
"""

import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from smtp_auth.facts.decode import decode
from smtp_auth.facts.look import Look
from smtp_auth.on_host.asking import LIMITS as ASKING
from smtp_auth.on_host.causes import without_noise
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.on_host.origin import Origin
from smtp_auth.on_host.packing import PERL
from smtp_auth.on_host.programs import follow_program, proof_of_services, start_program
from smtp_auth.plan.plan import Plan
from smtp_auth.settings import Settings

GOES_ON = "the host completes the change, or restores everything: run again to see the outcome"

# The host itself stops the change earlier: RuntimeMaxSec and TimeoutStopSec in Supervise.pm.
LIMITS = Limits(seconds=2520)


class ChangeOutcome(Enum):
    """What became of a change, in the words of the host."""

    LIVE = "live"
    REFUSED = "refused"
    PUT_BACK = "put back"
    FAILED = "failed"
    UNKNOWN = "unknown"


Ended = tuple[ChangeOutcome, list[str]]


def change(
    channel: Channel,
    reconnect: Callable[[], None],
    origin: Origin,
    plan: Plan,
    settings: Settings,
    look: Look,
    *,
    limits: Limits = LIMITS,
) -> Ended:
    """Carry out a host's plan, whole or not at all.

    If the connection is lost, the change continues on the host. This function then connects once more, and
    waits for the outcome.

    + reconnect: connects the channel again; raises `NoAnswer` if it cannot
    + origin: who makes the change, and its ID
    + settings, look: those from which the plan was made

    Returns the outcome, and sentences that say why if it is not live.
    """
    began = time.monotonic()
    start = _command("start", origin)
    ended = _ended(channel, start, start_program(origin, plan, settings, look), limits)
    if isinstance(ended, str):
        try:
            reconnect()
        except NoAnswer as error:
            return ChangeOutcome.UNKNOWN, [f"the connection was lost ({error}); {GOES_ON}"]
        # The deadline is for both, so that a host does not have it twice.
        left = max((limits.seconds or 0) - (time.monotonic() - began), 1)
        follow = _command("follow", origin)
        ended = _ended(channel, follow, follow_program(), replace(limits, seconds=left))
    if isinstance(ended, str):
        return ChangeOutcome.UNKNOWN, [f"the connection was lost twice ({ended}); {GOES_ON}"]
    return ended


def prove(channel: Channel, plan: Plan, settings: Settings, look: Look, *, limits: Limits = ASKING) -> str:
    """Prove the services of a plan that changes nothing, once (`Plan.to_prove`). Only the record changes.

    + settings, look: those from which the plan was made

    Returns why they do not work, for people; empty if they do, or if another deploy runs there. Raises
    `NoAnswer`.
    """
    answer = channel(shlex.join((*PERL, "prove")), proof_of_services(plan, settings, look), limits)
    found = _outcome_in(answer)
    if found is None:
        return f"the proof did not finish: {answer.complaint}"
    outcome, said = found
    services = " and ".join(service.name for service in plan.to_prove(look))
    if outcome is not ChangeOutcome.FAILED:
        return ""
    return f"nothing would change, but the proof of {services} failed: {' '.join(said)}"


def _command(what: str, origin: Origin) -> str:
    return shlex.join((*PERL, what, origin.id, RECORD))


def _ended(channel: Channel, command: str, stdin: str, limits: Limits) -> Ended | str:
    """The outcome that a command printed last, and what the host said; or why there is none."""
    try:
        answer = channel(command, stdin, limits)
    except NoAnswer as error:
        return str(error)
    return _outcome_in(answer) or "its answer was cut off"


def _outcome_in(answer: Answer) -> Ended | None:
    found = decode(answer.lines)
    word, said = (found.get(key, [""])[-1] for key in ("outcome", "said"))
    if word not in {outcome.value for outcome in ChangeOutcome}:
        return None
    return ChangeOutcome(word), [*said.splitlines(), *without_noise(answer.complaints)]
