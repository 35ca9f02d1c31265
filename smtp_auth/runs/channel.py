"""Channels over pyinfra's own connections, with a deploy's SSH configuration, keys, jump hosts and sudo."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar
from weakref import WeakSet

from paramiko import Channel as SshChannel
from paramiko import ChannelException, SSHException
from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.util import CommandOutput

from smtp_auth.on_host.causes import needs_password, not_begun
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer, NotAllowed, NotReached
from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.bounds import TooLate, TooMuch, read_within, wire_of
from smtp_auth.runs.host_settings import seconds_of
from smtp_auth.runs.sudo import Answering, new_prompt, typed_password, without_prompts

Found = TypeVar("Found")

pyinfra_internals.hold_dialogues()
pyinfra_internals.allow_unread_input()

# What is printed before this line is the login shell's.
_BEGINS = "smtp-auth begins"

# Before every command. A start-up file may print a line without its end.
_FIRST = f"export LC_ALL=C && echo && echo {_BEGINS} && "

# How many seconds a host may refuse its first session, and how often it is asked. With MaxSessions 1, sshd
# refuses one while it still counts the last, or while another command runs.
_AT_FIRST, _PAUSE = 10.0, 0.05


def channel_to(host: Host, arguments: Mapping[str, Any] | None = None) -> Channel:
    """The channel to a host. It connects if the host is not connected yet.

    + arguments: how commands run, as pyinfra gives them to an operation's command; `None`: as in the host's
      data
    """
    state = host.state
    # pyinfra shows the commands and the output of facts and of operations at different levels of -v.
    shows = _as_a_fact(host)
    if arguments is not None:
        shows = {"print_output": state.print_output, "print_input": state.print_input}

    @cache
    def as_asked() -> Mapping[str, Any]:
        return pyinfra_internals.connector_arguments(host) if arguments is None else arguments

    def run(command: str, stdin: str, limits: Limits) -> Answer:
        return _answer(_run(host, as_asked(), shows, command, stdin, limits))

    return run


def converse(host: Host, command: str, talk: "Talk") -> Answer:
    """Run a command over SSH, and let somebody talk to it until they or it have had enough.

    Returns what it prints after the talk, and on standard error. Raises as a channel does: also if the
    command does not begin. The host may take any time, but may not be silent.
    """
    shows = _as_a_fact(host)
    limits = Limits(seconds=float("inf"))
    output = _run(host, pyinfra_internals.connector_arguments(host), shows, command, talk, limits)
    if not talk.has_begun:
        return _answer(output)
    return Answer(tuple(output.stdout_lines), tuple(output.stderr_lines))


def _as_a_fact(host: Host) -> dict[str, bool]:
    """What pyinfra shows of a command that only reads."""
    return {"print_output": host.state.print_fact_output, "print_input": host.state.print_fact_input}


class Talk(pyinfra_internals.Dialogue):
    """Standard input and output of a command that has begun.

    + has_begun: whether it has
    """

    has_begun = False

    def hold(self, channel: SshChannel) -> str:
        """Wait until the command has begun, and talk to it."""
        begins = f"{_BEGINS}\n".encode()
        while begins not in (printed := pyinfra_internals.received(channel)[0]):
            if channel.closed or channel.eof_received:
                # What it has printed is left to be read.
                return ""
            time.sleep(_PAUSE)
        self.has_begun = True
        left = printed.index(begins) + len(begins)
        while left:
            left -= len(channel.recv(left))
        self.talk(channel)
        return ""

    def talk(self, channel: SshChannel) -> None:
        """Talk to the command, until it has ended."""
        raise NotImplementedError


def _run(
    host: Host,
    asked: Mapping[str, Any],
    shows: Mapping[str, bool],
    command: str,
    stdin: "str | Talk",
    limits: Limits,
) -> CommandOutput:
    """What a command prints. + asked: how commands run on the host; + shows: what pyinfra shows of it"""
    wire = wire_of(host)
    if wire.given_up:
        raise NoAnswer(wire.given_up)
    connect(host)
    given = dict(asked)
    password = _password_for_sudo(host, given)
    seconds = limits.seconds or seconds_of(host)
    if isinstance(stdin, str):
        # The host's data may set an earlier deadline for all commands.
        seconds = min(given.get("_timeout") or seconds, seconds)

    def run_once() -> CommandOutput:
        prompt = new_prompt() if password else ""
        line = pyinfra_internals.command_for_sudo(_FIRST + command, given, prompt)
        if given.get("_sudo"):
            # If the command failed, pyinfra would ask for sudo's password, for each host.
            line = StringCommand(line, ";", "true")
        told = Answering(prompt, password, _BEGINS, stdin) if password else stdin
        options = {"_shell_executable": None, "_stdin": told, "_timeout": None}
        return host.run_shell_command(line, **shows, **options)[1]

    def read_once(left: float) -> CommandOutput:
        return _read(host, left, limits.octets, run_once)

    output = _in_a_session(host, read_once, seconds)
    if given.get("_sudo") and not password and needs_password(output.output):
        password = typed_password(asking=True)
        output = _in_a_session(host, read_once, seconds) if password else output
    _answering.add(host)
    return output


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
    if len(str(of_sudo or "").splitlines()) > 1 or str(of_sudo or "").endswith(("\n", "\r")):
        # sudo reads one line; the program behind it would read the rest.
        raise NotAllowed(
            "_sudo_password has a line end, and sudo reads one line: delete it, as with .strip() behind what "
            "is read from a file"
        )
    if pyinfra_internals.transport_of(host):
        return str(of_sudo or typed_password())
    if of_sudo:
        raise NotAllowed(
            "a password of sudo is sent over SSH alone: write 'ACCOUNT ALL=(ALL) NOPASSWD: ALL' with visudo "
            "on this host, and delete _sudo_password"
        )
    return ""


def _read(host: Host, seconds: float, octets: int, run: Callable[[], CommandOutput]) -> CommandOutput:
    """What a command prints. Raises `NoAnswer`, and `SSHException` if sshd has refused a session for it."""
    try:
        output = read_within(host, seconds, octets, run)
    except TooLate as late:
        if late.is_silent:
            raise _given_up(
                host, NoAnswer(f"the host has sent nothing for {late.seconds:g} seconds")
            ) from None
        why = NoAnswer(
            f"the host gave no complete answer within {late.seconds:g} seconds: find out what it waits for; "
            "if it is only slow, set host_seconds to more"
        )
        raise _given_up(host, why) from None
    except TooMuch:
        why = NoAnswer(
            f"the host printed more than the {octets} bytes that are read: a start-up file of the login "
            "shell may print without an end ('ssh HOST echo works' shows whether it does)"
        )
        raise _given_up(host, why) from None
    except PyinfraError as error:
        raise NoAnswer(f"pyinfra cannot run a command: {error}") from None
    except Exception as error:
        if isinstance(error, SSHException) and _is_refused(host, error):
            raise
        # paramiko raises any exception that a host's bytes cause.
        why = NoAnswer(f"the connection was lost: {str(error) or type(error).__name__}")
        raise (why if _is_connected(host) else _given_up(host, why)) from None
    if wire_of(host).given_up:
        # Another answer was too late or too large, and this one was cut off.
        raise NoAnswer(wire_of(host).given_up)
    return output


def _given_up(host: Host, why: NoAnswer) -> NoAnswer:
    """Ask nothing of a host any more: to wait for each further answer would take as long again.

    Returns why it was given up: of answers that are waited for at the same time, the first one counts.
    """
    wire = wire_of(host)
    wire.given_up = wire.given_up or str(why)
    wire.close()
    return NoAnswer(wire.given_up)


def _is_connected(host: Host) -> bool:
    transport = pyinfra_internals.transport_of(host)
    return transport is None or transport.is_active()


# The hosts that have run a command: sshd does open sessions there.
_answering: WeakSet[Host] = WeakSet()


def _in_a_session(host: Host, run: Callable[[float], Found], seconds: float) -> Found:
    """Run a command, as soon as sshd opens a session for it. A refused session has run nothing.

    + run: is called with the seconds that are left
    """
    began, passed = time.monotonic(), 0.0
    while True:
        try:
            return run(max(seconds - passed, _PAUSE))
        except SSHException:
            passed = time.monotonic() - began
            if passed > (seconds if host in _answering else min(seconds, _AT_FIRST)):
                raise NotAllowed(
                    "sshd on this host opens no session: set MaxSessions to 1 or more in /etc/ssh/sshd_config"
                ) from None
        time.sleep(_PAUSE)


def _is_refused(host: Host, error: SSHException) -> bool:
    """Whether sshd has refused a session. Of several at a time, paramiko says so to only one."""
    if isinstance(error, ChannelException):
        return True
    has_transport = pyinfra_internals.transport_of(host) is not None
    return str(error) == "Unable to open channel." and has_transport and _is_connected(host)


def _answer(output: CommandOutput) -> Answer:
    printed, complaints = output.stdout_lines, [*map(without_prompts, output.stderr_lines)]
    if _BEGINS not in printed:
        raise NotAllowed(not_begun(printed, complaints))
    begun = printed.index(_BEGINS) + 1
    return Answer(tuple(printed[begun:]), tuple(complaints))


def connect_again(host: Host, reason: str) -> None:
    """Connect again to a host whose connection was lost. Raises `NoAnswer` if that fails."""
    wire_of(host).open_again()
    try:
        pyinfra_internals.connect_again(host, reason)
    except ConnectError as error:
        raise NoAnswer(str(error)) from None


def disconnect(host: Host) -> None:
    """End the connection to a host, whose answers are known: it raises nothing.

    By itself, pyinfra leaves a connection over SSH open until the run ends. A host that was given up may be
    connected to again later, as to take back its change.
    """
    with suppress(Exception):
        host.disconnect()
    wire_of(host).open_again()


def connect(host: Host) -> None:
    """Connect to a host if it is not connected yet. Raises `NotReached`."""
    try:
        host.connect(show_errors=False, raise_exceptions=True)
    except ConnectError as error:
        raise NotReached(f"not reached: {error}") from error
