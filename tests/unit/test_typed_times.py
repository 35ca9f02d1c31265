"""The times that people type, on the days when clocks are changed."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from smtp_auth.fleet import typed_times
from smtp_auth.fleet.typed_times import next_time
from smtp_auth.local_time import in_utc, time_of
from smtp_auth.runs.mistakes import Mistake
from tests.time_zone import time_zone


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    # That of Berlin.
    with time_zone("CET-1CEST,M3.5.0,M10.5.0/3"):
        yield


def _next(monkeypatch: pytest.MonkeyPatch, now: str, typed: str) -> str:
    class Clock(datetime):
        @classmethod
        def now(cls, _zone: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(time_of(now).timestamp())

    monkeypatch.setattr(typed_times, "datetime", Clock)
    return in_utc(next_time("--not-after", typed))


@pytest.mark.parametrize("typed", ["02:30", "2026-10-25T02:30"])
@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("2026-10-24T20:00:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:40:00Z", "2026-10-25T01:30:00Z"),
        ("2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"),
    ],
)
def test_of_the_hour_that_comes_twice_the_next_one_is_meant(
    monkeypatch: pytest.MonkeyPatch, typed: str, now: str, wanted: str
) -> None:
    assert _next(monkeypatch, now, typed) == wanted


def test_after_both_the_next_day_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _next(monkeypatch, "2026-10-25T01:50:00Z", "02:30") == "2026-10-26T01:30:00Z"


@pytest.mark.parametrize(
    ("now", "typed"),
    [("2026-10-25T01:50:00Z", "2026-10-25T02:30"), ("2026-10-25T00:40:00Z", "2026-10-25T02:30+02:00")],
)
def test_a_date_or_an_offset_says_which_one(monkeypatch: pytest.MonkeyPatch, now: str, typed: str) -> None:
    with pytest.raises(Mistake, match="this time has passed"):
        _next(monkeypatch, now, typed)


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("2026-03-28T20:00:00Z", "2026-03-29T01:30:00Z"),
        ("2026-03-29T00:40:00Z", "2026-03-29T01:30:00Z"),
        ("2026-03-29T01:10:00Z", "2026-03-29T01:30:00Z"),
        ("2026-03-29T01:40:00Z", "2026-03-30T00:30:00Z"),
    ],
)
def test_in_the_hour_that_is_left_out_the_clock_of_before_it_counts(
    monkeypatch: pytest.MonkeyPatch, now: str, wanted: str
) -> None:
    assert _next(monkeypatch, now, "02:30") == wanted
