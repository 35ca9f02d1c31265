"""What somebody says of a hold on the command line."""

from datetime import UTC, date, datetime, time, timedelta

from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown

# As SmtpAuth::Hold reads it.
_MOST_CHARACTERS = 500


def reason_in(text: str) -> str:
    """The reason for a hold. Raises `Mistake` unless it is one line that can be shown."""
    reason = text.strip()
    if not reason:
        raise Mistake("--reason is empty: say why the hosts are not to be changed")
    if not reason.isprintable():
        raise Mistake(f"--reason {shown(reason)}: give one line without control characters")
    if len(reason) > _MOST_CHARACTERS:
        raise Mistake(f"--reason has {len(reason)} characters: give at most {_MOST_CHARACTERS}")
    return reason


def until_in(text: str) -> str:
    """The end of a hold in UTC, such as `2026-11-27T10:00:00Z`.

    + text: a date, which means its end; or a date and a time. Without an offset, it is in the reader's zone

    Raises `Mistake` if it is neither.
    """
    try:
        given = _end_of_day(text) or datetime.fromisoformat(text)
        end = given.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise Mistake(
            f"--until {shown(text)}: give a date or a time, such as 2026-12-01, 2026-12-01T18:00 or "
            "2026-12-01T18:00+01:00"
        ) from None
    return f"{end.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _end_of_day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.combine(day + timedelta(days=1), time())
