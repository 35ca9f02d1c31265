"""What has happened to a fleet, one row for what several hosts have in common."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from smtp_auth.facts.record import PastChange
from smtp_auth.fleet.history import Histories, HostHistory
from smtp_auth.past.runs import order_of


@dataclass(frozen=True)
class Event:
    """A change on one host.

    + when: by the host's clock, such as `2026-11-22T10:15:00Z`
    + what: the outcome of the change
    + run_id: the ID of its run
    + about: the change in a few words
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
    groups: dict[tuple[str, ...], list[Event]] = {}
    for name, history in found.items():
        for change in history.record.changes:
            event = _event(name, change)
            groups.setdefault((event.run_id, event.who, event.what, event.about), []).append(event)
    # What is of the same second stays in the order of the record, which has the oldest first.
    rows = [Row(tuple(events)) for events in reversed(groups.values())]
    return sorted(rows, key=lambda row: order_of(row.when), reverse=True)


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
    def kept() -> Iterator[tuple[str, HostHistory]]:
        for name, history in found.items():
            changes = (one for one in history.record.changes if is_wanted(_event(name, one)))
            yield name, replace(history, record=replace(history.record, changes=tuple(changes)))

    return dict(kept())


def _event(name: str, change: PastChange) -> Event:
    return Event(
        name,
        change.began,
        change.outcome,
        change.id,
        change.who,
        change.about,
        "" if change.is_live else str(change.manifest["said"]),
    )
