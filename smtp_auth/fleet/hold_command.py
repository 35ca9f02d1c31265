"""`smtp-auth hold` and `smtp-auth release`: hosts that nobody changes for a time, and again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gevent.pool import Pool
from pyinfra.api import Host

from smtp_auth.facts.hold import Hold, hold_line
from smtp_auth.fleet import as_json
from smtp_auth.fleet.channels import Channels
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import Line, Style
from smtp_auth.fleet.names import in_order
from smtp_auth.fleet.outcomes import OF_NO_PLAN
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import HostPlan, Took, answer_of
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.showing import show_to_people
from smtp_auth.fleet.text import MARGIN, took_line, words_line
from smtp_auth.fleet.written import Target
from smtp_auth.local_time import local_time
from smtp_auth.on_host import holding
from smtp_auth.on_host.channel import Channel
from smtp_auth.on_host.holding import Held
from smtp_auth.plan.as_json import text_of
from smtp_auth.runs.channel import disconnect
from smtp_auth.runs.interruption import (
    change_under_way,
    heed_interruptions,
    is_interrupted,
    leave_if_interrupted,
)
from smtp_auth.runs.origin import origin_of_this_run
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.status import Status
from smtp_auth.shown import shown, shown_name, shown_words

_NOTHING = Held()


@dataclass(frozen=True)
class _Told:
    """What became of a host.

    + word: its outcome, for the counts and for programs
    + reasons: why it was not done, one sentence each
    + held: what the host said
    + took: how long each part took
    """

    word: str
    reasons: tuple[str, ...] = ()
    held: Held = _NOTHING
    took: Took = ()

    @property
    def is_well(self) -> bool:
        """Whether the host is as wanted."""
        return self.word in (_HELD, _RELEASED, _NOT_HELD)


_HELD, _RELEASED, _NOT_HELD = Outcome.HELD.value, "released", "not held"

_NOT_BEGUN = _Told(Outcome.NOT_BEGUN.value)
_NOT_AWAITED = _Told(
    Outcome.NOT_AWAITED.value,
    ("the host may do it nevertheless: 'smtp-auth plan' shows what is held",),
)

_Asking = Callable[[Channel], Held]


def hold(chosen: Chosen, manner: Manner, target: Target | None, why: str, until: str) -> int:
    """Hold the hosts: nobody changes them until they are released, or until the time that is given.

    + target: gets what became of the hosts as JSON, if that is wanted; standard output then gets nothing else
    + why, until: as for `holding.hold`

    Returns the exit status.
    """
    origin = origin_of_this_run()
    return _tell(chosen, manner, target, _HELD, lambda channel: holding.hold(channel, origin, why, until))


def release(chosen: Chosen, manner: Manner, target: Target | None) -> int:
    """Release the hosts. Those that are not held stay as they are. + target: as for `hold`

    Returns the exit status.
    """
    origin = origin_of_this_run()
    return _tell(chosen, manner, target, _RELEASED, lambda channel: holding.release(channel, origin))


def _tell(chosen: Chosen, manner: Manner, target: Target | None, word: str, asking: _Asking) -> int:
    """Ask all hosts side by side, and say what became of them. + word: what is done with them"""
    found = {host.name: _NOT_BEGUN for host in chosen.hosts}

    def report() -> int:
        show_to_people(_lines(found), target)
        is_written = target is None or target.write(as_json.lines(found, _entry))
        return 0 if is_written and all(one.is_well for one in found.values()) else Status.TROUBLE

    with Progress(word, len(chosen.hosts)) as progress:
        channels = Channels(progress.say if manner.shows_programs else None)

        def ask(host: Host) -> None:
            if is_interrupted():
                return
            with change_under_way():
                progress.begins(host.name)
                found[host.name] = _NOT_AWAITED
                told = found[host.name] = _asked(host, channels(host), asking)
            disconnect(host)
            progress.ends(
                host.name, told.word, [took_line(host.name, told.took)] if manner.is_verbose else ()
            )

        def report_early() -> None:
            progress.hide()
            report()

        heed_interruptions(report_early, progress.say_text, each_host="may do as it was told")
        for _ in Pool(chosen.at_once).imap_unordered(ask, chosen.hosts):
            pass
        leave_if_interrupted()
    return report()


def _asked(host: Host, channel: Channel, asking: _Asking) -> _Told:
    held, took = answer_of(host, channel, ("answer",), asking)
    if isinstance(held, HostPlan):
        return _Told(OF_NO_PLAN[held.state].value, held.reasons, took=took)
    if held.refused:
        return _Told(Outcome.REFUSED.value, (held.refused,), took=took)
    word = _HELD if held.hold else _RELEASED if held.before else _NOT_HELD
    return _Told(word, held=held, took=took)


# -- for people ---------------------------------------------------------------------------------------


def _lines(found: Mapping[str, _Told]) -> Iterator[Line]:
    for name in in_order(found):
        one = found[name]
        style = Style.PLAIN if one.is_well else Style.TROUBLE
        yield Line(f"{shown_name(name)}: {one.word}{_details(one)}", style, under=len(MARGIN))
    yield words_line(one.word for one in found.values())


def _details(told: _Told) -> str:
    if told.reasons:
        return f": {'; '.join(map(shown, told.reasons))}"
    held = told.held
    until = f" until {shown_words(local_time(held.hold.until))}" if held.hold and held.hold.until else ""
    before = f"; before, it {shown_words(_before(held.before))}" if held.before else ""
    at_work = "; a change was running there, and is completed" if held.is_at_work else ""
    return f"{until}{at_work}{before}"


def _before(before: Hold) -> str:
    return f"was {hold_line(before)}" if before.when else "had a hold that cannot be read"


# -- for programs -------------------------------------------------------------------------------------


def _entry(told: _Told, _name: str) -> dict[str, Any]:
    """`before` is the hold that was replaced or ended, `hold` the one in force now."""
    return {
        "outcome": told.word,
        "reasons": [*map(text_of, told.reasons)],
        "hold": as_json.hold_as_json(told.held.hold),
        "before": as_json.hold_as_json(told.held.before),
        "at_work": told.held.is_at_work,
    }
