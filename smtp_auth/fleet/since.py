"""The times that people type: a date, a time, or so many days ago."""

import re
from datetime import datetime, timedelta

from smtp_auth.local_time import in_utc
from smtp_auth.runs.mistakes import Mistake


def time_since(option: str, text: str) -> str:
    """A time that somebody has typed, such as `2026-11-22T10:15:00Z`. Without an offset, it is in their zone.

    + option: with which it was given, such as `--since`

    Raises `Mistake` if it is none.
    """
    days = re.fullmatch("([0-9]+)d", text, re.ASCII)
    try:
        if days:
            return in_utc(datetime.now().astimezone() - timedelta(days=int(days[1])))
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Mistake(
            f"{option} {text}: give a date (2026-11-22), a time (2026-11-22T10:15, or with an offset: "
            "2026-11-22T10:15+01:00), or a number of days (7d)"
        ) from None
