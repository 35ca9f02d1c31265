"""Changes killed at system calls, on booted hosts of both releases: a part of `make faults`, drawn anew.

FAULTS_SEED in the environment draws the same again: a start and a change, and where it is killed.
"""

import random
from collections.abc import Callable

import pytest

from lab.lab import Lab
from tests.faults.booted import CASES, booted
from tests.faults.matrix import Results, drawn, seed, trials_of, try_all
from tests.fleet.conftest import FLEET

pytestmark = pytest.mark.lab

# On each release. They take half a minute, and what is before them as long.
TRIALS = 12


def test_a_kill_at_a_drawn_system_call_is_survived(
    lab: Lab, measured: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    word, results = seed(), Results(None)
    case = random.Random(word).choice([*CASES])
    with capsys.disabled():
        print(f"\nFAULTS_SEED={word}")
    with booted(lab, FLEET, [case]) as benches:
        for bench in {bench.where: bench for bench in benches}.values():
            trials = trials_of(bench)
            # Fewer would mean that some are not counted.
            assert len(trials) > 60
            try_all(
                [one for one in benches if one.where == bench.where], drawn(trials, word, TRIALS), results
            )
    for line in results.table():
        measured(line)
    assert results.broken() == {}, f"the same again: FAULTS_SEED={word}"
