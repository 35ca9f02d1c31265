"""How much memory a program needs.

The kernel counts what a process was before it became another program (getrusage(2), `ru_maxrss`): that of a
child of pytest, which may be hundreds of megabytes. So a small process starts it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

_START = """
import os, sys
file, *words = sys.argv[1:]
_, status, used = os.wait4(os.posix_spawnp(words[0], words, os.environ), 0)
with open(file, "w") as written:
    written.write(str(used.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(words: Sequence[str | Path], file: Path) -> list[str]:
    """The words of a command that runs another one, with its exit status. + file: gets what `peak` reads"""
    return [sys.executable, "-I", "-S", "-c", _START, str(file), *map(str, words)]


def peak(file: Path) -> int:
    """The most memory that the program has had, in KiB."""
    return int(file.read_text())
