"""What became of hosts, as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.fleet.planning import State
from smtp_auth.rollout.report import HostReport, Report, lines, read, report_in
from smtp_auth.rollout.slices import Slice
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.outcome import Outcome
from tests.unit.rollout.plans import plan_of, report_of

_TEXT = st.text()
_TEXTS = st.lists(_TEXT, max_size=2).map(tuple)
_PERHAPS = st.none() | st.booleans()
_HOSTS = st.builds(
    HostReport,
    st.none() | st.integers(1),
    st.none() | _TEXT,
    st.sampled_from([one.value for one in State]),
    st.sampled_from([one.value for one in Outcome]),
    _PERHAPS,
    _TEXTS,
    _PERHAPS,
    _TEXTS,
)
_REPORTS = st.builds(
    Report,
    _TEXT,
    _TEXT,
    st.none() | st.integers(1),
    st.none() | _TEXT,
    st.none() | _TEXT,
    st.booleans(),
    st.dictionaries(_TEXT, _HOSTS, max_size=4),
)

NONE = "this is no report of smtp-auth rollout --json or smtp-auth merge --json"


def json_of(report: Report) -> Any:
    return json.loads("".join(lines(report)))


@given(_REPORTS)
def test_what_is_written_is_read(report: Report) -> None:
    found = report_in("\n".join(lines(report)))
    assert found == report
    assert [*found.hosts] == [*report.hosts]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", "1", '{"version": 1, "hosts": {}}', '{"version": 1, "hosts": []}', "[" * 10_000],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "report"
    file.write_text(text)
    with pytest.raises(Mistake) as raised:
        read("--earlier", str(file))
    assert str(raised.value) == f"--earlier {file}: {NONE}"


@pytest.mark.parametrize("value", [None, True, 1, "word", [1], ["word"], {}])
@pytest.mark.parametrize("key", ["version", "run", "plan", "wave", "zone", "shard", "is_merged", "hosts"])
def test_a_report_with_a_wrong_value_is_refused(key: str, value: object) -> None:
    found = json_of(report_of(plan_of([(1, "tokyo")]), Slice(1)))
    may_be: dict[str, list[object]] = {
        "version": [1, True],
        "wave": [None, 1],
        "is_merged": [True],
        "hosts": [{}],
    }
    texts: dict[str, list[object]] = {
        "run": ["word"],
        "plan": ["word"],
        "zone": [None, "word"],
        "shard": [None, "word"],
    }
    found[key] = value
    # For `in`, true is 1.
    if json.dumps(value) in map(json.dumps, {**may_be, **texts}[key]):
        report_in(json.dumps(found))
        return
    with pytest.raises(ValueError, match=NONE):
        report_in(json.dumps(found))


@pytest.mark.parametrize("value", [None, True, 1, "word", [1], {}])
@pytest.mark.parametrize("key", [*HostReport.__dataclass_fields__])
def test_a_host_with_a_wrong_value_is_refused(key: str, value: object) -> None:
    found = json_of(report_of(plan_of([(1, "tokyo")]), Slice(1)))
    may_be: dict[str, list[object]] = {
        "wave": [None, 1],
        "zone": [None, "word"],
        "verified": [None, True],
        "undone": [None, True],
    }
    found["hosts"]["host0"][key] = value
    if json.dumps(value) in map(json.dumps, may_be.get(key, [])):
        report_in(json.dumps(found))
        return
    with pytest.raises(ValueError, match=NONE):
        report_in(json.dumps(found))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outcome", "\x1b[2J changed"),
        ("reasons", ["half a character: \ud900"]),
        ("failed_checks", ["\udfff"]),
    ],
)
def test_a_host_with_a_text_that_is_never_written_is_refused(key: str, value: object) -> None:
    found = json_of(report_of(plan_of([(1, "tokyo")]), Slice(1)))
    found["hosts"]["host0"][key] = value
    with pytest.raises(ValueError, match=NONE):
        report_in(json.dumps(found))


def test_a_report_with_a_value_too_few_or_too_many_is_refused() -> None:
    found = json_of(report_of(plan_of([(1, "tokyo")]), Slice(1)))
    for part in (found, found["hosts"]["host0"]):
        part["other"] = 1
        with pytest.raises(ValueError, match=NONE):
            report_in(json.dumps(found))
        del part["other"], part["wave"]
        with pytest.raises(ValueError, match=NONE):
            report_in(json.dumps(found))
        part["wave"] = 1


@pytest.mark.parametrize(
    ("one", "has_failed", "is_done"),
    [
        (HostReport(1, None, "converged", "changed", verified=True), False, True),
        (HostReport(1, None, "converged", "changed", verified=None), False, False),
        (HostReport(1, None, "converged", "changed", verified=False), True, False),
        (HostReport(1, None, "pending", "changed", verified=True, undone=True), False, False),
        (HostReport(1, None, "pending", "not begun"), False, False),
        (HostReport(1, None, "held", "held"), False, True),
        (HostReport(1, None, "refused", "refused"), True, False),
        (HostReport(1, None, "unreachable", "not reached"), True, False),
        (HostReport(1, None, "failed", "failed and put back"), True, False),
        # Known from the plan alone.
        (HostReport(None, None, "converged", "unchanged"), False, True),
        (HostReport(None, None, "unreachable", "not reached"), False, False),
    ],
)
def test_what_counts_as_a_failure_and_as_done(one: HostReport, has_failed: bool, is_done: bool) -> None:
    assert (one.has_failed, one.is_done) == (has_failed, is_done)
