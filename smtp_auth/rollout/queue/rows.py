"""Rollouts and slices as rows. Each function is one transaction, or part of one that it is given."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import procrastinate
from psycopg.types.json import Jsonb

from smtp_auth.rollout import plan_file, report
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.queue.database import Connection, Database, one, rows
from smtp_auth.rollout.report import Report
from smtp_auth.rollout.slices import Slice, refuse_mixed_zones
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.origin import is_run_id
from smtp_auth.shown import shown_name

# The name of the job that carries out a slice. A worker knows this one and its own periodic ones.
CARRY_OUT = "smtp_auth.carry_out"

# The queue of hosts without a zone.
NO_ZONE = "default"

# The states of a rollout that has come to its end.
OVER = ("stopped", "done")

# The states of a slice that has not come to its end.
LEFT = ("waiting", "under way")

# How many hosts a slice has at most; those of a zone are shared out evenly.
MOST_HOSTS = 250

# A slice whose worker has not said for so long that it is at work may be another's, in seconds.
STALE = 30

# So often a slice is tried whose process has ended without a report.
_MOST_TRIES = 3

# PostgreSQL's names of channels, one of which is a queue's, have less than 64 bytes.
LONGEST_ZONE = 40


@dataclass(frozen=True)
class Window:
    """The maintenance window of a rollout.

    + begins: no slice begins before then; + ends: none begins after then
    """

    begins: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True)
class Key:
    """Which slice a job is about: all that a job says.

    + zone: the queue's name
    """

    run: str
    wave: int
    zone: str
    shard: int

    def __post_init__(self) -> None:
        # A job is what somebody has put in: its values need not be what ours are.
        numbers = (self.wave, self.shard)
        if not all(type(number) is int and 0 < number < 2**31 for number in numbers):
            raise ValueError("wave and shard must be numbers")
        if not is_run_id(self.run):
            raise ValueError("the run is no ID of a run")

    @property
    def values(self) -> dict[str, Any]:
        """As the arguments of a job, and in a query."""
        return {"run": self.run, "wave": self.wave, "zone": self.zone, "shard": self.shard}


@dataclass(frozen=True)
class Claimed:
    """A slice that this worker may carry out.

    + claim: only who has it may store the report
    """

    key: Key
    claim: str
    plan: RolloutPlan
    part: Slice


class Busy(Exception):
    """Another worker is at work on the slice."""


def zone_of(plan: RolloutPlan, name: str) -> str:
    """The queue of a host."""
    return plan.hosts[name].zone or NO_ZONE


def refuse_zones(option: str, plan: RolloutPlan) -> None:
    """Raise `Mistake` if the plan's zones cannot be queues. + option: that of the plan, with its file"""
    refuse_mixed_zones(option, plan)
    zones = (one.zone for one in plan.hosts.values() if one.wave is not None)
    long = next((zone for zone in zones if zone and len(zone.encode()) > LONGEST_ZONE), None)
    if long:
        raise Mistake(
            f"{option}: the zone {shown_name(long)} is longer than {LONGEST_ZONE} bytes, which no queue's "
            "name may be: give it a shorter name"
        )


def put_in(database: Database, plan: RolloutPlan, who: str, window: Window) -> None:
    """Put in a rollout, with the jobs of its first wave. If it is there, and is over, it begins again.

    + who: by whom

    Raises `Mistake` if it is under way.
    """
    stored = plan.without_lines()
    with database.transaction() as connection:
        connection.execute(
            "DELETE FROM smtp_auth_rollouts WHERE run = %(run)s AND state = ANY(%(over)s)",
            {"run": plan.run, "over": list(OVER)},
        )
        _take_out_jobs(connection, plan.run)
        put = rows(
            connection,
            "INSERT INTO smtp_auth_rollouts (run, plan, state, wave, put_in_by, begins, not_after) "
            "VALUES (%(run)s, %(plan)s, 'running', %(wave)s, %(who)s, %(begins)s, %(ends)s) "
            "ON CONFLICT DO NOTHING RETURNING run",
            run=plan.run,
            plan="\n".join(plan_file.lines(stored)),
            wave=min(plan.waves),
            who=who,
            begins=window.begins,
            ends=window.ends,
        )
        if not put:
            raise Mistake(
                f"this rollout is under way: smtp-auth queue status {plan.run} shows it; end it with "
                f"smtp-auth queue stop {plan.run}"
            )
        begin_wave(connection, stored, min(plan.waves), window.begins)


def begin_wave(connection: Connection, plan: RolloutPlan, wave: int, begins: datetime | None = None) -> None:
    """Put in the slices of a wave, and their jobs."""
    for zone, count in Counter(zone_of(plan, name) for name in plan.waves[wave]).items():
        shards = -(-count // MOST_HOSTS)
        for shard in range(1, shards + 1):
            key = Key(plan.run, wave, zone, shard)
            connection.execute(
                "INSERT INTO smtp_auth_slices (run, wave, zone, shard, shards, hosts) "
                "VALUES (%(run)s, %(wave)s, %(zone)s, %(shard)s, %(shards)s, %(hosts)s)",
                {**key.values, "shards": shards, "hosts": len(_part(plan, key, shards).names(plan))},
            )
            _put_in_job(connection, key, begins)


def _put_in_job(connection: Connection, key: Key, begins: datetime | None = None) -> None:
    # It is put in over our connection, and so in our transaction. Another job of the same slice may wait or
    # be under way: the claim decides.
    jobs = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
    job = jobs.configure_task(CARRY_OUT, queue=key.zone, schedule_at=begins, connection=connection)
    job.defer(**key.values)


def _take_out_jobs(connection: Connection, run: str) -> None:
    """Take out the jobs of a run that wait: they may be of a maintenance window that no longer counts."""
    connection.execute(
        "DELETE FROM procrastinate_jobs "
        "WHERE task_name = %(task)s AND status = 'todo' AND args ->> 'run' = %(run)s",
        {"task": CARRY_OUT, "run": run},
    )


def slice_named(wave: int, zone: str, shard: int, shards: int) -> Slice:
    """A slice of a row, as people read it."""
    return Slice(wave, None if zone == NO_ZONE else zone, shard, shards)


def _part(plan: RolloutPlan, key: Key, shards: int) -> Slice:
    zone = None if all(one.zone is None for one in plan.hosts.values() if one.wave) else key.zone
    return Slice(key.wave, zone, key.shard, shards)


def claim(database: Database, key: Key, worker: str, token: str) -> Claimed | None:
    """Take a slice for this worker. Returns `None` if there is nothing to do.

    + worker: its name, for people; + token: a word that no other claim has

    Raises `Busy` if another worker is at work on it, while hosts may begin; `ValueError` if the plan in the
    row is none.
    """
    with database.transaction() as connection:
        if _is_too_late(connection, key.run):
            _pause_late(connection, key)
            return None
        found = rows(
            connection,
            """
            UPDATE smtp_auth_slices AS slice
            SET state = 'under way', claim = %(token)s, worker = %(worker)s, began = now(), seen = now(),
                ended = NULL
            FROM smtp_auth_rollouts AS rollout
            WHERE rollout.run = slice.run AND rollout.state = 'running' AND rollout.wave = slice.wave
                AND coalesce(rollout.begins <= now(), true)
                AND slice.run = %(run)s AND slice.wave = %(wave)s AND slice.zone = %(zone)s
                AND slice.shard = %(shard)s
                AND (slice.state = 'waiting'
                    OR slice.state = 'under way' AND slice.seen < now() - make_interval(secs => %(stale)s))
            RETURNING slice.shards, rollout.plan
            """,
            **key.values,
            worker=worker,
            token=token,
            stale=STALE,
        )
        if not found:
            # While nothing may begin, nobody waits for it: a resume puts in a job for it, too.
            if _states(connection, key) == ("running", "under way"):
                raise Busy
            return None
        plan = plan_in_row(found[0]["plan"], key.run, key.wave)
    return Claimed(key, token, plan, _part(plan, key, found[0]["shards"]))


def _is_too_late(connection: Connection, run: str) -> bool:
    """Whether the maintenance window of a rollout is over."""
    return bool(
        rows(
            connection,
            "SELECT run FROM smtp_auth_rollouts WHERE run = %(run)s AND not_after <= now() FOR UPDATE",
            run=run,
        )
    )


def _pause_late(connection: Connection, key: Key) -> None:
    """Pause a rollout because a slice of it comes too late. Raises `Busy` while others are under way.

    A pause would interrupt these, which have begun in time.
    """
    slices = rows(
        connection,
        "SELECT state, seen < now() - make_interval(secs => %(stale)s) AS is_stale FROM smtp_auth_slices "
        "WHERE run = %(run)s AND wave = %(wave)s AND state = ANY(%(left)s)",
        run=key.run,
        wave=key.wave,
        stale=STALE,
        left=list(LEFT),
    )
    if any(one["state"] == "under way" and not one["is_stale"] for one in slices):
        raise Busy
    if slices:
        stopped = (
            f"it is later than --not-after allows: wave {key.wave} does not go on until "
            "smtp-auth queue resume"
        )
        connection.execute(
            "UPDATE smtp_auth_rollouts SET state = 'paused', why = %(why)s "
            "WHERE run = %(run)s AND wave = %(wave)s AND state = 'running'",
            {"run": key.run, "wave": key.wave, "why": stopped},
        )


def plan_in_row(text: str, run: str, wave: int) -> RolloutPlan:
    """The plan of a rollout's row. Raises `ValueError` with a sentence if it is none, or another's."""
    plan = plan_file.plan_in(text).without_lines()
    if plan.run != run or wave not in plan.waves:
        raise ValueError("this is the plan of another rollout")
    return plan


def stop_damaged(database: Database, run: str, why: str) -> None:
    """Stop a rollout whose plan in the database cannot be carried out."""
    set_state(database, run, "stopped", ("running", "paused"), f"its plan in the database: {why}")


def _states(connection: Connection, key: Key) -> tuple[str, str] | None:
    """The states of a slice's rollout, and of the slice itself, if it is there."""
    found = rows(
        connection,
        "SELECT rollout.state AS whole, slice.state AS part "
        "FROM smtp_auth_slices AS slice JOIN smtp_auth_rollouts AS rollout USING (run) "
        "WHERE run = %(run)s AND slice.wave = %(wave)s AND zone = %(zone)s AND shard = %(shard)s",
        **key.values,
    )
    return (found[0]["whole"], found[0]["part"]) if found else None


def may_go_on(database: Database, claimed: Claimed) -> bool:
    """Say that this worker is at work on the slice. Returns whether further hosts may begin."""
    with database.transaction() as connection:
        found = rows(
            connection,
            """
            UPDATE smtp_auth_slices AS slice SET seen = now()
            FROM smtp_auth_rollouts AS rollout
            WHERE rollout.run = slice.run AND slice.claim = %(claim)s AND slice.state = 'under way'
            RETURNING rollout.state
            """,
            claim=claimed.claim,
        )
    return bool(found) and found[0]["state"] == "running"


def store(database: Database, claimed: Claimed, found: Report | None, said: str, *, is_done: bool) -> bool:
    """Keep what became of a slice, unless another worker has claimed it meanwhile.

    + found: the report, if there is one
    + said: if not, how the process ended, for people
    + is_done: whether it need not be carried out again

    Returns whether its job is still needed.
    """
    with database.transaction() as connection:
        connection.execute(
            """
            UPDATE smtp_auth_slices
            SET state = CASE WHEN %(done)s THEN 'done'
                    WHEN without_report + %(lost)s >= %(most)s THEN 'lost' ELSE 'waiting' END,
                without_report = without_report + %(lost)s,
                report = coalesce(%(report)s, report), said = %(said)s, ended = now()
            WHERE claim = %(claim)s AND state = 'under way'
            """,
            {
                "done": is_done,
                "lost": int(bool(said)),
                "most": _MOST_TRIES,
                "report": "\n".join(report.lines(_without_reasons(found))) if found else None,
                "said": said,
                "claim": claimed.claim,
            },
        )
        # An earlier call may have stored it, and lost its connection before it was told so. And who has taken
        # the slice over has the same job: it must not be deleted before the slice has come to its end.
        return _states(connection, claimed.key) in (("running", "waiting"), ("running", "under way"))


def _without_reasons(found: Report) -> Report:
    """The same report without sentences, which may quote a file."""
    return replace(found, hosts={name: replace(one, reasons=()) for name, one in found.hosts.items()})


def set_state(database: Database, run: str, state: str, of: Iterable[str], why: str = "") -> str:
    """Pause, resume or stop a rollout that is in one of these states. Returns in which state it is then."""
    with database.transaction() as connection:
        found = one(
            connection,
            "SELECT state, wave, begins FROM smtp_auth_rollouts WHERE run = %(run)s FOR UPDATE",
            run=run,
        )
        if found["state"] not in of:
            return str(found["state"])
        connection.execute(
            "UPDATE smtp_auth_rollouts SET state = %(state)s, why = %(why)s WHERE run = %(run)s",
            {"run": run, "state": state, "why": why},
        )
        if state == "running":
            # Who lets it go on does not mean the window that is over.
            connection.execute(
                "UPDATE smtp_auth_rollouts SET not_after = NULL WHERE run = %(run)s AND not_after <= now()",
                {"run": run},
            )
            for key in _keys_of_jobs(connection, run, found["wave"]):
                _put_in_job(connection, key, found["begins"])
        if state == "stopped":
            _take_out_jobs(connection, run)
    return state


def _keys_of_jobs(connection: Connection, run: str, wave: int) -> list[Key]:
    """Of which slices of a wave jobs have to be there, so that it comes to its end."""
    slices = rows(
        connection,
        "SELECT run, wave, zone, shard, state = ANY(%(left)s) AS is_left FROM smtp_auth_slices "
        "WHERE run = %(run)s AND wave = %(wave)s ORDER BY zone, shard",
        run=run,
        wave=wave,
        left=list(LEFT),
    )
    left = [one for one in slices if one["is_left"]]
    # Whoever gets the job of a slice that is over judges the wave, if nobody has.
    return [Key(one["run"], one["wave"], one["zone"], one["shard"]) for one in left or slices[:1]]


def keep_check(database: Database, zone: str, worker: str, states: Mapping[str, str], said: str) -> None:
    """Keep what the last check of a zone's hosts has found.

    + states: by the names of the hosts; + said: why it has failed, if it has
    """
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO smtp_auth_checks (zone, worker, states, said) "
            "VALUES (%(zone)s, %(worker)s, %(states)s, %(said)s) ON CONFLICT (zone) DO UPDATE "
            "SET at = now(), worker = excluded.worker, states = excluded.states, said = excluded.said",
            {"zone": zone, "worker": worker, "states": Jsonb(dict(states)), "said": said},
        )
