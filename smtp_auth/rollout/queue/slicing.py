"""A slice that a worker carries out, from its claim to its report."""

import asyncio
import secrets
import signal
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from smtp_auth.rollout import plan_file, report
from smtp_auth.rollout.queue import rows
from smtp_auth.rollout.queue.database import Database
from smtp_auth.rollout.queue.keeping import Keeping, Unfinished
from smtp_auth.rollout.queue.next_wave import go_on
from smtp_auth.rollout.queue.process import interrupt, path_of, started
from smtp_auth.rollout.queue.rows import Claimed, Key
from smtp_auth.rollout.report import Report
from smtp_auth.runs.status import Status, how_ended

# How often a worker says that it is at work, and asks whether it may go on, in seconds. Each is a connection
# of its own, so it is seldom.
_PAUSE = 3.0


@dataclass(frozen=True)
class _Ended:
    """How a slice has ended.

    + found: its report, if there is one; + said: why there is none, unless it was interrupted
    + is_done: whether it need not be carried out again
    """

    found: Report | None
    said: str
    is_done: bool


class Slicing:
    """Carries out slices.

    + worker: the worker's name, for people
    + words: the worker's own options of `smtp-auth rollout`
    + stopping: is set once this worker shall end
    + say: prints a sentence
    """

    def __init__(
        self,
        database: Database,
        worker: str,
        words: Sequence[str],
        stopping: asyncio.Event,
        say: Callable[[str], None],
    ) -> None:
        self._database, self._worker, self._words = database, worker, words
        self._stopping, self._say = stopping, say
        self._kept = Keeping(stopping, say)

    async def carry_out(self, key: Key) -> None:
        """Carry out a slice, unless somebody else does or did. Raises `Busy`, `Unfinished`."""
        try:
            claimed = await self._kept(rows.claim, self._database, key, self._worker, secrets.token_hex(8))
        except ValueError as error:
            self._say(f"{key.run}: the plan in the database: {error}")
            await self._kept(rows.stop_damaged, self._database, key.run, str(error))
            return
        if claimed:
            self._say(f"{key.run}: {claimed.part} begins")
            ended = await self._outcome(claimed)
            self._say(f"{key.run}: {claimed.part} has ended{f': {ended.said}' if ended.said else ''}")
            if await self._stored(claimed, ended):
                raise Unfinished
        # Who has stored the last report may have died before this.
        await self._kept(go_on, self._database, key.run, key.wave)

    async def _outcome(self, claimed: Claimed) -> _Ended:
        """Carry out a claimed slice. It has to be given back however that ends, so this raises nothing."""
        try:
            return await self._carried_out(claimed)
        except Exception as error:
            # A message may quote a path of this machine, which is nobody's business in the database.
            cause = error.strerror if isinstance(error, OSError) else None
            return _Ended(None, f"the worker cannot carry it out: {cause or type(error).__name__}", False)

    async def _carried_out(self, claimed: Claimed) -> _Ended:
        with tempfile.TemporaryFile("w+") as plan, tempfile.TemporaryFile("w+") as output:
            plan.writelines(f"{line}\n" for line in plan_file.lines(claimed.plan))
            plan.flush()
            words = _words(claimed, path_of(plan), path_of(output))
            process = await started([*words, *self._words], plan, output)
            status = await self._ended(process, claimed)
            found = _report_in(output, claimed)
        # While Python starts, SIGINT ends it as it ends any program.
        is_interrupted = status in (Status.INTERRUPTED, -signal.SIGINT)
        said = (
            "" if found or is_interrupted else f"its process has ended with {how_ended(status)} and no report"
        )
        return _Ended(found, said, found is not None and status in (0, Status.TROUBLE))

    async def _stored(self, claimed: Claimed, ended: _Ended) -> bool:
        """Store how a slice has ended. Returns whether its job is still needed."""
        try:
            return await self._kept(
                rows.store, self._database, claimed, ended.found, ended.said, is_done=ended.is_done
            )
        except Unfinished:
            self._say(
                f"{claimed.key.run}: {claimed.part}: its report is lost, because the database does not "
                "take it: another worker carries out the slice again, and the hosts know what was changed"
            )
            raise

    async def _ended(self, process: Process, claimed: Claimed) -> int:
        """Wait for the end of a process; interrupt it once nothing new shall begin. Returns its status."""
        end = asyncio.create_task(process.wait())
        stop = asyncio.create_task(self._stopping.wait())
        over = asyncio.create_task(self._may_not_go_on(claimed))
        await asyncio.wait((end, stop, over), return_when=asyncio.FIRST_COMPLETED)
        # At once: who ends a service tells the process, too, and this is part of that.
        interrupt(process)
        stop.cancel()
        over.cancel()
        while not end.done():
            await asyncio.wait((end,), timeout=_PAUSE)
            # The changes under way are this worker's until they are over.
            with suppress(Exception):
                await asyncio.to_thread(rows.may_go_on, self._database, claimed)
        return end.result()

    async def _may_not_go_on(self, claimed: Claimed) -> None:
        """Say now and then that this worker is at work, until no further host may begin."""
        may = True
        while may:
            await asyncio.sleep(_PAUSE)
            # Whatever is wrong with the database or this machine, the process goes on.
            with suppress(Exception):
                may = await asyncio.to_thread(rows.may_go_on, self._database, claimed)


def _words(claimed: Claimed, plan: str, output: str) -> list[str]:
    part = claimed.part
    words = ["rollout", "--plan", plan, "--wave", str(part.wave)]
    # The zone's name is a plan's data: it is no option, whatever it begins with.
    words += [] if part.zone is None else [f"--zone={part.zone}"]
    return [*words, "--shard", f"{part.shard}/{part.shards}", "--yes", "--json", output]


def _report_in(file: IO[str], claimed: Claimed) -> Report | None:
    """The report of a slice; `None` if it is not there, or is another's."""
    try:
        found = report.report_in(file.read())
    except (OSError, ValueError):
        return None
    is_its_own = found.run == claimed.key.run and found.plan == claimed.plan.identity
    return found if is_its_own and found.hosts.keys() == {*claimed.part.names(claimed.plan)} else None
