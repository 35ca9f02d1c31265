"""Faults at system calls of a change, on a folder that stands for a host: a part of `make faults`.

A sample is drawn anew each time; FAULTS_SEED in the environment draws the same again.
"""

from pathlib import Path

import pytest

from tests.faults.folder import FolderBench
from tests.faults.matrix import KILL, Case, Results, drawn, seed, trials_of, try_all

# Half a minute of them.
TRIALS = 200


@pytest.mark.every_case
def test_a_fault_at_a_drawn_system_call_is_survived(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word, results = seed(), Results(None)
    with capsys.disabled():
        print(f"\nFAULTS_SEED={word}")
    benches = [FolderBench(tmp_path / str(number)) for number in range(2)]
    trials = trials_of(benches[0])
    # Fewer would mean that some are not counted.
    assert len(trials) > 5000
    try_all(benches, drawn(trials, word, TRIALS), results)
    assert results.broken() == {}, f"the same again: FAULTS_SEED={word}"


def test_an_earlier_version_that_the_disk_does_not_show_at_once_is_restored(tmp_path: Path) -> None:
    bench, results = FolderBench(tmp_path), Results(None)
    trials = [
        trial
        for trial in trials_of(bench, [Case("adopted", "dies"), Case("deployed", "dies")])
        if trial.fault != KILL and "stat" in trial.call.name and "smtp-auth-old" in trial.call.path
    ]
    assert {trial.case for trial in trials} == {Case("adopted", "dies"), Case("deployed", "dies")}
    try_all([bench], trials, results)
    assert results.broken() == {}
