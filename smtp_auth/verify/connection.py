"""testinfra over pyinfra's own connection to a host.

Verification therefore connects to a host exactly as a deploy does, with the same SSH configuration, keys,
jump hosts and sudo; nothing has to be set up twice.
"""

import shlex
from threading import BoundedSemaphore
from typing import Any

import testinfra.host
from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError
from testinfra.backend.base import BaseBackend, CommandResult

from smtp_auth.on_host.channel import Answer, Limits, NoAnswer
from smtp_auth.on_host.packing import PERL
from smtp_auth.on_host.programs import shell_program
from smtp_auth.runs.channel import channel_to
from smtp_auth.verify.target import Target, Unseen, observer

# How many commands run at the same time over one connection; sshd's MaxSessions is 10.
_CHANNELS = 4


@observer
def connection_error(target: Target) -> str:
    """Why the host cannot be reached over SSH; empty if it can."""
    try:
        target.host.connect(show_errors=False, raise_exceptions=True)
    except ConnectError as error:
        return str(error)
    return ""


@observer
def connected(target: Target) -> "Connection":
    """The connection. Raises `Unseen` if the host cannot be reached."""
    if target.see(connection_error):
        raise Unseen("the host cannot be reached over SSH", "the host is reached over ssh")
    return Connection(target.host)


def on(target: Target) -> testinfra.host.Host:
    """testinfra's host."""
    connection = target.see(connected)
    host = testinfra.host.Host(connection)
    connection.set_host(host)
    return host


class Connection(BaseBackend):  # type: ignore[misc]
    """A backend of testinfra."""

    NAME = "pyinfra"

    def __init__(self, host: Host) -> None:
        super().__init__(host.name)
        self._pyinfra = host
        self._channels = BoundedSemaphore(_CHANNELS)

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a command for testinfra, with the arguments quoted in place of each `%s`."""
        return self.execute(self.quote(command, *args))

    def ask(self, command: str, stdin: str, limits: Limits) -> Answer:
        """The connection as a channel of `on_host`."""
        with self._channels:
            return channel_to(self._pyinfra)(command, stdin, limits)

    def execute(self, command: str) -> CommandResult:
        """Run a shell command as the host's data says: as root, with sudo, and so on."""
        # A channel does not return the exit status, so the command prints it at the end.
        program = shell_program(f"( {command}\n); printf '\\n%s' $?")
        answer = self.ask(shlex.join(PERL), program, Limits())
        *lines, status = answer.lines or [""]
        if not status.isdigit():
            raise NoAnswer(f"a command is incomplete: {answer.complaint}")
        errors = "".join(f"{line}\n" for line in answer.complaints)
        return self.result(int(status), self.encode(command), "\n".join(lines), errors)
