"""Verifies the hosts of a wave, in this process."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra.api import Host

from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import Line, width_of
from smtp_auth.plan.step import Step
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.command import Wishes, checked
from smtp_auth.verify.report import NOT_MADE, Outcome, by_host, table


@dataclass(frozen=True)
class Verified:
    """What a verification has found of a host.

    + failed_checks: the names of the checks that failed, or were not made, also because of a server's limits
    + reasons: why, one sentence each
    """

    failed_checks: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether every check passed, or only warned."""
        return not self.failed_checks


def verified(
    doing: str, hosts: Sequence[Host], at_once: int, steps: Sequence[Step], *, is_verbose: bool
) -> tuple[dict[str, Verified], list[Line]]:
    """What is found of the hosts, by their names; and as lines for people.

    + doing: what is shown as progress
    + at_once: how many hosts are looked at at the same time
    + steps: those of the deploy, in their order
    + is_verbose: whether it is said how long each host took
    """
    wishes = Wishes(None, "", (), is_verbose, (), heeds_interruptions=False, doing=doing)
    try:
        checks, _ = checked(Chosen([*hosts], at_once), steps, wishes)
    except Mistake as error:
        # The checks themselves cannot be run.
        return {host.name: Verified(("verification",), (str(error),)) for host in hosts}, []
    outcomes = by_host(checks.outcomes)
    found = {host.name: _verified(outcomes.get(host.name, [])) for host in hosts}
    return found, [*table(checks.outcomes, width_of(sys.stderr))]


def _verified(outcomes: Sequence[Outcome]) -> Verified:
    if not outcomes:
        return Verified(("verification",), ("no check was made",))
    bad = [one for one in outcomes if one.limited or one.outcome in ("failed", NOT_MADE)]
    return Verified(
        tuple(one.check for one in bad), tuple(dict.fromkeys(one.reason or one.outcome for one in bad))
    )
