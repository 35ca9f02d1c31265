"""Holds a host, or releases it. No change waits for that, and nothing else on the host changes."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from smtp_auth.facts.decode import decode, in_bytes
from smtp_auth.facts.hold import Hold
from smtp_auth.on_host.asking import LIMITS, read_answer
from smtp_auth.on_host.channel import Channel, Limits
from smtp_auth.on_host.instructions import LOCK, RECORD
from smtp_auth.on_host.origin import Origin
from smtp_auth.on_host.packing import PERL
from smtp_auth.on_host.programs import holding_program
from smtp_auth.services.instruction import Instruction


@dataclass(frozen=True)
class Held:
    """What a host says when it is to be held or released.

    + refused: why nothing was done, one sentence; else empty
    + before: the hold that was in force before; `None` if there was none
    + hold: the one that is in force now
    + is_at_work: whether a change was running there at that moment, which is completed
    """

    refused: str = ""
    before: Hold | None = None
    hold: Hold | None = None
    is_at_work: bool = False


def hold(channel: Channel, origin: Origin, why: str, until: str, *, limits: Limits = LIMITS) -> Held:
    """Hold a host: from now on, it is not changed. A hold that it has is replaced.

    + channel: that to the host
    + origin: who holds it
    + why: the reason, on one line
    + until: when the hold ends, such as `2026-11-27T10:00:00Z`; empty: when somebody releases the host
    + limits: those of the answer

    Raises `NoAnswer` if the host does not answer.
    """
    told = [*_instructions(origin), ("why", in_bytes(why)), ("until", until)]
    return _said(channel, "hold", told, limits)


def release(channel: Channel, origin: Origin, *, limits: Limits = LIMITS) -> Held:
    """Release a host. If it is not held, nothing is done.

    + channel, limits: as for `hold`
    + origin: who releases it

    Raises `NoAnswer` if the host does not answer.
    """
    return _said(channel, "release", _instructions(origin), limits)


def _instructions(origin: Origin) -> list[Instruction]:
    return [("record", RECORD), ("lock", LOCK), ("controller", in_bytes(origin.controller))]


def _said(channel: Channel, what: str, told: Iterable[Instruction], limits: Limits) -> Held:
    answer = channel(shlex.join((*PERL, what)), holding_program(told), limits)
    return read_answer(answer, parse, "answer of this host")


def parse(output: Iterable[str]) -> Held:
    """Read the lines of `SmtpAuth::Holding`."""
    found = decode(output)
    before, now = (next(map(Hold.parse, found.get(key, ())), None) for key in ("before", "hold"))
    return Held("\n".join(found.get("refused", ())), before, now, "at_work" in found)
