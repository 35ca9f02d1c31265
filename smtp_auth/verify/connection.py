"""testinfra over pyinfra's own connection to a host.

Verification therefore connects to a host exactly as a deploy does, with the same SSH configuration, keys,
jump hosts and sudo; nothing has to be set up twice. It needs two SSH sessions: one for the look of a deploy,
and then one for the commands of testinfra.
"""

from contextlib import suppress
from typing import Any

import testinfra.host
from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError
from testinfra.backend.base import BaseBackend, CommandResult

from smtp_auth.facts.look import Look
from smtp_auth.on_host.asking import look_at
from smtp_auth.runs.channel import channel_to, disconnect
from smtp_auth.verify.shell import Shell
from smtp_auth.verify.target import Target, Unseen, observer


@observer
def connection_error(target: Target) -> str:
    """Why the host cannot be reached over SSH; empty if it can."""
    try:
        target.host.connect(show_errors=False, raise_exceptions=True)
    except ConnectError as error:
        return str(error)
    return ""


@observer
def look(target: Target) -> Look:
    """The same look at the host as in a deploy, with some more parameters."""
    _reach(target)
    return look_at(channel_to(target.host), target.settings, target.steps, _ASKED_TOO)


# Parameters that the deploy does not need. Older releases do not know the last two.
_ASKED_TOO = (
    "maillog_file",
    "mynetworks",
    "smtpd_forbid_bare_newline",
    "smtpd_forbid_bare_newline_exclusions",
)


@observer
def connected(target: Target) -> testinfra.host.Host:
    """testinfra's host. Raises `Unseen` if the host cannot be reached."""
    _reach(target)
    # sshd may allow one session at a time (MaxSessions 1). That of the look ends by itself.
    with suppress(Exception):
        target.see(look)
    connection = _Connection(target.host)
    host = testinfra.host.Host(connection)
    connection.set_host(host)
    return host


def _reach(target: Target) -> None:
    if target.see(connection_error):
        raise Unseen("the host cannot be reached over SSH", "the host is reached over ssh")


def on(target: Target) -> testinfra.host.Host:
    """testinfra's host, as seen by the first one who needed it: it remembers what it has found out."""
    return target.see(connected)


def leave(target: Target) -> None:
    """End the connection to a host of which all has been seen."""
    if target.has_seen(connected):
        with suppress(Unseen):
            on(target).backend.close()
    disconnect(target.host)


class _Connection(BaseBackend):  # type: ignore[misc]
    """A backend of testinfra."""

    NAME = "pyinfra"

    def __init__(self, host: Host) -> None:
        super().__init__(host.name)
        self._shell = Shell(host)

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a command for testinfra, with the arguments quoted in place of each `%s`."""
        command = self.quote(command, *args)
        ended = self._shell.run(command)
        return self.result(ended.status, self.encode(command), ended.output, ended.complaints)

    def close(self) -> None:
        """End the session of the commands."""
        self._shell.close()
