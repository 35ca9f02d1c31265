"""Processes that continue after the program that started them, and are never confused with others.

There are two handles. A `Process` is a pid with its start time: it can tell whether that process runs, and
signals only that process, even if the kernel has given the pid to another one. A `Cgroup` contains a process
with everything that it ever starts, so that killing the group leaves no process.

The lab's hosts need cgroups of their own for another reason, too: systemd-nspawn places a host below the
cgroup in which it was called, always under the same name. Two hosts started from one cgroup would share that
place, and `systemctl stop` in one host would stop processes of the other.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.command import LabError, environment, wait_until


@dataclass(frozen=True)
class Process:
    """One process. Later, another process may get the same pid; the start time distinguishes them."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this pid now."""
        start = _start_time(pid)
        if start is None:
            raise LabError(f"process {pid} exited as soon as it was started")
        return cls(pid, start)

    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        return _start_time(self.pid) == self.start

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process only; do nothing if it has exited."""
        with contextlib.suppress(ProcessLookupError):
            # The descriptor belongs to one process, so the signal reaches the process that was compared.
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)

    def children(self) -> "list[Process]":
        """Its running children."""
        if not self.alive():
            return []
        try:
            pids = [int(pid) for pid in _proc(self.pid, f"task/{self.pid}/children").split()]
        except OSError:
            return []
        starts = {pid: _start_time(pid) for pid in pids}
        return [Process(pid, start) for pid, start in starts.items() if start is not None]


def _proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text(errors="replace")


def _start_time(pid: int) -> int | None:
    try:
        # The command's name is in parentheses and may contain anything.
        fields = _proc(pid, "stat").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_init_of_namespace(pid: int) -> bool:
    """Whether a process is number 1 of a pid namespace of its own: a host's systemd."""
    try:
        status = _proc(pid, "status")
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1" and _start_time(pid) is not None


def hierarchies() -> list[Path]:
    """Where cgroups are mounted: version 2, and systemd's own version 1 tree if it is mounted.

    On a machine with both (hybrid mode) nspawn expects a host to be at the same place in both.
    The first is version 2, which alone can kill a group at once.
    """
    unified: list[Path] = []
    named: list[Path] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        mount = Path(before.split()[4])
        if kind == "cgroup2":
            unified.append(mount)
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            named.append(mount)
    if not unified:
        raise LabError("the lab needs a mounted cgroup version 2 hierarchy on this machine")
    return [unified[0], *named[:1]]


@dataclass(frozen=True)
class Cgroup:
    """A named group of processes, with all that they start: `mlab7/mail1.example.jp`."""

    name: str

    def paths(self) -> list[Path]:
        """Where the group is in each hierarchy."""
        return [tree / self.name for tree in hierarchies()]

    def start(
        self, argv: Sequence[str], output: Path, env: dict[str, str], inherit: Sequence[int] = ()
    ) -> "subprocess.Popen[bytes]":
        """Start a program in this group, detached from the terminal, its output in a file."""
        files = []
        for path in self.paths():
            path.mkdir(parents=True, exist_ok=True)
            files.append(str(path / "cgroup.procs"))
        # The shell moves itself into the group before it becomes the program, so nothing starts outside.
        enter = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@"'
        with output.open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", enter, "sh", *files, "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment() | env,
                start_new_session=True,
                pass_fds=tuple(inherit),
            )

    def kill(self) -> None:
        """Kill every process of the group, wait until all have exited, and remove the group."""
        unified = self.paths()[0]
        if unified.is_dir():
            (unified / "cgroup.kill").write_text("1")
            wait_until(lambda: not self.populated(), f"the end of the processes in {unified}")
        for path in self.paths():
            wait_until(partial(_remove, path), f"the removal of {path}")

    def populated(self) -> bool:
        """Whether a process of the group is left."""
        try:
            return "populated 1" in (self.paths()[0] / "cgroup.events").read_text()
        except OSError:
            return False


def _remove(path: Path) -> bool:
    # A group whose last process is a zombie, not yet reaped by its parent, stays busy for a moment.
    if not path.exists():
        return True
    try:
        for entry in path.iterdir():
            if entry.is_dir() and not _remove(entry):
                return False
        path.rmdir()
    except OSError:
        return not path.exists()
    return True
