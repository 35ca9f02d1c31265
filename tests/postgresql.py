"""A PostgreSQL of its own for tests: on a UNIX socket, in a temporary folder, as an unprivileged user."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

# Debian's user, which its package makes.
_USER = "postgres"


class PostgreSQL:
    """A server that can be stopped and started.

    + folder: its data and its socket
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        assert found, "PostgreSQL is missing: make lab-requirements installs it"
        self._programs = found[-1].parent
        self._as_user = []
        if os.geteuid() == 0:
            shutil.chown(folder, _USER, _USER)
            self._as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
        self._run(
            "initdb",
            "--encoding=UTF8",
            "--auth=trust",
            "--username=queue",
            "--no-sync",
            "--no-instructions",
            "--no-locale",
        )

    @property
    def conninfo(self) -> str:
        """What `--database` takes."""
        return f"host={self._folder} user=queue dbname=postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self._folder} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "start", "--wait", "--log", str(self._folder / "log"), "--options", options)

    def stop(self) -> None:
        """Stop it, as a failure of its machine would: no client is waited for."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The rows of an answer."""
        with psycopg.connect(self.conninfo) as connection:
            found = connection.execute(query.encode())
            return found.fetchall() if found.description else []

    def _run(self, program: str, *words: str) -> None:
        # A server that is started keeps the standard output of who has started it.
        subprocess.run(
            [*self._as_user, str(self._programs / program), "--pgdata", str(self._folder / "data"), *words],
            cwd="/",
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server that runs inside the `with`. Afterwards, nothing of it is left."""
    # pytest's own folders may be entered by nobody else, and the path of a socket has a limit.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = PostgreSQL(Path(folder))
        server.start()
        try:
            yield server
        finally:
            if (Path(folder) / "data/postmaster.pid").exists():
                server.stop()
