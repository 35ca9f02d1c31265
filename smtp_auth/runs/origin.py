"""Who makes the changes of this run, from where, and with which version of this program and its data."""

import getpass
import re
import secrets
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock

from smtp_auth import __version__
from smtp_auth.on_host.origin import Origin

_ROOT = Path(__file__).parents[2]

_ID = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-[0-9a-f]{4}", re.ASCII)

# Many hosts ask at the same time, and other threads run while git works.
_lock = Lock()

# The ID of the run that is continued, if it is not this one's own.
_continued: list[str] = []


def origin_of_this_run() -> Origin:
    """The origin of the changes of this run, the same on all its hosts."""
    with _lock:
        return replace(_origin(), id=_continued[-1]) if _continued else _origin()


def continue_run(run: str) -> None:
    """From now on, make changes as part of this run. + run: its ID, of an earlier process for example"""
    _continued.append(run)


def is_run_id(value: object) -> bool:
    """Whether a value is the ID of a run, as `new_run` makes them."""
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def new_run() -> str:
    """The ID of a new run."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}-{secrets.token_hex(2)}"


@cache
def _origin() -> Origin:
    return Origin(new_run(), f"{_user()}@{socket.gethostname()}", _commit())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A user ID without a name, as in some containers.
        return "unknown"


def _commit() -> str:
    if not (_ROOT / "deploy.py").is_file():
        # In an installed package, a surrounding repository is not ours.
        return __version__
    # One call for the commit and the edits, because every host waits for it: git-status(1), "Porcelain Format
    # Version 2".
    command = ("git", "-C", str(_ROOT), "status", "--porcelain=v2", "--branch")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    lines = done.stdout.splitlines()
    head = next((line.split()[-1][:12] for line in lines if line.startswith("# branch.oid ")), "unknown")
    return head if all(line.startswith("# ") for line in lines) else f"{head} dirty"
