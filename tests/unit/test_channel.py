"""Commands over pyinfra's connection: what they print, and when there is no answer."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from paramiko import ChannelException, SSHException
from paramiko.buffered_pipe import BufferedPipe
from pyinfra.api import Config, Host, Inventory, State, StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.util import CommandOutput, OutputLine

from smtp_auth.on_host.channel import Limits, NoAnswer, NotAllowed
from smtp_auth.runs import channel, pyinfra_internals, sudo
from smtp_auth.runs.bounds import wire_of
from smtp_auth.runs.channel import channel_to, connect_again, disconnect
from smtp_auth.runs.sudo import Answering

LIMITS = Limits(seconds=20, octets=10_000)


def this_machine(**data: Any) -> Host:
    inventory = Inventory((["@local"], data))
    State(inventory, Config())
    host: Host = inventory.get_host("@local")
    return host


def _printed(*lines: str) -> CommandOutput:
    return CommandOutput([OutputLine("stdout", line) for line in lines])


def test_a_command_reads_its_program_and_its_output_and_complaints_are_apart() -> None:
    answer = channel_to(this_machine())("sh -s a", "echo \"$1 'b'\"\necho c >&2\nexit 1\n", LIMITS)
    assert (answer.lines, answer.complaints) == (("a 'b'",), ("c",))


def test_a_host_that_is_disconnected_holds_no_connection() -> None:
    host, transport = this_machine(), MagicMock()
    wire_of(host).add(transport)
    disconnect(host)
    transport.close.assert_called_once_with()
    assert not host.connected


def test_a_host_that_was_given_up_is_asked_again_once_it_is_disconnected() -> None:
    host = this_machine()
    for command in ("seq 1000", "echo works"):
        with pytest.raises(NoAnswer, match="the host printed more than the 10000 bytes"):
            channel_to(host)("sh -s", command, LIMITS)
    disconnect(host)
    assert channel_to(host)("sh -s", "echo works", LIMITS).lines == ("works",)


def test_a_command_runs_as_the_hosts_data_says() -> None:
    answer = channel_to(this_machine(_env={"KEY": "value"}))("sh -s", 'echo "$KEY"', LIMITS)
    assert answer.lines == ("value",)


def test_an_operations_arguments_win() -> None:
    channel = channel_to(this_machine(_env={"KEY": "value"}), {"_env": {"KEY": "other"}})
    assert channel("sh -s", 'echo "$KEY"', LIMITS).lines == ("other",)


def test_what_the_login_shell_prints_is_no_part_of_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    output = _printed("A banner", "", "smtp-auth begins", "the answer")
    host = this_machine()
    monkeypatch.setattr(host, "run_shell_command", lambda *_words, **_options: (True, output))
    assert channel_to(host)("true", "", LIMITS).lines == ("the answer",)


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        (("Log in as admin",), "the host did not run the command.*: Log in as admin$"),
        ((), "the host ended the session before the command began"),
    ],
)
def test_a_command_that_does_not_begin_is_not_allowed(
    printed: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = this_machine()
    monkeypatch.setattr(host, "run_shell_command", lambda *_words, **_options: (True, _printed(*printed)))
    with pytest.raises(NotAllowed, match=sentence):
        channel_to(host)("true", "", LIMITS)


def test_a_password_is_not_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    host = this_machine(_sudo=True, _sudo_password="a secret", _get_pty=True)
    monkeypatch.setattr(pyinfra_internals, "transport_of", lambda _host: "transport")
    ran: list[tuple[str, dict[str, Any]]] = []

    def run(command: StringCommand, **options: Any) -> tuple[bool, CommandOutput]:
        ran.append((command.get_raw_value(), options))
        return True, _printed("smtp-auth begins")

    monkeypatch.setattr(host, "run_shell_command", run)
    channel_to(host)("perl -x -", "#!perl\n", LIMITS)
    [(command, options)] = ran
    assert "secret" not in command
    assert isinstance(options["_stdin"], Answering)
    assert "_sudo_password" not in options
    # A terminal would show the program, and end it at a control character.
    assert "_get_pty" not in options


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"_sudo": True, "_sudo_password": "x"}, "a password of sudo is sent over SSH alone: .*NOPASSWD"),
        ({"_sudo": True, "_sudo_password": "x\n"}, "_sudo_password has a line end"),
        ({"_sudo": True, "_sudo_password": "x\nrm -r /"}, "_sudo_password has a line end"),
        ({"_su_user": "root", "_su_password": "x"}, "a password is sent to sudo alone, and _su_password"),
    ],
)
def test_no_other_way_sends_a_password(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NotAllowed, match=sentence):
        channel_to(this_machine(**data))("true", "", LIMITS)


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MagicMock]:
    """A sudo that asks for a password; and the function that asks for it on the terminal."""
    program = tmp_path / "sudo"
    program.write_text("#!/bin/sh\necho sudo: a password is required >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    getpass = MagicMock(return_value="typed")
    monkeypatch.setattr("getpass.getpass", getpass)
    monkeypatch.setattr("pyinfra.connectors.util.getpass", MagicMock(side_effect=AssertionError))
    yield getpass
    sudo._typed.clear()


def test_nobody_is_asked_for_a_password_without_a_terminal(asking: MagicMock) -> None:
    with pytest.raises(NotAllowed, match=r"sudo on this host asks for a password.*NOPASSWD"):
        channel_to(this_machine(_sudo=True))("true", "", LIMITS)
    asking.assert_not_called()


@pytest.mark.parametrize("answer", [EOFError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, ""), [""]])
def test_no_answer_is_no_password_and_nobody_is_asked_again(
    asking: MagicMock, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    asking.side_effect = answer
    for _ in range(2):
        with pytest.raises(NotAllowed, match=r"sudo on this host asks for a password.*NOPASSWD"):
            channel_to(this_machine(_sudo=True))("true", "", LIMITS)
    asking.assert_called_once()


def test_a_password_is_asked_for_once(asking: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    used: list[str] = []

    def run(_line: StringCommand, *, _stdin: Any, **_options: Any) -> tuple[bool, CommandOutput]:
        used.append(_stdin._password if isinstance(_stdin, Answering) else "")
        required = CommandOutput([OutputLine("stderr", "sudo: a password is required")])
        return True, _printed("smtp-auth begins") if used[-1] else required

    for _ in range(2):
        host = this_machine(_sudo=True)
        monkeypatch.setattr(host, "run_shell_command", run)
        channel_to(host)("true", "", LIMITS)
        # So that the second one is asked in the same way.
        monkeypatch.setattr(pyinfra_internals, "transport_of", lambda _host: "transport")
    assert used == ["", "typed", "typed"]
    asking.assert_called_once()


class _Sudo:
    """A channel to a sudo that says this, step by step: at the start, and after each line that it reads."""

    closed = eof_received = False

    def __init__(self, *steps: str) -> None:
        self.in_buffer: Any = BufferedPipe()
        self.in_stderr_buffer: Any = BufferedPipe()
        self._steps, self.read = [*steps], b""
        self._say()

    def sendall(self, told: bytes) -> None:
        self.read += told
        self._say()

    def _say(self) -> None:
        step = self._steps.pop(0)
        (self.in_buffer if "begins" in step else self.in_stderr_buffer).feed(step.encode())
        self.eof_received = step == ""


@pytest.mark.parametrize(
    ("steps", "read", "told"),
    [
        (["Welcome.\n\nbegins\n"], b"", "program"),
        (["A lecture.\nprompt", "\nbegins\n"], b"secret\n", "program"),
        (["prompt", "Sorry, try again.\nprompt"], b"secret\n", ""),
        (["prompt", ""], b"secret\n", ""),
        ([""], b"", ""),
    ],
    ids=["it needs none", "it asks", "it asks again", "it ends", "it ends at once"],
)
def test_sudo_alone_reads_the_password(steps: list[str], read: bytes, told: str) -> None:
    channel = _Sudo(*steps)
    assert Answering("prompt", "secret", "begins", "program").hold(channel) == told  # type: ignore[arg-type]
    assert channel.read == read


def test_what_asks_in_its_own_way_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sudo, "_SECONDS", 0.1)
    channel = _Sudo("Verification code: ")
    assert Answering("prompt", "secret", "begins", "program").hold(channel) == ""  # type: ignore[arg-type]
    assert channel.read == b""


def test_a_prompt_is_no_part_of_what_a_command_says() -> None:
    assert sudo.without_prompts(f"{sudo.new_prompt()}{sudo.new_prompt()}perl: x") == "perl: x"


class Terminal(io.StringIO):
    """A standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "error", [ChannelException(2, "Connect failed"), SSHException("Unable to open channel.")]
)
def test_a_session_that_is_refused_is_asked_for_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = this_machine()
    refusals = [error, error]

    def run(*_words: object, **_options: object) -> tuple[bool, CommandOutput]:
        if refusals:
            raise refusals.pop()
        return True, _printed("smtp-auth begins", "the answer")

    monkeypatch.setattr(host, "run_shell_command", run)
    monkeypatch.setattr(pyinfra_internals, "transport_of", lambda _host: MagicMock())
    assert channel_to(host)("true", "", LIMITS).lines == ("the answer",)


def test_a_host_without_sessions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    host = this_machine()
    monkeypatch.setattr(
        host, "run_shell_command", MagicMock(side_effect=ChannelException(2, "Connect failed"))
    )
    monkeypatch.setattr(channel, "_AT_FIRST", 0.1)
    with pytest.raises(NotAllowed, match="sshd on this host opens no session: set MaxSessions to 1 or more"):
        channel_to(host)("true", "", LIMITS)


def test_an_error_of_pyinfra_is_that_hosts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    host = this_machine()
    monkeypatch.setattr(host, "run_shell_command", MagicMock(side_effect=PyinfraError("no container")))
    with pytest.raises(NoAnswer, match="pyinfra cannot run a command: no container"):
        channel_to(host)("true", "", LIMITS)


@pytest.mark.parametrize(("data", "seconds"), [({}, 0.2), ({"_timeout": 0.1}, 20)])
def test_a_deadline_is_kept(data: dict[str, float], seconds: float) -> None:
    with pytest.raises(NoAnswer, match=r"no complete answer within 0\.[12] seconds"):
        channel_to(this_machine(**data))("sh -s", "sleep 2", Limits(seconds=seconds))


def test_too_large_an_answer_is_none() -> None:
    with pytest.raises(NoAnswer, match="the host printed more than the 10000 bytes that are read"):
        channel_to(this_machine())("sh -s", "seq 1000", LIMITS)


LOST = [OSError("reset"), TimeoutError(110, "reset"), EOFError(), SSHException("Unable to open channel.")]


@pytest.mark.parametrize("error", LOST)
def test_a_lost_connection_is_no_answer(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    host = this_machine()

    def lose(*_words: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(host, "run_shell_command", lose)
    with pytest.raises(NoAnswer, match=r"the connection was lost: (.*reset|EOFError|Unable.*)"):
        channel_to(host)("true", "", LIMITS)


def test_a_host_that_is_not_reached_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    host = this_machine()

    def refuse() -> None:
        raise ConnectError("timed out")

    monkeypatch.setattr(host.connector, "connect", refuse)
    with pytest.raises(NoAnswer, match=r"^not reached: timed out$"):
        channel_to(host)("true", "", LIMITS)
    host.connected = True
    with pytest.raises(NoAnswer, match=r"^timed out$"):
        connect_again(host, "to try")
