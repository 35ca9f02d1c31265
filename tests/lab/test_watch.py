"""A lab does not outlive the program that it was booted for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.command import LabError, wait_until
from lab.fixtures import ROOT
from lab.watch import is_down, watched

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root takes a lab down")

PROGRAM = """
import pathlib, sys
from lab.watch import is_down, watched
with watched(pathlib.Path(sys.argv[1])):
    print("inside", flush=True)
    sys.stdin.read()
"""


def lab_of(root: Path) -> Path:
    """The folder of a lab that has no hosts."""
    (root / ".lab").mkdir()
    return root / ".lab"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_it_is_taken_down_when_the_program_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    folder = lab_of(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, number)
    wait_until(lambda: not folder.exists(), "the end of the lab")


def test_whoever_leaves_in_order_takes_it_down_themselves(tmp_path: Path) -> None:
    folder = lab_of(tmp_path)
    with watched(tmp_path):
        pass
    assert folder.exists()


def test_after_an_exception_it_is_taken_down(tmp_path: Path) -> None:
    folder = lab_of(tmp_path)
    with pytest.raises(KeyboardInterrupt), watched(tmp_path):
        raise KeyboardInterrupt
    wait_until(lambda: not folder.exists(), "the end of the lab")


def test_what_uses_the_lab_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = iter([LabError("target is busy"), OSError("device or resource busy"), None])

    def down(_lab: object) -> None:
        if trouble := next(busy):
            raise trouble

    monkeypatch.setattr("lab.watch.Lab.down", down)
    assert [is_down(tmp_path) for _ in range(3)] == [False, False, True]
