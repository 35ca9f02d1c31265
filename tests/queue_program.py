"""`smtp-auth` with the queue's short times, and slices of one host: `python -m tests.queue_program WORDS…`.

If `STAND_IN` is set, a stand-in carries out the slices (tests/unit/rollout/stand_in_slice.py). `STALE` has
the seconds after which a worker is taken for dead.
"""

import errno
import os
import sys
import tempfile
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

from smtp_auth import cli
from smtp_auth.rollout.queue import keeping, process, rows, slicing, worker

rows.STALE = int(os.environ.get("STALE", "3"))
rows.MOST_HOSTS = 1
slicing._PAUSE = keeping._PAUSE = 0.2
worker._DEAD, worker._BEAT, worker._PATIENCE = float(rows.STALE), 1.0, 1.0
worker._LOOKS, worker._AGAIN, worker._PAUSE = "* * * * * */1", 1, 0.2
if "STAND_IN" in os.environ:
    process.PROGRAM = (sys.executable, "-m", "tests.unit.rollout.stand_in_slice")


class _Clock(datetime):
    """A clock that is fast by the seconds of `CLOCK`, or slow."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(seconds=float(os.environ.get("CLOCK", "0")))


worker.datetime = _Clock  # type: ignore[misc]

_temporary_file = tempfile.TemporaryFile


def _file(*given: Any, **named: Any) -> Any:
    """A temporary file, for which no space is left while the file `full` exists."""
    if Path(os.environ.get("STAND_IN", "."), "full").exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return _temporary_file(*given, **named)


slicing.tempfile.TemporaryFile = _file

if __name__ == "__main__":
    sys.exit(cli.main())
