"""The periodic check of what would change on a zone's hosts: `smtp-auth plan --check`."""

import asyncio
import json
import tempfile
from collections.abc import Sequence

from smtp_auth.rollout.queue.database import Database
from smtp_auth.rollout.queue.keeping import Keeping, Unfinished
from smtp_auth.rollout.queue.process import interrupt, path_of, started
from smtp_auth.rollout.queue.rows import keep_check
from smtp_auth.runs.status import how_ended


async def check(
    database: Database,
    zone: str,
    worker: str,
    choice: Sequence[str],
    stopping: asyncio.Event,
    kept: Keeping,
) -> str:
    """Ask all hosts of the worker's inventory, and keep the state of each, or why that has failed.

    + worker: its name; + choice: its options of every command; + stopping: ends the check
    + kept: works in the database

    Returns why it has failed, for people; empty if it has not. Raises `Unfinished` if it was ended.
    """
    states: dict[str, str] = {}
    said = ""
    try:
        states = await _asked(choice, stopping)
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if stopping.is_set():
        raise Unfinished
    await kept(keep_check, database, zone, worker, states, said)
    return said


async def _asked(choice: Sequence[str], stopping: asyncio.Event) -> dict[str, str]:
    """The states of the hosts, by name. Raises `ValueError` with a sentence, or `OSError`."""
    with tempfile.TemporaryFile("w+") as output:
        process = await started(["plan", "--check", "--json", path_of(output), *choice], output)
        end = asyncio.create_task(process.wait())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((end, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        interrupt(process)
        status = await end
        text = output.read()
        if not text:
            # Why, its process says on this worker's standard error.
            raise ValueError(f"its process has ended with {how_ended(status)} and no output")
    hosts = json.loads(text)["hosts"]
    return {name: one["state"] for name, one in hosts.items()}
