"""How the queue's database grows with the number of hosts: rows and bytes.

    python -m bench.queue_growth        needs Debian's package postgresql, and no hosts

Plans and reports are made up: the queue keeps names, digests and outcomes, and nothing of a host's files.
"""

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.growth import cost_of
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.local_time import in_utc
from smtp_auth.rollout import plan_file
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.queue import rows
from smtp_auth.rollout.queue.database import Database
from smtp_auth.rollout.queue.next_wave import go_on
from smtp_auth.rollout.queue.tables import set_up
from smtp_auth.rollout.waves import DEFAULT, waves
from tests.fleet.commands import SMTP_AUTH
from tests.postgresql import PostgreSQL, postgresql
from tests.unit.rollout.plans import RUN, report_of

_HOSTS = (100, 1_000, 10_000)

_ZONES = ("tokyo", "osaka")

_TABLES = (
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
    "WHERE relkind = 'r' AND (relname LIKE 'smtp\\_auth\\_%' OR relname LIKE 'procrastinate\\_%')"
)


def _plan(count: int) -> RolloutPlan:
    """A plan of so many hosts. Each has a digest of its own, which is the worst case."""
    names = [f"mx{number:05}.example.jp" for number in range(count)]
    wave_of = {name: number for number, them in enumerate(waves(names, DEFAULT, [], {}), 1) for name in them}
    return RolloutPlan(
        RUN,
        in_utc(datetime.now(UTC)),
        "ann@desk",
        "0" * 12,
        DEFAULT,
        0,
        {
            name: PlannedHost(
                HostPlan(State.PENDING, digest=hashlib.sha256(name.encode()).hexdigest()),
                wave_of[name],
                _ZONES[number % len(_ZONES)],
            )
            for number, name in enumerate(names)
        },
    )


def _carry_out(database: Database, plan: RolloutPlan) -> None:
    """Carry out each slice of a rollout that was put in, as workers do, but change no host."""
    for wave in plan.waves:
        with database.transaction() as connection:
            found = rows.rows(
                connection,
                "SELECT run, wave, zone, shard FROM smtp_auth_slices WHERE wave = %(wave)s",
                wave=wave,
            )
        for one in found:
            claimed = rows.claim(database, rows.Key(**one), "worker", "token")
            assert claimed
            rows.store(database, claimed, report_of(plan, claimed.part), "", is_done=True)
        go_on(database, plan.run, wave)


def _measure(server: PostgreSQL) -> tuple[int, int]:
    """How many rows the queue's tables have, and how many bytes they take, with indexes."""
    sizes = {str(name): int(str(size)) for name, size in server.rows(_TABLES)}
    counts = [int(str(server.rows(f"SELECT count(*) FROM {name}")[0][0])) for name in sizes]
    return sum(counts), sum(sizes.values())


def _row(server: PostgreSQL, folder: Path, count: int) -> str:
    server.rows("DROP SCHEMA public CASCADE")
    server.rows("CREATE SCHEMA public")
    database, plan = Database(server.conninfo), _plan(count)
    set_up(database)
    rows_before, bytes_before = _measure(server)
    file = folder / "plan.json"
    file.write_text("\n".join(plan_file.lines(plan)))
    words = ("--plan", file, "--yes", "--database", server.conninfo)
    cost = cost_of([SMTP_AUTH, "queue", "rollout", *words])
    _carry_out(database, plan)
    ((state,),) = server.rows("SELECT state FROM smtp_auth_rollouts")
    if state != "done":
        raise SystemExit(f"the rollout is {state}")
    rows_after, bytes_after = _measure(server)
    return (
        f"| {count:,} | {cost.seconds:.1f} | {cost.memory:.0f} | {rows_after - rows_before} | "
        f"{bytes_after - bytes_before:,} |"
    )


def main() -> None:
    """Measure, and print a table."""
    print("| hosts | `queue rollout`: seconds | MiB | rows | bytes |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with postgresql() as server, tempfile.TemporaryDirectory() as folder:
        for count in _HOSTS:
            print(_row(server, Path(folder), count), flush=True)


if __name__ == "__main__":
    main()
