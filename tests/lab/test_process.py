"""Start times distinguish processes, and killing a cgroup kills all processes in it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab.command import wait_until
from lab.process import Cgroup, Process


def test_a_pid_with_another_start_time_is_not_signalled() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        real = Process.of(child.pid)
        stranger = Process(real.pid, real.start + 1)
        assert not stranger.alive()
        stranger.signal(signal.SIGKILL)
        assert real.alive()
        real.signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert not real.alive()
        real.signal(signal.SIGKILL)


@pytest.mark.lab
def test_a_cgroup_ends_with_all_that_it_started(tmp_path: Path) -> None:
    group = Cgroup(f"mlab-test-{os.getpid()}/part")
    try:
        # The shell exits at once and leaves its child behind.
        group.start(["sh", "-c", "setsid sleep 60 & echo $! ; exit"], tmp_path / "out", {})
        wait_until(lambda: (tmp_path / "out").read_text().endswith("\n"), "the child's pid")
        orphan = Process.of(int((tmp_path / "out").read_text()))
        assert orphan.alive()
        group.kill()
        assert not orphan.alive()
        assert not group.populated()
    finally:
        Cgroup(group.name.partition("/")[0]).kill()
    assert not any(path.parent.exists() for path in group.paths())
