"""A shell on a host that stays open: each command costs a process there, and no SSH session of its own."""

from itertools import count
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore
from paramiko import Channel as SshChannel
from pyinfra.api import Host

from smtp_auth.on_host.channel import Limits, NoAnswer
from smtp_auth.on_host.packing import PERL
from smtp_auth.on_host.programs import shell_program
from smtp_auth.runs.bounds import wire_of
from smtp_auth.runs.channel import Talk, channel_to, connect, converse
from smtp_auth.runs.host_settings import seconds_of
from smtp_auth.runs.pyinfra_internals import connector_arguments, transport_of

# How many commands run at the same time.
_AT_ONCE = 4

_COMMAND = " ".join(PERL)

_PIECE = 65536


class Ended(NamedTuple):
    """What a command did. Its output is text as UTF-8, with other bytes as `\\xXX`."""

    status: int
    output: str
    complaints: str


class Shell:
    """Runs shell commands on a host as its data says: as root, with sudo, and so on.

    + host: over SSH, all commands need one session
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._turns = BoundedSemaphore(_AT_ONCE)
        self._session: _Session | None = None

    def run(self, command: str) -> Ended:
        """Run a command. Raises `NoAnswer`."""
        with self._turns:
            connect(self._host)
            if transport_of(self._host) is None:
                return self._run_alone(command)
            if self._session is None:
                self._session = _Session(self._host)
            return self._session.run(command)

    def close(self) -> None:
        """End the session."""
        if self._session:
            self._session.close()

    def _run_alone(self, command: str) -> Ended:
        told = f"{shell_program()}{_as_sent(0, command)}"
        answer = channel_to(self._host)(_COMMAND, told, Limits())
        for line in answer.lines:
            return _ended(line.partition("\t")[2])
        raise NoAnswer(f"a command is incomplete: {answer.complaint}")


class _Session(Talk):
    """One program on the host that runs all commands."""

    def __init__(self, host: Host) -> None:
        self._host = host
        # For one command. The host's data may set an earlier deadline.
        seconds = seconds_of(host)
        self._seconds = min(connector_arguments(host).get("_timeout") or seconds, seconds)
        self._numbers = count()
        self._channel: AsyncResult[SshChannel] = AsyncResult()
        self._waiting: dict[int, AsyncResult[Ended]] = {}
        self._over: NoAnswer | None = None
        # Nothing is sent while the mail servers are asked, which may take longer than a host may be silent.
        wire_of(host).ask_for_signs_of_life(seconds / 3)
        self._writing = BoundedSemaphore(1)
        self._serving = gevent.spawn(self._serve)

    def run(self, command: str) -> Ended:
        number, answer = next(self._numbers), AsyncResult()
        self._waiting[number] = answer
        if self._over:
            raise self._over
        try:
            channel = self._channel.get(timeout=self._seconds)
            with self._writing:
                channel.sendall(_as_sent(number, command).encode())
            ended: Ended = answer.get(timeout=self._seconds)
        except (gevent.Timeout, OSError) as error:
            if self._over:
                raise self._over from None
            why = str(error) if isinstance(error, OSError) else f"no answer within {self._seconds:g} seconds"
            raise NoAnswer(f"a command gave no answer: {why}") from None
        finally:
            self._waiting.pop(number, None)
        return ended

    def talk(self, channel: SshChannel) -> None:
        channel.sendall(shell_program().encode())
        self._channel.set(channel)
        begun = bytearray()
        while piece := channel.recv(_PIECE):
            *lines, rest = piece.split(b"\n")
            for line in lines:
                self._take((begun + line).decode("ascii", "replace"))
                begun.clear()
            begun += rest

    def close(self) -> None:
        if self._channel.ready() and self._channel.successful():
            self._channel.get().shutdown_write()
        else:
            self._serving.kill(block=False)

    def _serve(self) -> None:
        try:
            said = converse(self._host, _COMMAND, self)
            self._over = NoAnswer(f"the shell on the host has ended: {said.complaint}")
        except NoAnswer as error:
            self._over = error
        except Exception as error:
            # Whatever a host causes must not leave its commands waiting.
            self._over = NoAnswer(f"the shell on the host has ended: {type(error).__name__}: {error}")
        for one in (self._channel, *self._waiting.values()):
            if not one.ready():
                one.set_exception(self._over)

    def _take(self, line: str) -> None:
        number, _, value = line.partition("\t")
        if number.isdigit() and (answer := self._waiting.get(int(number))):
            answer.set(_ended(value))


def _as_sent(number: int, command: str) -> str:
    """A command as `SmtpAuth::Shell` reads it."""
    return f"{number} {len(command.encode())}\n{command}"


def _ended(value: str) -> Ended:
    head, _, said = unquote_to_bytes(value).partition(b"\n")
    status, length = map(int, head.split())
    return Ended(
        status, *(part.decode("utf-8", "backslashreplace") for part in (said[:length], said[length:]))
    )
