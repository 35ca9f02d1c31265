"""What a plain pytest leaves out runs in `make test`, and what that leaves out runs in `make test-all`."""

import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import SAMPLED, is_taken

ROOT = Path(__file__).parents[2]

CUTS, HISTORIES = "tests/unit/on_host/test_change.py", "tests/unit/test_histories.py"
FAULTS = "tests/unit/on_host/test_system_calls.py"
# On four hosts, or on twelve.
SEVERAL = {
    "tests/fleet/test_rollout.py::test_a_canary_that_does_not_verify_stops_it",
    "tests/fleet/test_slices.py::test_eight_slices_of_each_wave_are_one_run",
    "tests/fleet/test_week_after.py::test_the_last_run_is_taken_back_where_it_may_be",
}
FILES = (FAULTS, HISTORIES, *sorted({test.partition("::")[0] for test in SAMPLED}))

HISTORY = "tests/fleet/test_histories.py::test_postfix_reads_what_it_would_have_read_without_us"


@cache
def collected(*options: str) -> tuple[Counter[str], str]:
    """How many cases of each test pytest would run, and what it says."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *FILES]
    done = subprocess.run([*words, *options], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("tests/") and ": " not in line]
    return Counter(line.partition("[")[0] for line in lines), done.stdout


def commands_of(target: str, *words: str) -> list[str]:
    """What a target of the Makefile runs, a line each."""
    if not shutil.which("make"):
        pytest.skip("no make here")
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target, *words],
        cwd=ROOT,
        # Without the words of the make that may have started this test.
        env={name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "SAMPLE")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def options_of(target: str, *words: str) -> list[str]:
    """How a target of the Makefile calls pytest, without the folder of tests."""
    calls = [shlex.split(line) for line in commands_of(target, *words) if "bin/pytest " in line]
    assert [call[1] for call in calls] == ["tests"]
    return calls[0][2:]


def test_only_a_plain_pytest_leaves_out_the_long_ones() -> None:
    everything, _ = collected(*options_of("test-all"))
    plain, said = collected()
    left_out = everything - plain
    history = f"{HISTORIES}::test_a_removal_leaves_what_the_owner_would_have_without_us"
    cuts = ("the_power_fails_at_any_effect", "a_host_boots_after_the_power_has_failed_at_any_effect")
    faults = f"{FAULTS}::test_a_fault_at_a_drawn_system_call_is_survived"
    assert left_out.keys() == {history, faults, *SEVERAL, *(f"{CUTS}::test_{name}" for name in cuts)}
    # Every fault is long, most of the histories are, and so is what twelve hosts do.
    assert plain.keys() & left_out.keys() == {history, *SEVERAL}
    assert f"{sum(left_out.values())} deselected" in said


def test_make_test_leaves_out_nothing_but_what_is_on_the_list() -> None:
    everything, _ = collected(*options_of("test-all"))
    taken, said = collected(*options_of("test", "SAMPLE=a-commit"))
    left_out = everything - taken
    assert left_out.keys() == SAMPLED.keys()
    for test, sampled in SAMPLED.items():
        assert taken[test] >= 1 or sampled.one_in > everything[test]
        # Each value of another argument may round up or down; there are at most two.
        assert abs(taken[test] - everything[test] / sampled.one_in) < 2
        assert sampled.why in said
    assert "the same again: make test SAMPLE=a-commit;" in said


def test_make_check_installs_no_debian_packages_and_make_test_does_before_the_check() -> None:
    installs, checks = ("-m lab.packages", "-m tests.lint_on_host")
    assert [line for line in commands_of("check") if installs in line] == []
    order = [word for line in commands_of("test") for word in (installs, checks) if word in line]
    assert order == [installs, checks]


def test_what_the_list_names_exists() -> None:
    for test in SAMPLED:
        path, _, function = test.partition("::")
        assert callable(getattr(import_module(path.removesuffix(".py").replace("/", ".")), function))


def test_of_some_cases_those_are_taken_that_are_taken_of_all() -> None:
    def cases(*words: str) -> list[str]:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if line.startswith(f"{HISTORY}[")]

    some = cases(HISTORY)[1:]
    taken = cases(HISTORY, "--sample", "a-commit")
    assert cases(*some, "--sample", "a-commit") == [case for case in taken if case in some]


@pytest.mark.parametrize("one_in", [1, 2, 4])
def test_each_case_is_taken_with_some_commit_and_one_in_so_many_with_each(one_in: int) -> None:
    samples = [{index for index in range(8) if is_taken(index, one_in, f"{n:040x}")} for n in range(200)]
    assert {len(sample) for sample in samples} == {8 // one_in}
    assert set.union(*samples) == set(range(8))
