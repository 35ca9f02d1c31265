"""`smtp-auth` with the queue's short times, and slices of one host: `python -m tests.queue_program WORDS…`.

If `STAND_IN` is set, a stand-in carries out the slices (tests/unit/rollout/stand_in_slice.py).
"""

import errno
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from smtp_auth import cli
from smtp_auth.rollout.queue import process, rows, slicing, worker

rows.STALE = 3
rows.MOST_HOSTS = 1
slicing._PAUSE = 0.2
worker._DEAD, worker._BEAT, worker._LOOKS, worker._AGAIN, worker._PAUSE = 3.0, 1.0, "* * * * * */1", 1, 0.2
worker._PATIENCE = 1.0
if "STAND_IN" in os.environ:
    process.PROGRAM = (sys.executable, "-m", "tests.unit.rollout.stand_in_slice")


_temporary_file = tempfile.TemporaryFile


def _file(*given: Any, **named: Any) -> Any:
    """A temporary file, for which no space is left while the file `full` exists."""
    if Path(os.environ.get("STAND_IN", "."), "full").exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return _temporary_file(*given, **named)


slicing.tempfile.TemporaryFile = _file

if __name__ == "__main__":
    sys.exit(cli.main())
