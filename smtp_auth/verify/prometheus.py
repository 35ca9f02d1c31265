"""A verification's outcomes as figures for Prometheus (`--prometheus`)."""

import time
from collections.abc import Callable, Sequence

from prometheus_client.core import GaugeMetricFamily

from smtp_auth.fleet.metrics import gauge, lines, target
from smtp_auth.shown import shown_name
from smtp_auth.verify import measured
from smtp_auth.verify.report import NOT_MADE, Outcome, by_host

# What a check's outcome says of the host. The others say nothing of it, and so have no sample.
_SAYS = {"passed": 1.0, "warned": 1.0, "failed": 0.0}

_OUTCOMES = ("passed", "warned", "failed", "skipped", NOT_MADE)


class Prometheus:
    """The outcomes as figures. + file: a file, or `-` for standard output"""

    def __init__(self, file: str) -> None:
        self.target = target(file)

    def write(self, outcomes: Sequence[Outcome], names: Sequence[str]) -> bool:
        """As `Output.write`."""
        return self.target.write(lines(figures(outcomes, names, time.time())))


def figures(outcomes: Sequence[Outcome], names: Sequence[str], now: float) -> list[GaugeMetricFamily]:
    """The figures of all hosts. What is not known has no sample, so that nobody takes it for good or bad.

    + outcomes: those of all checks
    + names: those of all hosts
    + now: seconds since 1970
    """
    of_hosts = by_host(outcomes)
    found = {name: of_hosts.get(name, []) for name in names}
    shown = {name: shown_name(name) for name in found}

    def one_each(figure: Callable[[Sequence[Outcome]], float | None]) -> list[tuple[list[str], float]]:
        figured = {name: figure(ones) for name, ones in found.items()}
        return [([shown[name]], value) for name, value in figured.items() if value is not None]

    return [
        gauge(
            "smtp_auth_check",
            "Whether a check has passed (1) or failed (0); no sample if it was not made.",
            ["host", "check"],
            [
                ([shown[name], one.check], _SAYS[one.outcome])
                for name, ones in found.items()
                for one in ones
                if one.outcome in _SAYS
            ],
        ),
        gauge(
            "smtp_auth_checks",
            "How many checks of the host have this outcome.",
            ["host", "outcome"],
            [
                ([shown[name], outcome], sum(one.outcome == outcome for one in ones))
                for name, ones in found.items()
                for outcome in _OUTCOMES
            ],
        ),
        gauge(
            "smtp_auth_certificate_not_after_seconds",
            "When the certificate expires that port 465 serves for this name, in seconds since 1970.",
            ["host", "name"],
            [
                ([shown[host], name], end)
                for host, ones in found.items()
                for name, end in measured.not_after(ones).items()
            ],
        ),
        gauge(
            "smtp_auth_greeting_seconds",
            "Within how many seconds port 465 has greeted, the connection and TLS included.",
            ["host"],
            one_each(measured.greeting),
        ),
        gauge(
            "smtp_auth_delivery_seconds",
            "Within how many seconds the message that was sent was in the mailbox.",
            ["host"],
            one_each(measured.delivery),
        ),
        gauge(
            "smtp_auth_last_verification_timestamp_seconds",
            "When the host was last verified, in seconds since 1970; no sample if no check was made.",
            ["host"],
            one_each(lambda ones: now if any(one.outcome != NOT_MADE for one in ones) else None),
        ),
    ]
