"""One run of one program: how long it took, and what it cost the controller."""

import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from bench.fleet import ROOT

_PR_SET_CHILD_SUBREAPER = 36
_TIME_LIMIT = 900


class RunError(Exception):
    """A run failed, or did not do its work; the message says how."""


@dataclass(frozen=True)
class Run:
    """What one run took.

    + seconds: from start to end, the time that an administrator waits
    + cpu: processor seconds of the program and of everything that it started on the controller
    + memory: the peak of all these processes together, in bytes (PSS); 0 if it was not sampled
    """

    seconds: float
    cpu: float
    memory: int
    output: str


def run(argv: list[str], env: dict[str, str], sample_memory: bool) -> Run:
    """Run a program until it exits, then stop the processes that it has left running.

    + sample_memory: also watch its memory, which itself takes time

    Raises `RunError` if the program fails.
    """
    # In a new process, so that all children that it counts belong to the program.
    order = json.dumps({"argv": argv, "env": env, "sample_memory": sample_memory})
    runner = [sys.executable, "-m", "bench.measure"]
    done = subprocess.run(runner, input=order, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    status, *taken = json.loads(done.stdout)
    found = Run(*taken)
    if status != 0:
        end = "\n".join(found.output.splitlines()[-40:])
        raise RunError(f"status {status} from {' '.join(argv)}:\n{end}")
    return found


def _run_here(argv: list[str], env: dict[str, str], sample_memory: bool) -> tuple[int, Run]:
    # Ansible's ssh connections stay open after it exits (ControlPersist). They become children of this
    # process, which stops them and counts their processor time: prctl(2), PR_SET_CHILD_SUBREAPER.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.perf_counter()
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    sampler = _Sampler(process.pid) if sample_memory else None
    output = _Output(process)
    try:
        process.wait(_TIME_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    seconds = time.perf_counter() - started
    memory = sampler.stop() if sampler else 0
    _end_orphans()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process.returncode, Run(seconds, usage.ru_utime + usage.ru_stime, memory, output.text())


class _Output:
    """Reads what a process writes. Programs that it left running may keep the pipe open after it exits."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._text = ""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def text(self) -> str:
        """All output; waits until the pipe is closed."""
        self._thread.join()
        return self._text

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._text = self._process.stdout.read()


def _end_orphans() -> None:
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = [int(child) for child in children.read_text().split()]
        except OSError:
            continue
        for child in pids:
            found += [child, *_descendants(child)]
    return found


class _Sampler:
    """Watches the memory of a process with all its descendants, from start to stop."""

    _EVERY = 0.05

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        """The peak in bytes."""
        self._end.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._end.wait(self._EVERY):
            everyone = [self._pid, *_descendants(self._pid)]
            self._peak = max(self._peak, sum(map(_proportional_set_size, everyone)))


def _proportional_set_size(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    status, taken = _run_here(**json.load(sys.stdin))
    print(json.dumps([status, *astuple(taken)]))
