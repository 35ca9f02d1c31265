"""What has happened to a fleet, one row for what several hosts have in common."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from smtp_auth.facts.hold import HoldEvent
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.fleet.history import Histories
from smtp_auth.local_time import local_time, time_of
from smtp_auth.past.runs import order_of

# Hosts that one command holds or releases are not further apart than this from the first of them.
_TOGETHER = timedelta(seconds=10)

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
        """When the last change of a run began; when the first of several hosts was held, or released."""
        chosen = max if self.first.run_id else min
        return chosen((event.when for event in self.events), key=order_of)


def rows_of(found: Histories) -> list[Row]:
    """All that has happened, the newest first; what is of one second is in the order of `past_runs`."""
    changes = [_of_change(name, one) for name, history in found.items() for one in history.record.changes]
    holds = [_of_hold(name, one) for name, history in found.items() for one in history.record.holds]
    runs: dict[tuple[str, ...], list[Event]] = {}
    for event in changes:
        runs.setdefault((event.run_id, *_in_common(event)), []).append(event)
    place = {name: number for number, name in enumerate(found)}
    groups = [sorted(group, key=lambda event: place[event.host]) for group in _together(holds, changes)]
    # What is of the same second and the same run, or of none, stays in the order of the record, which has the
    # oldest first.
    rows = [Row(tuple(events)) for events in reversed([*runs.values(), *groups])]
    return sorted(rows, key=lambda row: (order_of(row.when), row.first.run_id), reverse=True)


def _in_common(event: Event) -> tuple[str, ...]:
    return event.what, event.who, event.about


def _together(holds: Iterable[Event], changes: Iterable[Event]) -> list[list[Event]]:
    """Holds and releases in groups, the oldest first: the same on several hosts, at about the same time.

    A group stands where its first event is. So a host has no part in one that began before something else
    happened to the host: its own order would be lost.
    """
    groups: list[list[Event]] = []
    latest: dict[tuple[str, ...], int] = {}
    # For each host, the first group in which its next event may be.
    free: dict[str, int] = {}
    # What is of one second is sorted as the rows are: changes are later.
    for event in sorted([*holds, *changes], key=lambda one: (order_of(one.when), bool(one.run_id))):
        if event.run_id:
            free[event.host] = len(groups)
            continue
        number = latest.get(_in_common(event), -1)
        if number < free.get(event.host, 0) or not _is_soon(groups[number][0].when, event.when):
            number = latest[_in_common(event)] = len(groups)
            groups.append([])
        groups[number].append(event)
        free[event.host] = number + 1
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
