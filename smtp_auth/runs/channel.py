"""Channels over pyinfra's own connections, with a deploy's SSH configuration, keys, jump hosts and sudo."""

from collections.abc import Mapping
from typing import Any

from paramiko import SSHException
from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import ConnectError

from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer
from smtp_auth.runs import pyinfra_internals


def channel_to(host: Host, arguments: Mapping[str, Any] | None = None) -> Channel:
    """The channel to a host. It connects if the host is not connected yet.

    + arguments: how commands run, as pyinfra gives them to an operation's command; `None`: as in the host's
      data
    """
    state = host.state
    # pyinfra shows the commands and the output of facts and of operations at different levels of -v.
    if arguments is None:
        shows = {"print_output": state.print_fact_output, "print_input": state.print_fact_input}
    else:
        shows = {"print_output": state.print_output, "print_input": state.print_input}

    def run(command: str, stdin: str, limits: Limits) -> Answer:
        _connect(host)
        given = dict(pyinfra_internals.connector_arguments(host) if arguments is None else arguments)
        # The host's data may set an earlier deadline.
        seconds = min(given.get("_timeout") or limits.seconds, limits.seconds)
        given |= {"_stdin": stdin, "_timeout": seconds}
        try:
            _, output = host.run_shell_command(StringCommand(command), **shows, **given)
        except (OSError, EOFError, SSHException) as error:
            # A TimeoutError of the connection has an error number; that of the deadline has none.
            if isinstance(error, TimeoutError) and not error.args:
                raise NoAnswer(f"the host gave no complete answer within {seconds:g} seconds") from None
            raise NoAnswer(f"the connection was lost: {str(error) or type(error).__name__}") from None
        answer = Answer(tuple(output.stdout_lines), tuple(output.stderr_lines))
        limits.check(answer)
        return answer

    return run


def connect_again(host: Host, reason: str) -> None:
    """Connect again to a host whose connection was lost. Raises `NoAnswer` if that fails."""
    try:
        pyinfra_internals.connect_again(host, reason)
    except ConnectError as error:
        raise NoAnswer(str(error)) from None


def _connect(host: Host) -> None:
    try:
        host.connect(show_errors=False, raise_exceptions=True)
    except ConnectError as error:
        raise NoAnswer(f"not reached: {error}") from None
