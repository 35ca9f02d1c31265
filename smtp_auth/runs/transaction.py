"""The one command that changes a host: pyinfra's side of `carrying_out`."""

from collections.abc import Mapping
from typing import Any

from pyinfra.api import Host

from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import GOES_ON
from smtp_auth.runs.carrying_out import carry_out
from smtp_auth.runs.channel import channel_to
from smtp_auth.runs.interruption import change_under_way
from smtp_auth.runs.outcome import OF_CHANGE, Outcome
from smtp_auth.runs.pyinfra_internals import OwnCommand
from smtp_auth.runs.report import report, report_proof


class Transaction(OwnCommand):
    """Carries out a host's plan, whole or not at all."""

    def __init__(self, asked: Asked) -> None:
        # pyinfra shows these words. The ID is added at the execution: a preview asks nothing of git.
        super().__init__("perl", "-", "start")
        self._asked = asked

    def carry_out(self, host: Host, arguments: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Whether the plan is live. What there is to say is in the report."""
        with change_under_way():
            report(host, Outcome.NOT_AWAITED, GOES_ON)
            ended = carry_out(host, channel_to(host, arguments), self._asked)
            outcome = OF_CHANGE[ended.outcome]
            if outcome is not Outcome.CHANGED:
                host.log_styled(f"{outcome.value}, see the report", fg="red")
            report(host, outcome, *ended.said)
            report_proof(host, ended)
        return outcome is Outcome.CHANGED, []
