"""The one command that changes a host: pyinfra's side of `on_host.changing`."""

from collections.abc import Mapping
from typing import Any

from pyinfra.api import Host

from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import GOES_ON, ChangeOutcome, change
from smtp_auth.on_host.channel import Answer, Channel, Limits
from smtp_auth.runs.bounds import wire_of
from smtp_auth.runs.channel import channel_to, connect_again
from smtp_auth.runs.host_settings import seconds_of
from smtp_auth.runs.interruption import change_under_way
from smtp_auth.runs.origin import origin_of_this_run
from smtp_auth.runs.pyinfra_internals import OwnCommand, notice_silence
from smtp_auth.runs.report import Outcome, report
from smtp_auth.runs.trouble import fault
from smtp_auth.shown import shown

# The words of the report.
_OUTCOMES = {
    ChangeOutcome.LIVE: Outcome.CHANGED,
    ChangeOutcome.REFUSED: Outcome.REFUSED,
    ChangeOutcome.PUT_BACK: Outcome.PUT_BACK,
    ChangeOutcome.FAILED: Outcome.FAILED,
    ChangeOutcome.UNKNOWN: Outcome.NOT_REACHED,
}

# Seconds without any acknowledgement from the host's network after which its connection counts as lost.
_SILENCE = 30


class Transaction(OwnCommand):
    """Carries out a host's plan, whole or not at all."""

    def __init__(self, asked: Asked) -> None:
        # pyinfra shows these words. The ID is added at the execution: a preview asks nothing of git.
        super().__init__("perl", "-", "start")
        self._asked = asked

    def carry_out(self, host: Host, arguments: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Whether the plan is live, and the reasons if it is not."""
        with change_under_way():
            return self._carry_out(host, arguments)

    def _carry_out(self, host: Host, arguments: Mapping[str, Any]) -> tuple[bool, list[str]]:
        report(host, Outcome.NOT_AWAITED, GOES_ON)
        try:
            outcome, said = self._change(host, arguments)
        except Exception as error:
            # Otherwise pyinfra would stop the run for all hosts.
            outcome, said = Outcome.FAILED, [fault(error)]
        if outcome is not Outcome.CHANGED:
            host.log_styled(f"{outcome.value}:", fg="red")
        report(host, outcome, " ".join(said))
        return outcome is Outcome.CHANGED, [shown(line) for line in said]

    def _change(self, host: Host, arguments: Mapping[str, Any]) -> tuple[Outcome, list[str]]:
        outcome, said = change(
            _attentive(host, channel_to(host, arguments)),
            lambda: connect_again(host, "to read the outcome of the change"),
            origin_of_this_run(),
            self._asked.plan,
            self._asked.settings,
            self._asked.look,
        )
        return _OUTCOMES[outcome], said


def _attentive(host: Host, channel: Channel) -> Channel:
    """A channel that fails soon if the host has vanished, or if its sshd does not respond any more.

    A change prints nothing until it is over, so that its answer says nothing about this.
    """

    def run(command: str, stdin: str, limits: Limits) -> Answer:
        notice_silence(host, _SILENCE)
        wire_of(host).ask_for_signs_of_life(min(_SILENCE, seconds_of(host)) / 3)
        return channel(command, stdin, limits)

    return run
