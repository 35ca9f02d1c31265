"""A shell that stays open: its program runs here, over a channel that a test plays."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.os import tp_read
from gevent.pool import Pool
from paramiko.buffered_pipe import BufferedPipe
from pyinfra.api import Host

from smtp_auth.on_host.channel import Answer, NoAnswer
from smtp_auth.runs.channel import Talk
from smtp_auth.verify import shell as module
from smtp_auth.verify.shell import Shell
from tests.unit.test_channel import this_machine


class Program:
    """The program that a channel has started: this one runs on this machine. `ends`: how to end it"""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["perl", "-x", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def sendall(self, data: bytes) -> None:
        self._stdin.write(data)
        self._stdin.flush()

    def recv(self, size: int) -> bytes:
        # Others go on while this waits, as with paramiko's channels.
        return bytes(tp_read(self._stdout.fileno(), size))

    def shutdown_write(self) -> None:
        self._stdin.close()

    def end(self) -> None:
        self._process.kill()

    def gone(self) -> bool:
        return self._process.wait(timeout=60) == 0

    def lose(self) -> None:
        """The connection is lost."""
        self._stdin.close()
        self._stdout.close()


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """What a host over SSH runs."""
    found = Program()
    monkeypatch.setattr(module, "transport_of", lambda _host: "over SSH")

    def converse(_host: Host, _command: str, talk: Talk) -> Answer:
        talk.talk(found)  # type: ignore[arg-type]
        return Answer(complaints=("out of memory",))

    monkeypatch.setattr(module, "converse", converse)
    yield found
    found.end()


@pytest.fixture
def host() -> Host:
    return this_machine()


OUTPUTS = {
    "printf '%s' a": (0, "a", ""),
    "echo 'two\nlines'; echo no >&2; exit 3": (3, "two\nlines\n", "no\n"),
    "printf '\\303\\251\\377%%0A\\t'": (0, "é\\xff%0A\t", ""),
    "kill -TERM $$": (128 + 15, "", ""),
    "exec nothing-like-it 2>/dev/null": (127, "", ""),
    "cat": (0, "", ""),
    # More than a pipe holds, on both, at the same time.
    "yes a | head -c 300000; yes b | head -c 300000 >&2": (0, "a\n" * 150000, "b\n" * 150000),
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_command_is_run_over_ssh_and_without(command: str, host: Host, program: Program) -> None:
    assert Shell(host).run(command) == OUTPUTS[command]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "transport_of", lambda _host: None)
        assert Shell(host).run(command) == OUTPUTS[command]


def test_commands_run_side_by_side(host: Host, program: Program, tmp_path: Path) -> None:
    """Each waits for a file that another one writes."""
    files = [tmp_path / str(number) for number in range(4)]
    shell = Shell(host)

    def meet(number: int) -> str:
        wait = f"until [ -e {files[number - 1]} ]; do :; done"
        return shell.run(f"touch {files[number]}; {wait}; yes {number} | head -c 200000").output

    found = Pool(4).map(meet, range(4))
    assert found == [f"{number}\n" * 100000 for number in range(4)]


def test_it_ends_when_it_is_closed(host: Host, program: Program) -> None:
    shell = Shell(host)
    shell.run("true")
    shell.close()
    assert program.gone()


def test_a_shell_that_dies_is_told(host: Host, program: Program) -> None:
    shell = Shell(host)
    shell.run("true")
    with pytest.raises(NoAnswer, match="the shell on the host has ended: out of memory"):
        shell.run("kill -9 $(awk '/^PPid/ {print $2}' /proc/$PPID/status) $PPID")
    with pytest.raises(NoAnswer, match="the shell on the host has ended"):
        shell.run("true")


def test_nothing_stays_on_a_host_whose_connection_is_lost(
    host: Host, program: Program, tmp_path: Path
) -> None:
    """Several commands have something to say, and nobody reads it."""
    go, begun = tmp_path / "go", [tmp_path / str(number) for number in range(3)]
    commands = [
        f"touch {file}; until [ -e {go} ]; do sleep 0.01; done; yes | head -c 200000" for file in begun
    ]
    shell = Shell(host)
    for command in commands:
        gevent.spawn(shell.run, command)
    while not all(file.exists() for file in begun):
        gevent.sleep(0.01)
    program.lose()
    go.touch()
    assert program.gone()


class Begun:
    """A channel that has received this so far, and then nothing any more."""

    closed = False

    def __init__(self, printed: str) -> None:
        self.in_buffer: Any = BufferedPipe()
        self.in_stderr_buffer: Any = BufferedPipe()
        self.in_buffer.feed(printed.encode())
        self.eof_received = True

    def recv(self, size: int) -> bytes:
        return bytes(self.in_buffer.read(size))


class Listening(Talk):
    """Takes what comes after the command has begun."""

    said = b""

    def talk(self, channel: Any) -> None:
        self.said = channel.recv(100)


@pytest.mark.parametrize(
    ("printed", "has_begun", "said"),
    [
        ("Welcome\nsmtp-auth begins\nfirst", True, b"first"),
        ("Welcome\n", False, b""),
    ],
)
def test_a_talk_begins_behind_what_a_login_shell_prints(printed: str, has_begun: bool, said: bytes) -> None:
    talk, channel = Listening(), Begun(printed)
    assert talk.hold(channel) == ""  # type: ignore[arg-type]
    assert (talk.has_begun, talk.said) == (has_begun, said)
    # pyinfra reads what was printed instead: it says why nothing has begun.
    assert channel.in_buffer.read_ready() is (not has_begun)
