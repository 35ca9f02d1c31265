"""Times for people, in the zone of the computer on which they read.

Hosts and their records have UTC, such as `2026-11-22T10:15:00Z`.
"""

from datetime import UTC, datetime

_UTC = "%Y-%m-%dT%H:%M:%SZ"


def local_time(utc: str) -> str:
    """A time in the reader's zone, with the zone's offset: `2026-11-22 11:15:00 +01:00`.

    What cannot be read as a time is returned as it is.

    + utc: such as `2026-11-22T10:15:00Z`
    """
    try:
        local = time_of(utc).astimezone()
    except (ValueError, OverflowError, OSError):
        return utc
    text = local.isoformat(" ", "seconds")
    return f"{text[:19]} {text[19:]}"


def is_time(utc: str) -> bool:
    """Whether this is a time such as `2026-11-22T10:15:00Z`: then the order of texts is that of times."""
    try:
        return in_utc(time_of(utc)) == utc
    except ValueError:
        return False


def in_utc(time: datetime) -> str:
    """A time such as `2026-11-22T10:15:00Z`. + time: with its zone, or in the reader's"""
    return time.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def time_of(utc: str) -> datetime:
    """The time that a text such as `2026-11-22T10:15:00Z` means. Raises `ValueError` if it is none."""
    return datetime.strptime(utc, _UTC).replace(tzinfo=UTC)
