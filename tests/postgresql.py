"""A PostgreSQL of its own for tests: on a UNIX socket, in a temporary folder, as an unprivileged user."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from lab.command import LabError
from tests.processes import WITH_THE_TESTS, wait_for

# Debian's user, which its package makes.
_USER = "postgres"


class PostgreSQL:
    """A server that can be stopped and started.

    + folder: its data and its socket
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        assert found, "PostgreSQL is missing: make lab-requirements installs it"
        self._programs = found[-1].parent
        self._as_user = []
        if os.geteuid() == 0:
            shutil.chown(folder, _USER, _USER)
            self._as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
        options = ["--encoding=UTF8", "--auth=trust", "--username=queue", "--no-sync", "--no-locale"]
        subprocess.run(
            [*self._as_user, *self._program("initdb"), *options],
            cwd="/",
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    @property
    def conninfo(self) -> str:
        """What `--database` takes."""
        return f"host={self._folder} user=queue dbname=postgres"

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return self._folder / ".s.PGSQL.5432"

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self._process and self._process.poll() is None:
            return
        options = ["-k", str(self._folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, *WITH_THE_TESTS, *self._program("postgres"), *options],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C is for the tests, which stop it.
                start_new_session=True,
            )
        try:
            wait_for(self._answers, "PostgreSQL answers")
        except LabError as error:
            raise LabError(f"{error}: {(self._folder / 'log').read_text()}") from None

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.conninfo).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop it, as a failure of its machine would: no client is waited for."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=60)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The rows of an answer."""
        with psycopg.connect(self.conninfo) as connection:
            found = connection.execute(query.encode())
            return found.fetchall() if found.description else []

    def _program(self, name: str) -> list[str]:
        return [str(self._programs / name), "-D", str(self._folder / "data")]


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server that runs inside the `with`. Afterwards, nothing of it is left."""
    # pytest's own folders may be entered by nobody else, and the path of a socket has a limit.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        found = PostgreSQL(Path(folder))
        try:
            found.start()
            yield found
        finally:
            found.stop()
