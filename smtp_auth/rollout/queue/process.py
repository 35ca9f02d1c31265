"""The process of `smtp-auth` that a job starts: its words, and what it is told to do by signals.

Nothing of its words is from the database, but for the numbers of wave and shard.
"""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from typing import IO

# The same program, from the same place.
PROGRAM: tuple[str, ...] = (sys.executable, "-P", "-m", "smtp_auth.cli")

_PR_SET_PDEATHSIG = 1

# Loaded here, so that a child has nothing to load: it never gets a lock that another thread had at the fork.
_libc = ctypes.CDLL(None)


async def started(words: Sequence[str], *files: IO[str]) -> Process:
    """Start `smtp-auth` with these words. Its output is this worker's. + files: those that it finds, too

    Ctrl-C reaches the worker alone. If the worker is killed, the process gets SIGINT: it waits for the
    changes under way, and begins no other.
    """
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *words,
        stdin=DEVNULL,
        start_new_session=True,
        pass_fds=[one.fileno() for one in files],
        preexec_fn=_as_child_of(os.getpid()),
        # It has no business in the database.
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )


def path_of(file: IO[str]) -> str:
    """Where a process that is started with a file finds it.

    The file needs no name: then nothing is left of it, whoever is killed, and whichever process ends last.
    """
    return f"/proc/self/fd/{file.fileno()}"


def interrupt(process: Process) -> None:
    """Let a process begin nothing new."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)


def _as_child_of(worker: int) -> Callable[[], None]:
    # Only system calls and what is loaded already: the worker has threads, and a fork copies this one alone.
    def prepare() -> None:
        # A shell lets a program in the background ignore it, and so its children.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != worker:
            # Killed before it could be told.
            os._exit(1)

    return prepare
