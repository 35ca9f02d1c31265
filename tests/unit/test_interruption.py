"""Which signals are one interruption."""

import signal
from signal import SIGHUP, SIGINT, SIGTERM

import pytest

from smtp_auth.runs import interruption


@pytest.mark.parametrize(
    ("came", "count"),
    [
        ([(0, SIGTERM), (0, SIGHUP)], 1),
        ([(0, SIGINT), (0.1, SIGTERM), (0.2, SIGHUP)], 1),
        ([(0, SIGINT), (0.1, SIGINT)], 2),
        # Each one is passed on as another.
        ([(0, SIGINT), (0.1, SIGTERM), (1, SIGINT), (1.1, SIGTERM)], 2),
        ([(0, SIGINT), (2.5, SIGTERM)], 2),
    ],
)
def test_what_is_passed_on_does_not_count(
    monkeypatch: pytest.MonkeyPatch, came: list[tuple[float, signal.Signals]], count: int
) -> None:
    counted = list[signal.Signals]()
    monkeypatch.setattr(interruption, "_changes", interruption._Changes())
    for seconds, number in came:
        monkeypatch.setattr(interruption, "_interrupt", lambda number=number: counted.append(number))
        monkeypatch.setattr(interruption.time, "monotonic", lambda seconds=seconds: 1000 + seconds)
        interruption._interrupted(number, None)
    assert len(counted) == count
