"""The table and the file at the end of a verification."""

import json
from pathlib import Path

import pytest

from smtp_auth.verify.report import Outcome, counts, settled, table, write_json

SERVES, SAFE, CURRENT = "it serves", "it is safe", "it is current"

OUTCOMES = [
    Outcome("a.example", SERVES, "passed", seconds=0.25),
    Outcome("a.example", SAFE, "failed", "it is not:\nmend it"),
    Outcome("a.example", CURRENT, "passed"),
    *(
        Outcome(f"b{number}.example", check, "skipped", "the host is down")
        for number in range(5)
        for check in (SERVES, SAFE)
    ),
    *(Outcome(f"b{number}.example", CURRENT, "passed") for number in range(5)),
    Outcome("c.example", SERVES, "warned", warnings=("it is slow",)),
    Outcome("c.example", SAFE, "passed"),
    Outcome("c.example", CURRENT, "passed"),
]


def test_a_row_a_check_that_some_host_did_not_pass_and_a_column_a_group() -> None:
    lines = list(table(OUTCOMES, width=80))
    assert lines[:3] == [
        "   1  a.example",
        "   2  b0.example, b1.example, b2.example and 2 more",
        "   3  c.example",
    ]
    assert [line.split() for line in lines[3:6]] == [
        ["1", "2", "3"],
        ["it", "serves", "ok", "-", "warn"],
        ["it", "is", "safe", "FAIL", "-", "ok"],
    ]
    assert "1 check passed by every host (-v shows them)" in lines


def test_everything_shows_all_checks_and_all_hosts() -> None:
    lines = list(table(OUTCOMES, width=80, everything=True))
    assert any(line.split() == ["it", "is", "current", "ok", "ok", "ok"] for line in lines)
    assert "   2  b0.example, b1.example, b2.example, b3.example, b4.example" in lines


def test_a_reason_is_told_once_for_all_its_hosts_and_checks() -> None:
    lines = list(table(OUTCOMES, width=80))[8:]
    assert lines == [
        "FAILED  a.example: it is safe",
        "        it is not:",
        "        mend it",
        "warning  c.example: it serves",
        "        it is slow",
        "not checked  b0.example, b1.example, b2.example and 2 more: 2 checks",
        "        the host is down",
    ]


def test_groups_that_do_not_fit_get_a_table_of_their_own() -> None:
    lines = list(table(OUTCOMES, width=20))
    assert [line.split() for line in lines if line.startswith("it serves")] == [
        ["it", "serves", "ok"],
        ["it", "serves", "-"],
        ["it", "serves", "warn"],
    ]


def test_a_fleet_that_passes_is_one_line() -> None:
    passed = [Outcome(f"{name}.example", SERVES, "passed") for name in "ab"]
    assert list(table(passed, width=80)) == ["2 hosts: the check passes"]


def test_hosts_are_counted_by_their_worst() -> None:
    assert counts(OUTCOMES) == {"failed": 1, "warned": 1}
    assert counts([*OUTCOMES, Outcome("a.example", "it is spare", "warned")]) == {"failed": 1, "warned": 1}


@pytest.mark.parametrize(
    ("host", "check", "entry"),
    [
        ("a.example", SERVES, {"outcome": "passed", "seconds": 0.25}),
        ("a.example", SAFE, {"outcome": "failed", "reason": "it is not:\nmend it"}),
        ("c.example", SERVES, {"outcome": "warned", "warnings": ["it is slow"]}),
    ],
)
def test_json_has_every_outcome(tmp_path: Path, host: str, check: str, entry: dict[str, object]) -> None:
    write_json(OUTCOMES, tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["version"] == 1
    empty = {"reason": "", "warnings": [], "seconds": 0.0, "measured": {}, "reported_by": ""}
    assert written["hosts"][host][check] == empty | entry


def test_what_was_measured_is_told_of_the_slowest_host() -> None:
    paces = {"a.example": {"TLS": 0.25, "greeting": 0.1}, "b.example": {"TLS": 0.04, "greeting": 2.06}}
    outcomes = [Outcome(host, SERVES, "passed", measured=pace) for host, pace in paces.items()]
    assert list(table(outcomes, width=80))[1:] == [
        "it serves: TLS 0.04 s, greeting 2.06 s (b.example, the slowest of 2)"
    ]
    assert list(table(outcomes, width=80, everything=True))[-2:] == [
        "it serves: TLS 0.04 s, greeting 2.06 s (b.example)",
        "it serves: TLS 0.25 s, greeting 0.10 s (a.example)",
    ]


# The outcome of a check that could not look, by the outcome of the check that reports the reason.
@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([], "failed"),
        ([Outcome("a.example", SERVES, "passed")], "failed"),
        ([Outcome("b.example", SERVES, "failed")], "failed"),
        ([Outcome("a.example", SERVES, "failed")], "skipped"),
        ([Outcome("a.example", SERVES, "skipped", "nothing to serve")], "failed"),
        (
            [
                Outcome("a.example", SERVES, "skipped", "down", reported_by=CURRENT),
                Outcome("a.example", CURRENT, "failed"),
            ],
            "skipped",
        ),
        ([Outcome("a.example", SERVES, "skipped", "down", reported_by=CURRENT)], "failed"),
    ],
)
def test_a_reason_that_no_check_reports_is_a_failure(others: list[Outcome], found: str) -> None:
    skipped = Outcome("a.example", SAFE, "skipped", "it cannot be seen", reported_by=SERVES)
    outcome = next(one for one in settled([skipped, *others]) if one.check == SAFE)
    assert (outcome.outcome, outcome.reason) == (found, "it cannot be seen")


def test_what_is_no_trouble_stays_skipped() -> None:
    skipped = Outcome("a.example", SAFE, "skipped", "the host has none")
    assert settled([skipped]) == [skipped]


@pytest.mark.parametrize(("before", "after"), [("passed", "warned"), ("failed", "failed")])
def test_a_check_that_passed_with_warnings_has_an_outcome_of_its_own(before: str, after: str) -> None:
    one = Outcome("a.example", SAFE, before, warnings=("it is slow",))
    assert [found.outcome for found in settled([one])] == [after]
