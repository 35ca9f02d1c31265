"""What follows a slice: the one that finishes a wave judges it, and puts in the jobs of the next one.

It holds the rollout's row meanwhile: of two slices that end together, one judges. Verdict and jobs are one
transaction, so that a worker that dies leaves both or neither, and who retries its slice judges then.
"""

from smtp_auth.rollout import report
from smtp_auth.rollout.judging import WrongSlices, merged, not_as_wanted, why_stopped
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.queue.database import Connection, Database, rows
from smtp_auth.rollout.queue.rows import (
    LEFT,
    begin_wave,
    plan_in_row,
    slice_named,
    stop_damaged,
)
from smtp_auth.rollout.report import Report


def go_on(database: Database, run: str, wave: int) -> None:
    """Judge a wave if all of its slices have ended and nobody has judged it, and go on or stop."""
    try:
        _go_on(database, run, wave)
    except ValueError as error:
        stop_damaged(database, run, str(error))


def _go_on(database: Database, run: str, wave: int) -> None:
    with database.transaction() as connection:
        found = rows(
            connection,
            "SELECT plan FROM smtp_auth_rollouts WHERE run = %(run)s AND wave = %(wave)s "
            "AND state IN ('running', 'paused') FOR UPDATE",
            run=run,
            wave=wave,
        )
        slices = rows(
            connection,
            "SELECT wave, zone, shard, shards, state, said, report FROM smtp_auth_slices "
            "WHERE run = %(run)s AND wave = %(wave)s ORDER BY zone, shard",
            run=run,
            wave=wave,
        )
        if not found or not slices or any(one["state"] in LEFT for one in slices):
            return
        plan = plan_in_row(found[0]["plan"], run, wave)
        named = {
            str(slice_named(one["wave"], one["zone"], one["shard"], one["shards"])): one for one in slices
        }
        lost = next((name for name, one in named.items() if one["state"] == "lost"), None)
        left = ""
        if lost:
            stopped = f"{lost}: {named[lost]['said']}"
        else:
            reports = {name: one["report"] for name, one in named.items()}
            stopped, left = _judged(connection, plan, wave, reports)
        later = [number for number in plan.waves if number > wave]
        if not stopped and later:
            connection.execute(
                "UPDATE smtp_auth_rollouts SET wave = %(wave)s WHERE run = %(run)s",
                {"run": run, "wave": later[0]},
            )
            begin_wave(connection, plan, later[0])
            return
        connection.execute(
            "UPDATE smtp_auth_rollouts SET state = %(state)s, why = %(why)s WHERE run = %(run)s",
            {"run": run, "state": "stopped" if stopped else "done", "why": stopped or left},
        )


def _judged(connection: Connection, plan: RolloutPlan, wave: int, reports: dict[str, str]) -> tuple[str, str]:
    """Why the next wave may not begin, and which hosts are not as wanted; empty if it may, and if all are.

    The wave's report is kept.
    """
    try:
        found = merged(
            plan,
            wave,
            _earlier(connection, plan.run, wave),
            {name: report.report_in(text) for name, text in reports.items()},
        )
    except (WrongSlices, ValueError) as error:
        return str(error), ""
    connection.execute(
        "INSERT INTO smtp_auth_waves VALUES (%(run)s, %(wave)s, %(report)s)",
        {"run": plan.run, "wave": wave, "report": "\n".join(report.lines(found))},
    )
    return why_stopped(plan, found), not_as_wanted(found)


def _earlier(connection: Connection, run: str, wave: int) -> Report | None:
    found = rows(
        connection,
        "SELECT report FROM smtp_auth_waves WHERE run = %(run)s AND wave < %(wave)s "
        "ORDER BY wave DESC LIMIT 1",
        run=run,
        wave=wave,
    )
    return report.report_in(found[0]["report"]) if found else None
