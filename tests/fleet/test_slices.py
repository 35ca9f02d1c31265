"""Waves in eight slices each, by GNU parallel: interrupted and resumed, they are as one run."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import pytest

from lab import Lab, LabHost
from tests.fleet.commands import SMTP_AUTH, command_line
from tests.fleet.conftest import Several
from tests.fleet.deploying import ROOT, data_of, side_by_side
from tests.fleet.test_in_the_middle import CHANGE_BEGUN, DPKG, HELD, locked
from tests.fleet.test_rollout import RENEWS_NO_MORE
from tests.fleet.test_undo import live
from tests.processes import wait_for

pytestmark = pytest.mark.lab

_SHARDS = range(1, 9)


class Slices:
    """The slices of a wave as jobs of GNU parallel. + words: of the rollout; + folder: gets the reports"""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self._words, self._folder = words, folder

    def of(self, wave: int, *options: str) -> list[str]:
        """The command that carries out a wave. + options: further ones of parallel"""
        part = ["--wave", str(wave), "--shard", f"{{}}/{len(_SHARDS)}"]
        reports = ["--json", str(self._folder / f"{wave}-{{}}.json")]
        return [
            *("parallel", "--jobs", "2", "--termseq", "TERM,600000,KILL,25"),
            *("--joblog", str(self._log(wave)), *options),
            *(*self._words, *part, *reports, ":::", *map(str, _SHARDS)),
        ]

    def run(self, wave: int, *options: str) -> int:
        """Carry out a wave. Returns how many slices failed."""
        return subprocess.run(self.of(wave, *options), cwd=ROOT, stdin=DEVNULL, timeout=900).returncode

    def statuses(self, wave: int) -> dict[str, int]:
        """With which status each slice ended last, by its command."""
        log = self._log(wave)
        lines = log.read_text().splitlines()[1:] if log.exists() else []
        return {columns[8]: int(columns[6]) for columns in (line.split("\t") for line in lines)}

    def reports(self, wave: int) -> list[Path]:
        """The reports of a wave's slices."""
        return [self._folder / f"{wave}-{shard}.json" for shard in _SHARDS]

    def _log(self, wave: int) -> Path:
        return self._folder / f"{wave}.log"


def _merge(*words: str | Path) -> int:
    return subprocess.run([SMTP_AUTH, "merge", *words], cwd=ROOT, stdout=PIPE, timeout=900).returncode


def _hosts(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["hosts"]
    return found


def _kill(session: int) -> None:
    """Kill every process of a session: what it has started, too."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if os.getsid(int(folder.name)) == session:
                    os.kill(int(folder.name), signal.SIGKILL)
            except ProcessLookupError:
                continue


def test_eight_slices_of_each_wave_are_one_run(several: Several, tmp_path: Path) -> None:
    first, last = several.hosts[0], several.hosts[-1]
    last.run(RENEWS_NO_MORE)
    names = ("plan.json", "one.json", "merged.json", "whole.json")
    plan, one, merged, whole = (tmp_path / name for name in names)
    options = ("--out", str(plan), "--waves", "100%", "--max-failures", "1")
    with command_line("plan", several.hosts, *options, data=several.data) as words:
        subprocess.run(words, cwd=ROOT, check=True, stdout=PIPE, timeout=900)
    waves = Counter(host["wave"] for host in _hosts(plan).values())
    # Not all hosts of a domain at once.
    assert [*waves] == [1, 2]

    with command_line("rollout", several.hosts, "--plan", str(plan), "--yes", data=several.data) as words:
        slices = Slices(words, tmp_path)
        with (
            locked(first, DPKG),
            Popen(slices.of(1), cwd=ROOT, stdin=DEVNULL, start_new_session=True) as jobs,
        ):
            wait_for(lambda: len(slices.statuses(1)) > 1, "two slices that are done")
            _kill(jobs.pid)
            first.run(f"rm {HELD}")
        # Its first slice was under way.
        assert 0 < len(slices.statuses(1)) < len(_SHARDS)
        assert _merge("--plan", plan, "--wave", "1", *(one for one in slices.reports(1) if one.exists())) == 2
        assert slices.run(1, "--resume-failed") == 0
        assert [*slices.statuses(1).values()] == [0] * len(_SHARDS)
        assert _merge("--plan", plan, "--wave", "1", "--json", merged, *slices.reports(1)) == 0

        # One failure is accepted.
        assert slices.run(2) == 1
        judging = ("--plan", plan, "--wave", "2", "--earlier", merged)
        # As of one run: it was the last wave, and a host has failed.
        assert _merge(*judging, "--json", whole, *slices.reports(2)) == 1
        # A report that has to be judged again is not replaced.
        assert _merge(*judging, "--json", merged, *slices.reports(2)) == 2

        for wave in waves:
            told = Counter(name for report in slices.reports(wave) for name in _hosts(report))
            assert told == Counter(
                dict.fromkeys((name for name, host in _hosts(plan).items() if host["wave"] == wave), 1)
            )
        run = json.loads(plan.read_text())["run"]
        assert {tuple(live(host)) for host in several.hosts} == {(run,)}

        side_by_side(LabHost.reset, several.hosts)
        last.run(RENEWS_NO_MORE)
        done = subprocess.run([*words, "--json", one], cwd=ROOT, stdin=DEVNULL, stdout=PIPE, timeout=900)
        assert done.returncode == 1
    assert [*_hosts(whole).items()] == [*_hosts(one).items()]
    assert [name for name, host in _hosts(one).items() if not host["verified"]] == [last.name]


def test_a_slice_that_parallel_ends_waits_for_its_change(
    lab: Lab, stock: list[LabHost], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    for host in stock:
        with command_line("plan", [host], "--out", str(plan), data=data_of(lab)) as words:
            subprocess.run(words, cwd=ROOT, check=True, stdout=PIPE, timeout=900)
        folder = tmp_path / host.name
        folder.mkdir()
        with (
            command_line("rollout", [host], "--plan", str(plan), "--yes", data=data_of(lab)) as words,
            locked(host, DPKG),
            Popen(Slices(words, folder).of(1), cwd=ROOT, stdin=DEVNULL, start_new_session=True) as jobs,
        ):
            begun = partial(host.run, CHANGE_BEGUN, check=False)
            wait_for(lambda: begun().returncode == 0, "the change begins")  # noqa: B023
            jobs.terminate()
            host.run(f"rm {HELD}")
            jobs.wait(timeout=300)
        assert {name: one["outcome"] for name, one in _hosts(folder / "1-1.json").items()} == {
            host.name: "changed"
        }
