"""The times that people type. Without an offset, they are in the zone of who types them."""

import re
from datetime import date, datetime, time, timedelta

from smtp_auth.local_time import in_utc
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown

_KINDS = "give a date (2026-11-22), a time (2026-11-22T10:15, or with an offset: 2026-11-22T10:15+01:00)"

_SECONDS = {"m": 60, "h": 3600, "d": 86400}


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


def seconds_in(option: str, text: str) -> float:
    """How many seconds a number of minutes, hours or days is: `90m`, `12h`, `7d`.

    + option: with which it was given, such as `--max-age`

    Raises `Mistake` if it is none.
    """
    found = re.fullmatch("([0-9]{1,6})([mhd])", text, re.ASCII)
    if not found:
        raise Mistake(f"{option} {shown(text)}: give minutes (90m), hours (12h) or days (7d)")
    return float(int(found[1]) * _SECONDS[found[2]])


def next_time(option: str, text: str) -> datetime:
    """The next time that it is so late (`04:00`), or a time (`2026-11-22T04:00`), in a time zone.

    In the hour that comes twice, each of the two is meant until it has passed. In the one that is left out,
    the clock has not been changed.

    + option: with which it was given, such as `--not-after`

    Raises `Mistake` if it is none, or has passed.
    """
    now = datetime.now().astimezone()
    try:
        if re.fullmatch("[0-9]{1,2}:[0-9]{2}", text, re.ASCII):
            today = datetime.combine(now.date(), time.fromisoformat(text.zfill(5)))
            typed = [today + timedelta(days=day) for day in (0, 1)]
        else:
            typed = [datetime.fromisoformat(text)]
        found = [moment for one in typed for moment in _times(one) if moment > now]
    except (ValueError, OverflowError, OSError):
        raise Mistake(
            f"{option} {shown(text)}: give a time (04:00), or with its date: 2026-11-22T04:00"
        ) from None
    if not found:
        raise Mistake(f"{option} {shown(text)}: this time has passed")
    return found[0]


def _times(typed: datetime) -> list[datetime]:
    """What a typed time means: two in the hour that comes twice, the earlier one first.

    In the hour that is left out, it is that of the clock from before (RFC 5545, section 3.3.5).
    """
    both = sorted(typed.replace(fold=fold).astimezone() for fold in (0, 1))
    return both if both[0].time() == both[1].time() else both[1:]


def _end_of_day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.combine(day + timedelta(days=1), time())


def _mistake(option: str, text: str, others: str = "") -> Mistake:
    return Mistake(f"{option} {shown(text)}: {_KINDS}{others}")
