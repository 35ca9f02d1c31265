"""Times in the reader's zone."""

from collections.abc import Iterator

import pytest

from smtp_auth.local_time import is_time, local_time
from tests.time_zone import time_zone


@pytest.fixture(autouse=True)
def _zone(request: pytest.FixtureRequest) -> Iterator[None]:
    with time_zone(request.node.callspec.params.get("zone", "UTC")):
        yield


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("UTC", "2026-11-27 22:00:00 +00:00"),
        ("CET-1", "2026-11-27 23:00:00 +01:00"),
        ("IST-5:30", "2026-11-28 03:30:00 +05:30"),
        ("EST5", "2026-11-27 17:00:00 -05:00"),
    ],
)
def test_a_time_is_in_the_zone_of_the_reader(zone: str, local: str) -> None:
    assert local_time("2026-11-27T22:00:00Z") == local


@pytest.mark.parametrize("zone", ["CET-1CEST,M3.5.0,M10.5.0/3"])
def test_the_offset_is_that_of_the_time_and_not_of_today(zone: str) -> None:
    assert local_time("2026-01-01T12:00:00Z") == "2026-01-01 13:00:00 +01:00"
    assert local_time("2026-07-01T12:00:00Z") == "2026-07-01 14:00:00 +02:00"


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-27", "2026-02-30T10:00:00Z", "2026-11-27T10:00:00Z\n", "\x1b[2J"]
)
def test_what_is_no_time_stays_as_it_is(text: str) -> None:
    assert local_time(text) == text
    assert not is_time(text)


@pytest.mark.parametrize("zone", ["EST5", "CET-1"])
def test_the_first_and_the_last_time_there_is_are_no_error(zone: str) -> None:
    for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert local_time(text)
        assert is_time(text)
