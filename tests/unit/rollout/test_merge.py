"""`smtp-auth merge`: what it says, writes, and ends with."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.fleet.written import Target
from smtp_auth.rollout import plan_file, report
from smtp_auth.rollout.judging import WrongSlices
from smtp_auth.rollout.merge_command import merge
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.slices import Slice
from tests.unit.rollout.plans import plan_of, report_of

SMTP_AUTH = Path(sys.executable).parent / "smtp-auth"

PLAN = plan_of([(1, "tokyo"), (2, "tokyo"), (2, "tokyo")])


class Files:
    """The files of a run. + folder: where they are"""

    def __init__(self, folder: Path, plan: RolloutPlan) -> None:
        self.folder, self.plan = folder, str(folder / "plan.json")
        self._of = plan
        Path(self.plan).write_text("\n".join(plan_file.lines(plan)))

    def report(self, part: Slice, **others: Any) -> str:
        """The report of a slice. + others: what is different of its hosts"""
        file = self.folder / f"{part}.json".replace("/", "-")
        file.write_text("\n".join(report.lines(report_of(self._of, part, **others))))
        return str(file)

    def merge(self, wave: int, *parts: str, earlier: str | None = None) -> tuple[int, str]:
        """Merge reports. Returns the exit status and the file of the merged one."""
        file = str(self.folder / f"merged{wave}.json")
        return merge(self.plan, wave, earlier, parts, Target("--json", file)), file


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, PLAN)


def test_waves_are_merged_one_after_the_other(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    status, first = files.merge(1, files.report(Slice(1)))
    assert (status, capsys.readouterr().out) == (0, "1 host: 1 changed and verified\nwave 2 may begin\n")
    parts = [files.report(Slice(2, None, shard, 2)) for shard in (1, 2)]
    status, second = files.merge(2, *parts, earlier=first)
    assert (status, capsys.readouterr().out) == (
        0,
        "3 hosts: 3 changed and verified\nwave 2 was the last one\n",
    )
    assert [*report.read("", second).hosts] == [*PLAN.hosts]


def test_a_wave_that_failed_stops_it_and_its_report_is_written(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    found = files.report(Slice(1), verified=False, reasons=("port 465 is closed",))
    status, first = files.merge(1, found)
    printed = capsys.readouterr().out
    assert status == 1
    assert "host0: changed, does not verify: port 465 is closed\n" in printed
    assert "stopped: 1 host failed or did not verify, and the plan accepts none: host0\n" in printed
    assert "may begin" not in printed
    assert report.read("", first).failures == 1


@pytest.mark.parametrize("wave", [1, 2])
def test_after_the_last_wave_a_failure_that_the_plan_accepts_is_one(tmp_path: Path, wave: int) -> None:
    files = Files(tmp_path, replace(PLAN, most_failures=1))
    failed = {"state": "refused", "outcome": "refused", "verified": None}
    status, first = files.merge(1, files.report(Slice(1), **(failed if wave == 1 else {})))
    assert status == 0
    parts = [
        files.report(Slice(2, None, 1, 2), **(failed if wave == 2 else {})),
        files.report(Slice(2, None, 2, 2)),
    ]
    assert files.merge(2, *parts, earlier=first)[0] == 1


def test_after_the_last_wave_a_host_that_had_none_counts(tmp_path: Path) -> None:
    lost = PlannedHost(HostPlan(State.UNREACHABLE), None, None)
    files = Files(tmp_path, replace(PLAN, hosts={**PLAN.hosts, "lost": lost}))
    status, first = files.merge(1, files.report(Slice(1)))
    assert status == 0
    assert files.merge(2, files.report(Slice(2)), earlier=first)[0] == 1


def test_json_on_standard_output_is_alone_there(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert merge(files.plan, 1, None, [files.report(Slice(1))], Target("--json", "-")) == 0
    printed = capsys.readouterr()
    assert report.report_in(printed.out).hosts.keys() == {"host0"}
    assert "wave 2 may begin" in printed.err


def test_a_file_that_is_given_twice_is_refused(files: Files) -> None:
    part = files.report(Slice(1))
    with pytest.raises(WrongSlices, match="this file is given twice"):
        files.merge(1, part, part)


def test_nothing_is_written_of_wrong_slices(files: Files) -> None:
    with pytest.raises(WrongSlices, match="the merged report of wave 1 is missing"):
        files.merge(2, files.report(Slice(2)))
    assert not (files.folder / "merged2.json").exists()


def test_it_is_a_command_without_an_inventory(files: Files) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([SMTP_AUTH, "merge", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    words = ("--plan", files.plan, "--wave", "1")
    assert run(*words, files.report(Slice(1)))[:2] == (
        0,
        "1 host: 1 changed and verified\nwave 2 may begin\n",
    )
    assert run(*words, files.report(Slice(1), state="refused"))[0] == 1
    status, printed, complained = run(*words, files.plan)
    none = "this is no report of smtp-auth rollout --json or smtp-auth merge --json"
    assert (status, printed, complained) == (2, "", f"{files.plan}: {none}\n")
    status, _, complained = run(*words, files.report(Slice(1)), "--inventory", "inventory.py")
    assert (status, complained) == (2, "--inventory is no option: see --help\n")
