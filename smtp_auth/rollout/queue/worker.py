"""`smtp-auth queue worker`: carries out the slices of a zone, one at a time, until it is told to end.

procrastinate hands out jobs, and finds those of workers whose heartbeat has stopped. A row can only name a
task that is defined here; its arguments are checked, and none of them becomes a command, an option or a path.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import procrastinate
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import QUEUEING_LOCK_CONSTRAINT

from smtp_auth.fleet.console import Line, show_beside
from smtp_auth.rollout.queue.checking import check
from smtp_auth.rollout.queue.database import Database, Failed, Unreached, sentence_of
from smtp_auth.rollout.queue.keeping import Keeping, Unfinished
from smtp_auth.rollout.queue.rows import CARRY_OUT, STALE, Busy, Key
from smtp_auth.rollout.queue.slicing import Slicing
from smtp_auth.runs.origin import origin_of_this_run
from smtp_auth.runs.signals import ending
from smtp_auth.shown import shown_words

# Of which jobs of a dead worker another one makes, and how that is said.
_CHECK = "smtp_auth.check"
_AGAIN_OF = {CARRY_OUT: "its slice is carried out", _CHECK: "its check is made"}

# A check waits so often for a database that does not take it; slices come behind it.
_CHECK_TRIES = 20

# After so many seconds without a heartbeat, a worker is dead, and its slice may be another's; how often it
# beats, in seconds; and how often jobs of dead workers are looked for, as cron says it, with seconds last.
_DEAD = float(STALE)
_BEAT = 10.0
_LOOKS = "* * * * * */10"

# Before a job is tried again that another worker still has, or that has ended without a report. A worker that
# has lost the database alone says within this time that it is at work.
_AGAIN = 5

# How long procrastinate waits for a connection, in seconds.
_PATIENCE = 10.0

# Between two attempts to reach the database, in seconds.
_PAUSE = 2.0


@dataclass(frozen=True)
class Wishes:
    """How a worker works.

    + zone: its queue
    + choice: its own options of every command: the inventory and the like
    + max_age: its `--max-age`
    + check_at: when it checks what would change, as cron says it, in UTC; `None`: never
    """

    zone: str
    choice: Sequence[str]
    max_age: str
    check_at: str | None


def work(database: Database, wishes: Wishes) -> int:
    """Carry out slices until SIGINT, SIGTERM or SIGHUP. Returns the exit status.

    The slice under way then begins no further host, and is another worker's.
    """
    # Both log what is in rows, and tracebacks.
    for name in ("procrastinate", "psycopg"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    asyncio.run(_Worker(database, wishes).run())
    return 0


class _Worker:
    def __init__(self, database: Database, wishes: Wishes) -> None:
        self._database, self._wishes = database, wishes
        self._name = f"{origin_of_this_run().controller}, process {os.getpid()}"
        self._stopping = asyncio.Event()
        self._is_reached = True
        # By how much the database's clock, which says when a job is due, is ahead of this one.
        self._ahead = timedelta()
        words = [*wishes.choice, "--max-age", wishes.max_age]
        self._kept = Keeping(self._stopping, self._say, _CHECK_TRIES)
        self._slicing = Slicing(database, self._name, words, self._stopping, self._say)
        self._app = self._tasks()

    def _say(self, text: str) -> None:
        show_beside([Line(shown_words(text), under=4)])

    # -- what a row may name ----------------------------------------------------------------------

    def _tasks(self) -> procrastinate.App:
        zone = self._wishes.zone
        app = procrastinate.App(
            connector=_Connector(conninfo=self._database.conninfo, min_size=1, max_size=4, timeout=_PATIENCE),
            # A check whose time nobody was there for is made up for within a day.
            periodic_defaults={"max_delay": 86_400},
        )
        # procrastinate's own, which deletes jobs.
        app.tasks.clear()

        again = _Again(self._soon)

        @app.task(name=CARRY_OUT, queue=zone, retry=again)
        async def carry_out(**values: Any) -> None:
            await self._carry_out(values)

        @app.periodic(cron=_LOOKS, periodic_id=zone)
        @app.task(
            name="smtp_auth.retry_stalled",
            queue=zone,
            queueing_lock=f"smtp_auth.retry_stalled {zone}",
            priority=10,
        )
        async def retry_stalled(timestamp: int) -> None:
            await self._retry_stalled()

        @app.task(name=_CHECK, queue=zone, queueing_lock=f"{_CHECK} {zone}", retry=again)
        async def check_hosts(timestamp: int) -> None:
            await self._check()

        # Who asks for a check need not be the one that makes it.
        if self._wishes.check_at:
            app.periodic(cron=self._wishes.check_at, periodic_id=zone)(check_hosts)

        return app

    async def _carry_out(self, values: dict[str, Any]) -> None:
        try:
            key = Key(**values)
            if key.zone != self._wishes.zone:
                raise ValueError("the job is of another zone")
            await self._slicing.carry_out(key)
        except (Busy, Unfinished):
            raise
        except Exception as error:
            self._say(f"a job of the queue was not carried out: {type(error).__name__}: {error}")
            raise

    async def _check(self) -> None:
        zone, choice = self._wishes.zone, self._wishes.choice
        try:
            said = await check(self._database, zone, self._name, choice, self._stopping, self._kept)
        except Unfinished:
            raise
        except Exception as error:
            self._say(f"the check of the hosts is not kept: {type(error).__name__}: {error}")
            raise
        if said:
            self._say(f"the check of the hosts has failed: {said}")

    async def _retry_stalled(self) -> None:
        """Give back the jobs of workers that are dead."""
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(queue=self._wishes.zone, seconds_since_heartbeat=_DEAD):
            # Arguments that are no object fail before our function is called, and leave the job as it is.
            if job.task_name in _AGAIN_OF and isinstance(job.task_kwargs, dict):
                self._say(f"a worker was not heard of: {_AGAIN_OF[job.task_name]} again")
                # Ours have no lock, but somebody's may: another job with it waits, and does the same.
                with suppress(UniqueViolation):
                    await manager.retry_job(job, retry_at=self._soon())
                    continue
            await manager.finish_job(job, status=Status.FAILED, delete_job=True)

    def _soon(self) -> datetime:
        """When a job is tried again, by the database's clock."""
        return datetime.now(UTC) + self._ahead + timedelta(seconds=_AGAIN)

    # -- its life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until a signal."""
        loop = asyncio.get_running_loop()
        for number in ending():
            loop.add_signal_handler(number, self._stopping.set)
        # What procrastinate leaves to itself while the database is away.
        loop.set_exception_handler(lambda _loop, _context: None)
        self._say(f"worker of zone {self._wishes.zone}: {self._name}")
        while not self._stopping.is_set():
            try:
                # At first, because procrastinate waits half a minute for a database that is away.
                self._ahead = await asyncio.to_thread(self._database.now) - datetime.now(UTC)
                async with self._app.open_async():
                    self._note_reached()
                    await self._take_jobs()
            except Unreached as error:
                self._note_unreached(error)
                # What was not opened is taken for open, next time.
                with suppress(*Failed):
                    await self._app.close_async()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _PAUSE)
        self._say("the worker has ended")

    async def _take_jobs(self) -> None:
        """Take jobs until a signal, or until the database is lost; and then wait for the slice under way."""
        taking = asyncio.create_task(
            self._app.run_worker_async(
                queues=[self._wishes.zone],
                name=self._name,
                delete_jobs="successful",
                install_signal_handlers=False,
                update_heartbeat_interval=_BEAT,
                stalled_worker_timeout=_DEAD,
            )
        )
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((taking, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not taking.done():
            # Of a worker of procrastinate, this is an orderly end.
            taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking

    def _note_unreached(self, error: BaseException) -> None:
        if self._is_reached:
            self._say(f"the database is not reached: {sentence_of(error)}; it is tried again")
        self._is_reached = False

    def _note_reached(self) -> None:
        if not self._is_reached:
            self._say("the database is reached again")
        self._is_reached = True


class _Connector(procrastinate.PsycopgConnector):
    """That of procrastinate, with a PostgreSQL that speaks any language.

    procrastinate reads from an English message which job waits already (`lc_messages`).
    """

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        with _in_any_language():
            await super().execute_query_async(query, **arguments)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        with _in_any_language():
            found: dict[str, Any] = await super().execute_query_one_async(query, **arguments)
            return found


@contextmanager
def _in_any_language() -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise UniqueViolation(constraint_name=QUEUEING_LOCK_CONSTRAINT, queueing_lock=None) from error


class _Again(procrastinate.BaseRetryStrategy):
    """When a slice or a check is tried again that was not carried out to its end.

    + soon: says when, by the database's clock
    """

    def __init__(self, soon: Callable[[], datetime]) -> None:
        self._soon = soon

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision | None:
        is_unfinished = isinstance(exception, Busy | Unfinished)
        return procrastinate.RetryDecision(retry_at=self._soon()) if is_unfinished else None
