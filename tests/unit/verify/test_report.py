"""The table and the file that a verification ends with."""

import json
from pathlib import Path

from tests.verify.report import Outcome, table, write_json

OUTCOMES = [
    Outcome("a.example", "it serves", "passed", ""),
    Outcome("a.example", "it is safe", "failed", "it is not:\nmend it"),
    Outcome("b.example", "it serves", "skipped", "the host is down"),
    Outcome("b.example", "it is safe", "skipped", "the host is down"),
]


def test_a_row_a_check_and_a_column_a_host() -> None:
    lines = list(table(OUTCOMES, width=80))
    assert lines[:2] == ["   1  a.example", "   2  b.example"]
    assert [line.split() for line in lines[2:5]] == [
        ["1", "2"],
        ["it", "serves", "ok", "-"],
        ["it", "is", "safe", "FAIL", "-"],
    ]


def test_a_failure_comes_with_its_reason_and_a_shared_reason_once() -> None:
    lines = list(table(OUTCOMES, width=80))[6:]
    assert lines == [
        "FAILED  a.example: it is safe",
        "        it is not:",
        "        mend it",
        "not looked at  b.example: 2 checks",
        "        the host is down",
    ]


def test_hosts_that_do_not_fit_get_a_table_of_their_own() -> None:
    lines = list(table(OUTCOMES, width=18))
    assert [line.split() for line in lines if line.startswith("it serves")] == [
        ["it", "serves", "ok"],
        ["it", "serves", "-"],
    ]


def test_json_has_every_outcome(tmp_path: Path) -> None:
    write_json(OUTCOMES, tmp_path / "out.json")
    hosts = json.loads((tmp_path / "out.json").read_text())["hosts"]
    assert hosts["a.example"]["it is safe"] == {"outcome": "failed", "reason": "it is not:\nmend it"}
    assert hosts["b.example"]["it serves"]["outcome"] == "skipped"
