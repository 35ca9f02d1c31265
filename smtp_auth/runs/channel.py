"""Channels over pyinfra's own connections, with a deploy's SSH configuration, keys, jump hosts and sudo."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from weakref import WeakSet

from paramiko import ChannelException, SSHException
from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.util import CommandOutput

from smtp_auth.on_host.causes import needs_password, not_begun
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer, NotAllowed
from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.sudo import Answering, new_prompt, typed_password, without_prompts

Found = TypeVar("Found")

pyinfra_internals.hold_dialogues()

# What is printed before this line is the login shell's.
_BEGINS = "smtp-auth begins"

# Before every command. A start-up file may print a line without its end.
_FIRST = f"export LC_ALL=C && echo && echo {_BEGINS} && "

# How many seconds a host may refuse its first session, and how often it is asked. With MaxSessions 1, sshd
# refuses one while it still counts the last, or while another command runs.
_AT_FIRST, _PAUSE = 10.0, 0.05

# paramiko logs each refused session, and raises it, too.
logging.getLogger("paramiko.transport").addFilter(lambda record: "open FAILED" not in record.getMessage())


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
        password = _password_for_sudo(host, given)
        # The host's data may set an earlier deadline.
        seconds = min(given.get("_timeout") or limits.seconds, limits.seconds)

        def run_once() -> CommandOutput:
            prompt = new_prompt() if password else ""
            line = pyinfra_internals.command_for_sudo(_FIRST + command, given, prompt)
            if given.get("_sudo"):
                # If the command failed, pyinfra would ask for sudo's password, for each host.
                line = StringCommand(line, ";", "true")
            told = Answering(prompt, password, _BEGINS, stdin) if password else stdin
            options = {"_shell_executable": None, "_stdin": told, "_timeout": seconds}
            return host.run_shell_command(line, **shows, **options)[1]

        try:
            output = _in_a_session(host, run_once, seconds)
            if given.get("_sudo") and not password and needs_password(output.output):
                password = typed_password(asking=True)
                output = _in_a_session(host, run_once, seconds) if password else output
        except PyinfraError as error:
            raise NoAnswer(f"pyinfra cannot run a command: {error}") from None
        except (OSError, EOFError, SSHException) as error:
            # A TimeoutError of the connection has an error number; that of the deadline has none.
            if isinstance(error, TimeoutError) and not error.args:
                raise NoAnswer(f"the host gave no complete answer within {seconds:g} seconds") from None
            raise NoAnswer(f"the connection was lost: {str(error) or type(error).__name__}") from None
        _answering.add(host)
        answer = _answer(output)
        limits.check(answer)
        return answer

    return run


def _password_for_sudo(host: Host, given: dict[str, Any]) -> str:
    """Take the passwords out of a command's arguments. Returns that of sudo; empty if it has none."""
    of_su, of_sudo = given.pop("_su_password", None), given.pop("_sudo_password", None)
    if of_su and given.get("_su_user"):
        raise NotAllowed(
            "a password is sent to sudo alone, and _su_password is for su: use _sudo for this host, or set "
            "ssh_user to 'root'"
        )
    if not given.get("_sudo"):
        return ""
    if pyinfra_internals.transport_of(host):
        return str(of_sudo or typed_password())
    if of_sudo:
        raise NotAllowed(
            "a password of sudo is sent over SSH alone: write 'ACCOUNT ALL=(ALL) NOPASSWD: ALL' with visudo "
            "on this host, and delete _sudo_password"
        )
    return ""


# The hosts that have run a command: sshd does open sessions there.
_answering: WeakSet[Host] = WeakSet()


def _in_a_session(host: Host, run: Callable[[], Found], seconds: float) -> Found:
    """Run a command, as soon as sshd opens a session for it. A refused session has run nothing."""
    began = time.monotonic()
    while True:
        try:
            return run()
        except SSHException as error:
            if not _is_refused(host, error):
                raise
            if time.monotonic() - began > (seconds if host in _answering else _AT_FIRST):
                raise NotAllowed(
                    "sshd on this host opens no session: set MaxSessions to 1 or more in /etc/ssh/sshd_config"
                ) from None
        time.sleep(_PAUSE)


def _is_refused(host: Host, error: SSHException) -> bool:
    """Whether sshd has refused a session. Of several at a time, paramiko says so to only one."""
    if isinstance(error, ChannelException):
        return True
    transport = pyinfra_internals.transport_of(host)
    return str(error) == "Unable to open channel." and transport is not None and transport.is_active()


def _answer(output: CommandOutput) -> Answer:
    printed, complaints = output.stdout_lines, [*map(without_prompts, output.stderr_lines)]
    if _BEGINS not in printed:
        raise NotAllowed(not_begun(printed, complaints))
    begun = printed.index(_BEGINS) + 1
    return Answer(tuple(printed[begun:]), tuple(complaints))


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
