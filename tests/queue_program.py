"""`smtp-auth` with the queue's short times, and slices of one host: `python -m tests.queue_program WORDS…`.

If `STAND_IN` is set, a stand-in carries out the slices (tests/unit/rollout/stand_in_slice.py).
"""

import os
import sys

from smtp_auth import cli
from smtp_auth.rollout.queue import process, rows, slicing, worker
from tests.unit.rollout import stand_in_slice

rows.STALE = 3
rows.MOST_HOSTS = 1
slicing._PAUSE = 0.2
worker._DEAD, worker._BEAT, worker._LOOKS, worker._AGAIN, worker._PAUSE = 3.0, 1.0, "* * * * * */1", 1, 0.2
worker._PATIENCE = 1.0
if "STAND_IN" in os.environ:
    process.PROGRAM = (sys.executable, stand_in_slice.__file__)

if __name__ == "__main__":
    sys.exit(cli.main())
