"""What has happened to a fleet, one row for what several hosts have in common."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from smtp_auth.facts.hold import HoldEvent
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.fleet.history import Histories
from smtp_auth.local_time import local_time, time_of
from smtp_auth.past.runs import order_of

# How far apart hosts may be that are held by one command.
_TOGETHER = timedelta(minutes=1)

_KINDS = {"hold": "held", "release": "released"}


@dataclass(frozen=True)
class Event:
    """A change on one host; or that it was held, or released.

    + when: by the host's clock, such as `2026-11-22T10:15:00Z`
    + what: the outcome of the change, or `held`, `released`
    + run_id: the ID of its run; empty for a hold
    + about: the change in a few words, or why the host is held
    + said: what the host said of it, for a change that did not stay; else empty
    """

    host: str
    when: str
    what: str
    run_id: str
    who: str
    about: str
    said: str = ""


@dataclass(frozen=True)
class Row:
    """The same on one or more hosts."""

    events: tuple[Event, ...]

    @property
    def first(self) -> Event:
        """One of the events, for what all have in common."""
        return self.events[0]

    @property
    def hosts(self) -> list[str]:
        """Their names, each once, in the inventory's order."""
        return [*dict.fromkeys(event.host for event in self.events)]

    @property
    def when(self) -> str:
        """When the last one was."""
        return max((event.when for event in self.events), key=order_of)


def rows_of(found: Histories) -> list[Row]:
    """All that has happened, the newest first."""
    runs: dict[tuple[str, ...], list[Event]] = {}
    others: list[Event] = []
    for name, history in found.items():
        for change in history.record.changes:
            event = _of_change(name, change)
            runs.setdefault((event.run_id, *_in_common(event)), []).append(event)
        others += (_of_hold(name, one) for one in history.record.holds)
    # What is of the same second stays in the order of the record, which has the oldest first.
    rows = [Row(tuple(events)) for events in reversed([*runs.values(), *_together(others)])]
    return sorted(rows, key=lambda row: order_of(row.when), reverse=True)


def _in_common(event: Event) -> tuple[str, ...]:
    return event.what, event.who, event.about


def _together(events: Iterable[Event]) -> Iterable[list[Event]]:
    """Those that have no ID, in groups: the same on several hosts, at about the same time."""
    groups: list[list[Event]] = []
    latest: dict[tuple[str, ...], list[Event]] = {}
    for event in sorted(events, key=lambda one: order_of(one.when)):
        group = latest.get(_in_common(event))
        if group is None or not _is_soon(group[0].when, event.when):
            group = latest[_in_common(event)] = []
            groups.append(group)
        group.append(event)
    return groups


def _is_soon(first: str, later: str) -> bool:
    try:
        return time_of(later) - time_of(first) <= _TOGETHER
    except ValueError:
        return first == later


def since(found: Histories, time: str) -> Histories:
    """Only what began since a time. A time that cannot be read, because somebody has edited it, counts, too.

    + time: such as `2026-11-22T10:15:00Z`
    """
    return _only(found, lambda event: (order_of(event.when) or time) >= time)


def with_a_part(found: Histories, names: Collection[str]) -> Histories:
    """Only what one of these hosts had a part in, on all hosts."""
    wanted = {event for row in rows_of(found) if {*names} & {*row.hosts} for event in row.events}
    return _only(found, wanted.__contains__)


def _only(found: Histories, is_wanted: Callable[[Event], bool]) -> Histories:
    """Only some events. Whether a host is held now is none."""

    def kept(name: str, record: Record) -> Record:
        changes = (one for one in record.changes if is_wanted(_of_change(name, one)))
        holds = (one for one in record.holds if is_wanted(_of_hold(name, one)))
        return replace(record, changes=tuple(changes), holds=tuple(holds))

    return {name: replace(history, record=kept(name, history.record)) for name, history in found.items()}


def _of_change(name: str, change: PastChange) -> Event:
    said = "" if change.is_live else str(change.manifest["said"])
    return Event(name, change.began, change.outcome, change.id, change.who, change.about, said)


def _of_hold(name: str, hold: HoldEvent) -> Event:
    until = f" (until {local_time(hold.until)})" if hold.until else ""
    what = _KINDS.get(hold.kind, hold.kind)
    return Event(name, hold.when, what, run_id="", who=hold.who, about=f"{hold.why}{until}")
