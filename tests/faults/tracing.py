"""How a fault is made with strace: in the change's own process, or in one of its children.

strace counts the calls of each process by itself, and a child's from its start. So the process that has the
fault is the only one that is traced; of a child, a stand-in in front of the PATH does that. If a child is
killed, its parent is killed with it: the whole change dies at that call. Only calls with the path count: how
often a process reads a pipe, or looks at another process, is not always the same.
"""

import shlex
from pathlib import Path

from tests.faults.calls import KILL, TRACED, Call

LOG = "trace"

# Counts the calls of its command. At the chosen one, the fault is in the command.
_STAND_IN = """#!/bin/sh
folder={folder} name=${{0##*/}}
PATH=${{PATH#*:}}
printf . >>"$folder/calls"
read -r calls <"$folder/calls"
[ "${{#calls}}" = {number} ] || exec "$name" "$@"
{strace} "$name" "$@"
status=$?
{then}
exit $status
"""


def recording(folder: str) -> list[str]:
    """What stands before a command whose calls, and those of its children, are written to `folder`/trace."""
    return ["strace", "-f", "-q", "-y", "-s", "0", "-e", f"trace={TRACED}", "-o", f"{folder}/{LOG}"]


def injecting(folder: str, call: Call, fault: str) -> list[str]:
    """What stands before a command that has a fault at a call."""
    how = "signal=KILL" if fault == KILL else f"error={fault}"
    inject = f"{call.name}:{how}:when={call.number}"
    which = ["-P", call.path, "-e", f"trace={call.name}", "-e", f"inject={inject}"]
    return ["strace", "-q", "-y", "-s", "0", *which, "-o", f"{folder}/{LOG}"]


def prepare(folder: Path, inside: str, call: Call, fault: str) -> list[str]:
    """Get everything ready for a fault; returns what stands before the command of the change.

    + folder: an empty folder; + inside: its path as the change sees it. Its folder `bin` is first in the PATH
    """
    (folder / "bin").mkdir(parents=True)
    (folder / "calls").touch()
    if call.process == "change":
        return injecting(inside, call, fault)
    command, number = call.process.split()
    stand_in = folder / "bin" / command
    then = "kill -KILL $PPID" if fault == KILL else ":"
    strace = shlex.join(injecting(inside, call, fault))
    stand_in.write_text(_STAND_IN.format(folder=inside, number=number, strace=strace, then=then))
    stand_in.chmod(0o755)
    return []


def was_hit(folder: Path, call: Call, fault: str) -> bool:
    """Whether the fault has happened, at the call that was meant."""
    path = folder / LOG
    if not path.exists():
        return False
    lines = path.read_text().splitlines()
    if fault == KILL:
        hit = len(lines) > 1 and lines[-1] == "+++ killed by SIGKILL +++"
        return hit and lines[-2].startswith(f"{call.name}(")
    return sum("(INJECTED)" in line for line in lines) == 1
