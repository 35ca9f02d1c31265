"""What the queue knows: waves, slices, failures, who works where, and the last checks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smtp_auth.fleet.planning import TROUBLE
from smtp_auth.local_time import in_utc
from smtp_auth.rollout import report
from smtp_auth.rollout.queue.database import Database, rows
from smtp_auth.rollout.queue.rows import LEFT, OVER, STALE
from smtp_auth.rollout.report import HostReport
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown, shown_name


@dataclass(frozen=True)
class SliceStatus:
    """What is known of a slice.

    + number: of how many hosts it is
    + worker, began, seen, ended: of the last attempt, if there was one; `seen` is how many seconds ago the
      worker said that it is at work
    + said: how its process ended without a report, if it did
    + hosts: what the last report says of them
    + is_damaged: whether that cannot be read
    """

    wave: int
    zone: str
    shard: int
    shards: int
    number: int
    state: str
    worker: str | None
    began: str | None
    seen: int | None
    ended: str | None
    said: str
    hosts: Mapping[str, HostReport]
    is_damaged: bool

    @property
    def is_at_work(self) -> bool:
        """Whether a worker has it, and was heard of."""
        return self.state == "under way" and self.seen is not None and self.seen <= STALE


@dataclass(frozen=True)
class RolloutStatus:
    """What is known of a rollout.

    + state: `running`, `paused`, `stopped`, `done`
    + why: it has stopped, or has paused by itself; or which hosts are not as wanted though it is done
    + is_late: whether none of its slices may begin any more, because of `not_after`
    """

    run: str
    state: str
    why: str
    wave: int
    put_in_by: str
    put_in: str
    begins: str | None
    not_after: str | None
    is_late: bool
    slices: Sequence[SliceStatus]

    @property
    def failures(self) -> dict[str, HostReport]:
        """The hosts that have failed."""
        return {name: one for part in self.slices for name, one in part.hosts.items() if one.has_failed}

    @property
    def has_trouble(self) -> bool:
        """Whether somebody has to look at it."""
        return (
            self.state == "stopped"
            or bool(self.why)
            or bool(self.failures)
            # It pauses only where a worker takes a slice.
            or (self.state == "running" and self.is_late and self._waits)
            or any(part.said or part.is_damaged for part in self.slices)
        )

    @property
    def _waits(self) -> bool:
        """Whether slices are left of its wave, and no worker is at one of them."""
        left = [part for part in self.slices if part.wave == self.wave and part.state in LEFT]
        return bool(left) and not any(part.is_at_work for part in left)


@dataclass(frozen=True)
class CheckStatus:
    """The last check of a zone's hosts. + states: by their names; + said: why it has failed, if it has"""

    zone: str
    at: str
    worker: str
    states: Mapping[str, str]
    said: str

    @property
    def has_trouble(self) -> bool:
        """Whether it has failed, or a host cannot be deployed to. A pending one can."""
        return bool(self.said) or any(one.value in self.states.values() for one in TROUBLE)


def rollouts(database: Database, given: str | None) -> list[RolloutStatus]:
    """The rollout that somebody names; else all that are not over, or else the last one.

    + given: the run's ID, or its beginning or end. Raises `Mistake` if there is no such one, or several
    """
    with database.transaction() as connection:
        found = rows(
            connection,
            "SELECT *, state <> ALL(%(over)s) AND coalesce(not_after <= now(), false) AS is_late "
            "FROM smtp_auth_rollouts ORDER BY put_in, run",
            over=list(OVER),
        )
        if given is not None:
            found = [_named(given, found)]
        else:
            found = [one for one in found if one["state"] not in OVER] or found[-1:]
        slices = rows(
            connection,
            "SELECT *, extract(epoch FROM now() - seen)::integer AS ago FROM smtp_auth_slices "
            "WHERE run = ANY(%(runs)s) ORDER BY wave, zone, shard",
            runs=[one["run"] for one in found],
        )
    return [_rollout(one, [part for part in slices if part["run"] == one["run"]]) for one in found]


def only_rollout(database: Database, given: str | None) -> str:
    """The run's ID that somebody names; else of the only rollout that is not over. Raises `Mistake`."""
    found = rollouts(database, given)
    if given is None:
        found = [one for one in found if one.state not in OVER]
    if len(found) != 1:
        them = ", ".join(shown(one.run) for one in found)
        raise Mistake(
            f"several rollouts are not over: say which: {them}" if them else "no rollout is under way"
        )
    return found[0].run


def checks(database: Database) -> list[CheckStatus]:
    """The last checks of what would change, by zone."""
    with database.transaction() as connection:
        return [
            CheckStatus(one["zone"], in_utc(one["at"]), one["worker"], _states_in(one["states"]), one["said"])
            for one in rows(connection, "SELECT * FROM smtp_auth_checks ORDER BY zone")
        ]


def _states_in(found: Any) -> dict[str, str]:
    """The states of hosts in a row, which may hold any JSON if somebody has changed it."""
    return {name: str(state) for name, state in found.items()} if isinstance(found, dict) else {}


def _named(given: str, found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    them = [one for one in found if given and (one["run"].startswith(given) or one["run"].endswith(given))]
    if len(them) != 1:
        what = f"several rollouts of the queue: {', '.join(shown(one['run']) for one in them)}"
        raise Mistake(f"{shown_name(given)} is {what if them else 'no rollout of the queue'}")
    return them[0]


def _rollout(row: dict[str, Any], slices: Iterable[dict[str, Any]]) -> RolloutStatus:
    return RolloutStatus(
        row["run"],
        row["state"],
        row["why"],
        row["wave"],
        row["put_in_by"],
        in_utc(row["put_in"]),
        _utc(row["begins"]),
        _utc(row["not_after"]),
        row["is_late"],
        [_slice(one) for one in slices],
    )


def _slice(row: dict[str, Any]) -> SliceStatus:
    return SliceStatus(
        row["wave"],
        row["zone"],
        row["shard"],
        row["shards"],
        row["hosts"],
        row["state"],
        row["worker"],
        _utc(row["began"]),
        row["ago"],
        _utc(row["ended"]),
        row["said"],
        *_report_in(row["report"]),
    )


def _report_in(text: str | None) -> tuple[Mapping[str, HostReport], bool]:
    """What a slice's row says of the hosts, and whether that is damaged."""
    try:
        return report.report_in(text).hosts if text else {}, False
    except ValueError:
        return {}, True


def _utc(time: datetime | None) -> str | None:
    return in_utc(time) if time else None
