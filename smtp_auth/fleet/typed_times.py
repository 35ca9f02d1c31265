"""The times that people type. Without an offset, they are in the zone of who types them."""

import re
from datetime import date, datetime, time, timedelta

from smtp_auth.local_time import in_utc
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown

_KINDS = "give a date (2026-11-22), a time (2026-11-22T10:15, or with an offset: 2026-11-22T10:15+01:00)"


def time_since(option: str, text: str) -> str:
    """The beginning of a date, a time, or so many days ago (`7d`), such as `2026-11-22T10:15:00Z`.

    + option: with which it was given, such as `--since`

    Raises `Mistake` if it is none.
    """
    try:
        days = re.fullmatch("([0-9]+)d", text, re.ASCII)
        if days:
            return in_utc(datetime.now().astimezone() - timedelta(days=int(days[1])))
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        raise _mistake(option, text, ", or a number of days (7d)") from None


def time_until(option: str, text: str) -> str:
    """The end of a date, or a time, such as `2026-11-22T10:15:00Z`. + option: as for `time_since`

    Raises `Mistake` if it is none.
    """
    try:
        return in_utc(_end_of_day(text) or datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        raise _mistake(option, text) from None


def _end_of_day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.combine(day + timedelta(days=1), time())


def _mistake(option: str, text: str, others: str = "") -> Mistake:
    return Mistake(f"{option} {shown(text)}: {_KINDS}{others}")
