"""A queue for tests: its PostgreSQL, its commands, and workers that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smtp_auth.rollout.queue.database import Database
from smtp_auth.rollout.queue.tables import set_up
from tests.postgresql import PostgreSQL
from tests.processes import PATIENCE, WITH_THE_TESTS, wait_for

ROOT = Path(__file__).resolve().parents[1]


_AGAIN = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, args) SELECT queue_name, task_name, args "
    "FROM procrastinate_jobs WHERE task_name = 'smtp_auth.carry_out' AND queue_name = 'tokyo' LIMIT 1"
)


class Queue:
    """A queue.

    + folder: what the workers say is kept there
    + environment: further variables of its commands
    """

    def __init__(self, server: PostgreSQL, folder: Path, environment: Mapping[str, str]) -> None:
        self.server, self._folder = server, folder
        # What killed workers leave is deleted with the test's own folder.
        self._surroundings: dict[str, Any] = {
            "cwd": ROOT,
            "env": {**os.environ, "TMPDIR": str(folder), **environment},
            "stdin": subprocess.DEVNULL,
        }
        self.workers: list[Worker] = []

    def __call__(self, what: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `smtp-auth queue WHAT` to its end."""
        return subprocess.run(
            self._words(what, words),
            **self._surroundings,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def worker(self, *words: str, before: Sequence[str] = ()) -> "Worker":
        """Start a worker. + before: words before its own, such as `ip netns exec`"""
        said = self._folder / f"worker {len(self.workers)}"
        with said.open("w") as file:
            process = subprocess.Popen(
                [*WITH_THE_TESTS, *before, *self._words("worker", words)],
                **self._surroundings,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        found = Worker(process, said)
        self.workers.append(found)
        return found

    def state(self) -> object:
        """The state of the only rollout; `None` if there is none."""
        found = self.server.rows("SELECT state FROM smtp_auth_rollouts")
        return found[0][0] if found else None

    def wait_until(self, *states: str, timeout: float = PATIENCE) -> None:
        """Wait until the only rollout is in one of these states. + timeout: in seconds"""
        wait_for(
            lambda: self.state() in (*states, "stopped"), f"not {states}: {self.said()}", timeout=timeout
        )
        assert self.state() in states, (self("status").stdout, self.said())

    def copy_a_job(self) -> None:
        """Put a job of zone tokyo in once more."""
        self.server.rows(_AGAIN)

    def said(self) -> str:
        """What all workers have said."""
        return "\n".join(f"{one.said.name}:\n{one.said.read_text()}" for one in self.workers)

    def _words(self, what: str, words: Sequence[str]) -> list[str]:
        database = ("--database", self.server.conninfo)
        return [sys.executable, "-m", "tests.queue_program", "queue", what, *database, *words]


class Worker:
    """A worker. + said: the file with what it has said"""

    def __init__(self, process: subprocess.Popen[bytes], said: Path) -> None:
        self.process, self.said = process, said

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """End it as its administrator does. Returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)


@contextmanager
def queue_of(server: PostgreSQL, folder: Path, environment: Mapping[str, str]) -> Iterator[Queue]:
    """An empty queue; its workers are ended with the `with`."""
    # A test that has failed may have left it otherwise.
    server.start()
    server.rows("ALTER ROLE queue RESET datestyle")
    server.rows("DROP SCHEMA public CASCADE")
    server.rows("CREATE SCHEMA public")
    found = Queue(server, folder, environment)
    assert set_up(Database(server.conninfo))
    try:
        yield found
    finally:
        for one in found.workers:
            one.kill()
        # What a stand-in for a slice waits for.
        for file in folder.glob("hold *"):
            file.unlink()
