"""Takes a lab down when the program that booted it is gone, even if that was killed.

python3 -m lab.watch CHECKOUT    waits for the end of its standard input, which that program holds
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import LabError, wait_until
from lab.lab import Lab

# Seconds for the processes of a program that was killed to end.
_PATIENCE = 60


@contextmanager
def watched(root: Path) -> Iterator[None]:
    """Inside a `with`, the lab of a checkout is this program's: it does not outlive it.

    Whoever leaves the `with` in order has taken the lab down; after an exception, that is done for them.
    """
    watch = subprocess.Popen(
        [sys.executable, "-m", "lab.watch", str(root)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A terminal's Ctrl-C does not reach it.
        start_new_session=True,
    )
    assert watch.stdin is not None
    try:
        yield
    except BaseException:
        watch.stdin.close()
        raise
    watch.kill()
    watch.wait()
    watch.stdin.close()


def is_down(root: Path) -> bool:
    """Take down the lab of a checkout; whether that was possible.

    What the killed program had started may still run for a moment, and use what has to be removed.
    """
    try:
        Lab(root).down()
    except (LabError, OSError):
        return False
    return True


if __name__ == "__main__":
    sys.stdin.read()
    wait_until(lambda: is_down(Path(sys.argv[1])), "the lab is down", _PATIENCE)
