"""The table and the file at the end of a verification."""

from collections.abc import Iterable

import pytest
from rich.cells import cell_len

from smtp_auth.fleet.console import Line, rows
from smtp_auth.verify.report import NOT_MADE, Outcome, by_host, counts_line, host_as_json, settled, table

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


def texts(lines: Iterable[Line]) -> list[str]:
    """Their texts."""
    return [line.text for line in lines]


def test_a_row_a_check_that_some_host_did_not_pass_and_a_column_a_group() -> None:
    lines = texts(table(OUTCOMES, width=80))
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
    lines = texts(table(OUTCOMES, width=80, everything=True))
    assert any(line.split() == ["it", "is", "current", "ok", "ok", "ok"] for line in lines)
    assert "   2  b0.example, b1.example, b2.example, b3.example, b4.example" in lines


def test_a_reason_is_told_once_for_all_its_hosts_and_checks() -> None:
    lines = texts(table(OUTCOMES, width=80))[8:]
    assert lines == [
        "FAILED  a.example: it is safe",
        "        it is not:",
        "        mend it",
        "warning  c.example: it serves",
        "        it is slow",
        "not checked  b0.example, b1.example, b2.example and 2 more: it serves, it is safe",
        "        the host is down",
        "",
    ]


def test_groups_that_do_not_fit_get_a_table_of_their_own() -> None:
    lines = texts(table(OUTCOMES, width=20))
    assert [line.split() for line in lines if line.startswith("it serves")] == [
        ["it", "serves", "ok"],
        ["it", "serves", "-"],
        ["it", "serves", "warn"],
    ]


def test_a_fleet_that_passes_is_one_line() -> None:
    passed = [Outcome(f"{name}.example", SERVES, "passed") for name in "ab"]
    assert texts(table(passed, width=80)) == ["the check passes", ""]


def test_checks_that_were_only_left_out_are_no_rows() -> None:
    left_out = [
        Outcome("a.example", SERVES, "passed"),
        Outcome("a.example", SAFE, "skipped", "the host has none"),
    ]
    assert texts(table(left_out, width=80)) == [
        "1 check passed by every host (-v shows them)",
        "not checked  a.example: it is safe",
        "        the host has none",
        "",
    ]


def test_without_an_outcome_there_is_no_table() -> None:
    assert texts(table([], width=80)) == []
    assert counts_line([], 4).text == "4 hosts: 4 not checked"


# What `-x` leaves: pytest goes on from host to host.
ENDED = [
    *(Outcome("a.example", check, "passed") for check in (SERVES, SAFE, CURRENT)),
    Outcome("b.example", SERVES, "passed"),
    Outcome("b.example", SAFE, "failed", "it is not"),
    Outcome("b.example", CURRENT, NOT_MADE),
    *(Outcome("c.example", check, NOT_MADE) for check in (SERVES, SAFE, CURRENT)),
]


@pytest.mark.parametrize("everything", [False, True])
def test_a_check_that_was_not_made_has_not_passed(everything: bool) -> None:
    lines = texts(table(ENDED, width=80, everything=everything))
    rows = [line.split() for line in lines if line.startswith("it ")]
    assert [row[-3:] for row in rows] == (
        [["ok", "ok", "?"], ["ok", "FAIL", "?"], ["ok", "?", "?"]] if everything else [["ok", "FAIL", "?"]]
    )
    assert not [line for line in lines if "passed by every host" in line]
    assert "not made  b.example, c.example: 4 checks; the run ended before" in lines


def test_a_host_with_a_check_that_was_not_made_is_not_counted_as_passed() -> None:
    assert counts_line(ENDED, 3).text == "3 hosts: 1 passed, 1 failed, 1 not checked"
    in_part = [Outcome("d.example", SERVES, "warned"), Outcome("d.example", SAFE, NOT_MADE)]
    assert counts_line(in_part, 1).text == "1 host: 1 not checked"


def test_a_check_that_one_host_has_alone_was_not_passed_by_every_host() -> None:
    chosen = [Outcome("a.example", SERVES, "passed"), Outcome("b.example", SAFE, "failed", "it is not")]
    assert not [line for line in texts(table(chosen, width=80)) if "passed by every host" in line]


def test_hosts_are_counted_by_their_worst() -> None:
    counted = "8 hosts: 5 passed, 1 warned, 1 failed, 1 not checked"
    assert counts_line(OUTCOMES, 8).text == counted
    assert counts_line([*OUTCOMES, Outcome("a.example", "it is spare", "warned")], 8).text == counted


@pytest.mark.parametrize("width", [40, 80, 130])
@pytest.mark.parametrize("everything", [False, True])
def test_nothing_is_torn_at_the_edge_of_a_terminal(width: int, everything: bool) -> None:
    long_check = "port 25 is reachable unless it is blocked from here"
    names = [f"mail{number}.submission.example.jp" for number in range(9)]
    reason = "the host does not answer: " + "check that it is switched on, and its network; " * 4
    outcomes = [
        Outcome(name, check, "failed" if (number + place) % 3 else "warned", reason, (reason,), measured=PACE)
        for number, name in enumerate(names)
        for place, check in enumerate([long_check, *(f"it is safe in way {way}" for way in range(number))])
    ]
    lines = [*table(outcomes, width, everything=everything), counts_line(outcomes, 9)]
    shown = [row for line in lines for row in rows(line, width)]
    assert max(map(cell_len, shown)) <= width
    text = " ".join(" ".join(shown).split())
    for words in (*names[:3], *reason.split(), *long_check.split()):
        assert words in text
    # A mark is in the column of its group.
    heads = [
        line.text for line in lines if line.text.strip().isdigit() or line.text.split()[:2] == ["1", "2"]
    ]
    assert heads
    assert {len(line.text) for line in lines if line.text.endswith(("FAIL", "warn"))} <= {
        len(line.text) for line in lines if set(line.text.split()) <= {*map(str, range(1, 10))}
    }


PACE = {"TLS": 0.25, "greeting": 12.06}


@pytest.mark.parametrize(
    ("host", "check", "entry"),
    [
        ("a.example", SERVES, {"outcome": "passed", "seconds": 0.25}),
        ("a.example", SAFE, {"outcome": "failed", "reason": "it is not:\nmend it"}),
        ("c.example", SERVES, {"outcome": "warned", "warnings": ["it is slow"]}),
    ],
)
def test_json_has_every_outcome(host: str, check: str, entry: dict[str, object]) -> None:
    written = host_as_json(by_host(OUTCOMES)[host], host)
    empty = {
        "reason": "",
        "warnings": [],
        "seconds": 0.0,
        "measured": {},
        "not_after": {},
        "reported_by": "",
        "limited": False,
    }
    assert written[check] == empty | entry


def test_what_was_measured_is_told_of_the_slowest_host() -> None:
    paces = {"a.example": {"TLS": 0.25, "greeting": 0.1}, "b.example": {"TLS": 0.04, "greeting": 2.06}}
    outcomes = [Outcome(host, SERVES, "passed", measured=pace) for host, pace in paces.items()]
    assert texts(table(outcomes, width=80))[1:] == [
        "it serves: TLS 0.04 s, greeting 2.06 s (b.example, the slowest of 2)",
        "",
    ]
    assert texts(table(outcomes, width=80, everything=True))[-3:] == [
        "it serves: TLS 0.04 s, greeting 2.06 s (b.example)",
        "it serves: TLS 0.25 s, greeting 0.10 s (a.example)",
        "",
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


def test_a_host_that_limits_its_clients_is_not_passed() -> None:
    seen = Outcome("a.example", SERVES, "passed")
    unseen = Outcome("a.example", SAFE, "skipped", "too many connections", limited=True)
    assert counts_line([seen, unseen], 1).text == "1 host: 1 not checked"
