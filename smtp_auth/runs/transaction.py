"""The one command that changes a host, and what became of it."""

import contextlib
import socket
from typing import Any

from paramiko import SSHException
from pyinfra.api import Host, State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.util import CommandOutput, OutputLine

from smtp_auth.facts.decode import told
from smtp_auth.facts.look import Look
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.on_host.programs import follow_program, start_program
from smtp_auth.plan.plan import Plan
from smtp_auth.runs.origin import this_change
from smtp_auth.runs.report import Outcome, report
from smtp_auth.runs.trouble import fault
from smtp_auth.settings import Settings
from smtp_auth.shown import shown

# What the host says became of the change, to what the report calls it.
_OUTCOMES = {
    "live": Outcome.CHANGED,
    "refused": Outcome.REFUSED,
    "put back": Outcome.PUT_BACK,
    "failed": Outcome.FAILED,
    "unknown": Outcome.NOT_REACHED,
}

_GOES_ON = "the change goes on there, whole or not at all: run again to see its outcome"

# After so many seconds without an answer from the host, its connection counts as lost.
_SILENCE = 30


class Transaction(StringCommand):
    """Carries out a host's plan, whole or not at all.

    If the connection is lost, the host goes on. Then this connects once more, and reads the outcome there.
    """

    def __init__(self, plan: Plan, settings: Settings, look: Look) -> None:
        # Its arguments are added when it is carried out: a preview asks nothing of git.
        super().__init__("perl", "-", "start")
        self._parts = (plan, settings, look)

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Whether the plan is live, and what is to be said if it is not: as pyinfra calls a command."""
        report(host, Outcome.NOT_AWAITED, _GOES_ON)
        try:
            outcome, said = self._carried_out(state, host, connector_arguments)
        except Exception as error:
            # pyinfra would end the run for all hosts.
            outcome, said = Outcome.FAILED, [fault(error)]
        if outcome is not Outcome.CHANGED:
            host.log_styled(f"{outcome.value}:", fg="red")
        report(host, outcome, " ".join(said))
        lines = [OutputLine("stderr", shown(line)) for line in said]
        return outcome is Outcome.CHANGED, CommandOutput(lines)

    def _carried_out(self, state: State, host: Host, arguments: Any) -> tuple[Outcome, list[str]]:
        change = this_change()
        start = StringCommand(self, change.id, RECORD)
        found = _ended(state, host, start, {**arguments, "_stdin": start_program(change, *self._parts)})
        if found is None:
            host.connected = False
            try:
                host.connect("to read the outcome of the change", raise_exceptions=True, show_errors=False)
            except ConnectError as error:
                return Outcome.NOT_REACHED, [f"the connection was lost ({error}); {_GOES_ON}"]
            follow = StringCommand("perl", "-", "follow", change.id, RECORD)
            found = _ended(state, host, follow, {**arguments, "_stdin": follow_program()})
        return found or (Outcome.NOT_REACHED, [f"the connection was lost twice; {_GOES_ON}"])


def _ended(
    state: State, host: Host, command: StringCommand, arguments: Any
) -> tuple[Outcome, list[str]] | None:
    """The outcome that a command has printed at last, and what it has said; `None` if it was cut off."""
    _notice_silence(host)
    try:
        _, output = host.run_shell_command(
            command, print_output=state.print_output, print_input=state.print_input, **arguments
        )
    except (OSError, EOFError, SSHException):
        return None
    answer = told(output.stdout_lines)
    if "outcome" not in answer:
        return None
    return _OUTCOMES[answer["outcome"][-1]], [*answer["said"][-1].splitlines(), *output.stderr_lines]


def _notice_silence(host: Host) -> None:
    """Let a connection fail whose other end has gone without a word: tcp(7), TCP_USER_TIMEOUT."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    if transport is None:
        return
    transport.set_keepalive(_SILENCE // 3)
    with contextlib.suppress(OSError, AttributeError):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE * 1000)
