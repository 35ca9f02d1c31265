"""What people read at the end of a rollout."""

from dataclasses import replace

import pytest

from smtp_auth.rollout.report import HostReport
from smtp_auth.rollout.text import end_lines, wave_lines
from tests.unit.rollout.plans import plan_of


def test_each_host_that_is_not_as_wanted_is_told_once() -> None:
    """An earlier attempt may have changed a host that this one has not begun: it is taken back, or not."""
    found = {
        "a": HostReport(1, None, "converged", "changed", verified=True),
        "b": HostReport(1, None, "refused", "refused", reasons=("port 465 is taken",)),
        "c": HostReport(1, None, "pending", "not begun", undone=True),
        "d": HostReport(1, None, "pending", "not begun", undone=False, reasons=("undo: not reached",)),
        "e": HostReport(2, None, "pending", "not begun"),
    }
    assert [line.text for line in end_lines(found, "1 host failed")] == [
        "b: refused: port 465 is taken",
        "c: taken back",
        "d: not begun, not taken back: undo: not reached",
        "not begun, 1 host: e",
        "stopped: 1 host failed",
        "5 hosts: 1 changed and verified, 1 not begun, 1 not begun, not taken back, 1 refused, 1 taken back",
    ]


@pytest.mark.parametrize(
    ("most", "sentence"),
    [
        (0, "It stops once a host fails."),
        (1, "It stops once more than 1 host failed."),
        (4, "Failures do not stop it."),
    ],
)
def test_after_how_many_failures_it_stops_is_told_of_a_slice_too(most: int, sentence: str) -> None:
    plan = replace(plan_of([(1, None)] * 4), most_failures=most)
    told = [line.text for line in wave_lines(plan, ["host0"])]
    assert told == ["wave 1, 1 host: host0", f"Each wave is verified before the next. {sentence}", ""]


def test_a_slice_without_hosts_has_no_counts() -> None:
    assert [line.text for line in end_lines({}, "")] == ["0 hosts"]
