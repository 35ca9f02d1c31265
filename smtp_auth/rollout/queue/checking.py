"""The periodic check of what would change on a zone's hosts: `smtp-auth plan --check`."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from smtp_auth.rollout.queue.database import Database
from smtp_auth.rollout.queue.process import interrupt, started
from smtp_auth.rollout.queue.rows import keep_check


async def check(
    database: Database, zone: str, worker: str, choice: Sequence[str], stopping: asyncio.Event
) -> None:
    """Ask all hosts of the worker's inventory, and keep the state of each.

    + worker: its name; + choice: its options of every command; + stopping: ends the check
    """
    with tempfile.TemporaryDirectory(prefix="smtp-auth-queue-") as folder:
        output = Path(folder, "check.json")
        process = await started(["plan", "--check", "--json", str(output), *choice])
        end = asyncio.create_task(process.wait())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((end, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        interrupt(process)
        await end
        if stopping.is_set() or not output.exists():
            # It says itself why, on this worker's standard error.
            return
        hosts = json.loads(output.read_text())["hosts"]
    states = {name: one["state"] for name, one in hosts.items()}
    await asyncio.to_thread(keep_check, database, zone, worker, states)
