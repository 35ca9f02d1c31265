"""Holds: hosts that are not to be changed for a time, and who said so."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from smtp_auth.local_time import local_time


@dataclass(frozen=True)
class Hold:
    """That a host is not to be changed. All is empty if the host's own file of it cannot be read.

    + who: the controller and the account, as they were given; nobody has checked that
    + when: since when, by the host's clock, such as `2026-11-27T10:00:00Z`
    + why: the reason, in the words of whoever holds it
    + until: when it ends, by the host's clock; empty: when somebody releases it
    """

    who: str
    when: str
    why: str
    until: str

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read what `SmtpAuth::Hold` prints: the fields with NUL between them, in bytes.

        With another number of fields, it cannot be read, and is in force as such.
        """
        parts = _texts(value)
        who, when, why, until = parts if len(parts) == 4 else ("", "", "", "")
        return cls(who, when, why, until)


@dataclass(frozen=True)
class HoldEvent:
    """One hold or release on record.

    + kind: `hold` or `release`
    + who, when, why, until: as in `Hold`; a release has no `why` and no `until`
    """

    kind: str
    who: str
    when: str
    why: str
    until: str


def events_in(values: Iterable[str]) -> tuple[HoldEvent, ...]:
    """Read what `SmtpAuth::Hold` prints of its log: the kind first, then as for a hold.

    What has another number of fields is left out.
    """
    found = map(_texts, values)
    return tuple(HoldEvent(*parts) for parts in found if len(parts) == 5)


def _texts(value: str) -> list[str]:
    return value.encode("latin-1").decode("utf-8", "backslashreplace").split("\0")


def hold_line(*holds: Hold) -> str:
    """A hold as a sentence; or holds of several hosts that differ only in the time.

    + holds: the same hold of each host, by the clocks of these hosts
    """
    first, last = (choose(holds, key=lambda one: one.when) for choose in (min, max))
    if not first.when:
        return (
            "held, but its hold, /var/lib/smtp-auth/hold, cannot be read: 'smtp-auth release' deletes it, if "
            "nobody needs it"
        )
    since = local_time(first.when)
    later = f" (the last one since {local_time(last.when)})" if last != first else ""
    until = local_time(first.until) if first.until else "somebody releases it"
    return f"held since {since}{later} by {first.who}, until {until}: {first.why}"


def without_time(hold: Hold) -> Hold:
    """What the same hold has in common on several hosts: all but when it began there."""
    return replace(hold, when="")
