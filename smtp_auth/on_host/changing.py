"""Changes a host: carries out its plan there, and reads the outcome even if the connection is lost.

Where a plan changes nothing, the services may have to be proved once.
"""

import math
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Ended:
    """How a change, or a proof alone, has ended.

    + said: why it is not live, one sentence each
    + proved: what was proved of the configuration that is in place now, in the words of the host: one for
      each service or port, the same on hosts that are the same; empty if nothing was
    + seconds: how long the proof took on the host
    """

    outcome: ChangeOutcome
    said: tuple[str, ...] = ()
    proved: tuple[str, ...] = ()
    seconds: float | None = None


def change(
    channel: Channel,
    reconnect: Callable[[], None],
    origin: Origin,
    plan: Plan,
    settings: Settings,
    look: Look,
    *,
    even_held: bool = False,
    limits: Limits = LIMITS,
) -> Ended:
    """Carry out a host's plan, whole or not at all.

    If the connection is lost, the change continues on the host. This function then connects once more, and
    waits for the outcome.

    + reconnect: connects the channel again; raises `NoAnswer` if it cannot
    + origin: who makes the change, and its ID
    + settings, look: those from which the plan was made
    + even_held: whether a hold is overridden; otherwise the host looks for one once more
    """
    began = time.monotonic()
    start = _command("start", origin.id)
    program = start_program(origin, plan, settings, look, even_held=even_held)
    ended = _ended(channel, start, program, limits)
    if isinstance(ended, str):
        try:
            reconnect()
        except NoAnswer as error:
            return Ended(ChangeOutcome.UNKNOWN, (f"the connection was lost ({error}); {GOES_ON}",))
        # The deadline is for both, so that a host does not have it twice.
        left = max((limits.seconds or 0) - (time.monotonic() - began), 1)
        ended = follow(channel, origin.id, limits=replace(limits, seconds=left))
    if isinstance(ended, str):
        return Ended(ChangeOutcome.UNKNOWN, (f"the connection was lost twice ({ended}); {GOES_ON}",))
    return ended


def follow(channel: Channel, run: str, *, limits: Limits = LIMITS) -> Ended | str:
    """Wait until a run's change of a host has finished, if one is under way.

    + run: its ID

    Returns how it has ended, which is not known if others were made since; or why that could not be read.
    """
    return _ended(channel, _command("follow", run), follow_program(), limits)


def prove(channel: Channel, plan: Plan, settings: Settings, look: Look, *, limits: Limits = ASKING) -> Ended:
    """Prove the services of a plan that changes nothing, once (`Plan.to_prove`). Only the record changes.

    + settings, look: those from which the plan was made

    The outcome is `LIVE` if they work, `FAILED` if not, `REFUSED` if another deploy runs there. Raises
    `NoAnswer`.
    """
    answer = channel(shlex.join((*PERL, "prove")), proof_of_services(plan, settings, look), limits)
    ended = _ended_in(answer)
    if ended is None:
        return Ended(ChangeOutcome.FAILED, (f"the proof did not finish: {answer.complaint}",))
    if ended.outcome is not ChangeOutcome.FAILED:
        return ended
    services = " and ".join(service.name for service in plan.to_prove(look))
    why = f"nothing would change, but the proof of {services} failed: {' '.join(ended.said)}"
    return Ended(ChangeOutcome.FAILED, (why,), ended.proved, ended.seconds)


def _command(what: str, run: str) -> str:
    return shlex.join((*PERL, what, run, RECORD))


def _ended(channel: Channel, command: str, stdin: str, limits: Limits) -> Ended | str:
    """How a change has ended, as a command printed it last; or why it did not."""
    try:
        answer = channel(command, stdin, limits)
    except NoAnswer as error:
        return str(error)
    return _ended_in(answer) or "its answer was cut off"


def _ended_in(answer: Answer) -> Ended | None:
    found = decode(answer.lines)
    word, said, seconds = (found.get(key, [""])[-1] for key in ("outcome", "said", "proof_seconds"))
    if word not in {outcome.value for outcome in ChangeOutcome}:
        return None
    outcome = ChangeOutcome(word)
    is_live = outcome is ChangeOutcome.LIVE
    sentences = () if is_live else (*said.splitlines(), *without_noise(answer.complaints))
    return Ended(outcome, sentences, tuple(found.get("proved", ())), _seconds(seconds))


def _seconds(word: str) -> float | None:
    """What a host says of its own time, if that is a time."""
    try:
        seconds = float(word)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
