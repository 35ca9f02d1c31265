"""Changes a host: carries out its plan there, and reads the outcome even if the connection is lost.

Where a plan changes nothing, the services may have to be proved once.
"""

import shlex
from collections.abc import Callable
from enum import Enum

from smtp_auth.facts.decode import decode
from smtp_auth.facts.look import Look
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
LIMITS = Limits(seconds=3600)


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
    start = _command("start", origin)
    ended = _ended(channel, start, start_program(origin, plan, settings, look), limits)
    if ended is None:
        try:
            reconnect()
        except NoAnswer as error:
            return ChangeOutcome.UNKNOWN, [f"the connection was lost ({error}); {GOES_ON}"]
        ended = _ended(channel, _command("follow", origin), follow_program(), limits)
    return ended or (ChangeOutcome.UNKNOWN, [f"the connection was lost twice; {GOES_ON}"])


def prove(channel: Channel, plan: Plan, settings: Settings, look: Look, *, limits: Limits = LIMITS) -> str:
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


def _ended(channel: Channel, command: str, stdin: str, limits: Limits) -> Ended | None:
    """The outcome that a command printed last, and what the host said; `None` if the answer was cut off."""
    try:
        answer = channel(command, stdin, limits)
    except NoAnswer:
        return None
    return _outcome_in(answer)


def _outcome_in(answer: Answer) -> Ended | None:
    found = decode(answer.lines)
    word, said = (found.get(key, [""])[-1] for key in ("outcome", "said"))
    if word not in {outcome.value for outcome in ChangeOutcome}:
        return None
    return ChangeOutcome(word), [*said.splitlines(), *without_noise(answer.complaints)]
