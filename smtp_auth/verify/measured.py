"""What the checks of one host have measured, by what it is."""

from collections.abc import Iterable

from smtp_auth.verify.report import Outcome


def greeting(outcomes: Iterable[Outcome]) -> float | None:
    """Within how many seconds port 465 has greeted, the connection and TLS included; `None` if unknown."""
    return next((sum(one.measured.values()) for one in outcomes if "greeting" in one.measured), None)


def delivery(outcomes: Iterable[Outcome]) -> float | None:
    """Within how many seconds the message was in the mailbox; `None` if none was sent, or did not arrive."""
    arrived = (one.measured for one in outcomes if one.outcome != "failed")
    return next((measured["delivery"] for measured in arrived if "delivery" in measured), None)


def not_after(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """When the certificates expire, in seconds since 1970, by the names asked for. The earliest counts."""
    found: dict[str, float] = {}
    for one in outcomes:
        for name, end in one.not_after.items():
            found[name] = min(end, found.get(name, end))
    return found
