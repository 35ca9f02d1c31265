"""What one host may cost a run: seconds, and bytes.

A host may hang, send a byte now and then, or flood, at any moment: before it says who it is, while keys are
exchanged, instead of an answer, between two answers. It then fails alone, with a sentence.
"""

import hmac
import importlib
import logging
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import gevent
import gevent.select
from gevent.event import Event
from paramiko import Message, ProxyCommand, Transport, agent, proxy, util
from paramiko.common import cMSG_GLOBAL_REQUEST
from paramiko.ssh_exception import NoValidConnectionsError
from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError, PyinfraError

from smtp_auth.on_host.channel import A_LINE
from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.host_settings import seconds_of
from smtp_auth.settings import SettingsError

Found = TypeVar("Found")

# How many bytes a host may send until an account is logged in, and in addition to what it is asked for:
# responses to keepalives, for example.
_LOGIN, _MORE = 256 << 10, 64 << 10

# No packet of SSH is larger: OpenSSH's are at most 256 KiB. paramiko would put together any.
_PACKET = 1 << 20

# How many bytes are read at a time.
_PIECE = 64 << 10

# After so many seconds without a pause, other hosts have a turn: a flood always has data to read.
_TURN = 0.02

# In seconds. If this process stands still for longer (a laptop that sleeps), only this counts.
_STEP = 1.0

# Seconds between tries. sshd turns connections away at random if more than ten have not logged in yet
# (sshd_config(5), MaxStartups): a bastion does, through which many hosts are reached. It sends a line then.
_PAUSES, _A_LINE = (0.3, 1.0, 3.0), 255

# How much of an error is shown: it may quote the host.
_QUOTED = 300

# paramiko logs with a traceback what it raises, too, and a line for each packet that it does not know.
logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)

# paramiko's own, for a ProxyCommand and for an agent's keys, is from before the standard library was made
# cooperative: no other host would have a turn.
proxy.select = agent.select = gevent.select.select  # type: ignore[attr-defined]

# paramiko's own compares byte by byte in Python, once for each packet.
util.constant_time_bytes_eq = hmac.compare_digest  # type: ignore[assignment]


class TooLate(Exception):
    """A host did not respond in time.

    + is_silent: whether it has sent nothing at all for so long
    """

    def __init__(self, seconds: float, *, is_silent: bool = False) -> None:
        super().__init__(f"{seconds:g} seconds")
        self.seconds, self.is_silent = seconds, is_silent


class TooMuch(Exception):
    """A host sent more than is read."""


class Wire:
    """All connections to one host, those to its jump hosts included.

    + received: how many bytes it has sent
    + unread: how large the answers are that are being read
    + is_over: is set once it has sent too many
    + given_up: why nothing is asked of it any more; empty if it is
    """

    def __init__(self) -> None:
        self.received = self.unread = 0
        self.is_over = Event()
        self.given_up = ""
        self._limit = self._allowed = 0
        self._transports: WeakSet[_Transport] = WeakSet()

    def add(self, transport: "_Transport") -> None:
        """Add a connection."""
        self._transports.add(transport)

    def take(self, octets: int) -> None:
        """Count received bytes. Raises `EOFError`, which ends a connection, if there are too many."""
        self.received += octets
        if self.is_asked and self.received > self._limit:
            self.is_over.set()
        if self.is_over.is_set():
            raise EOFError

    @property
    def is_asked(self) -> bool:
        """Whether this program waits for the host. If not, an operation of pyinfra may."""
        return self._allowed > 0

    @contextmanager
    def allowing(self, octets: int) -> Iterator[None]:
        """Inside the `with`, the host may send so many bytes more. Several answers may be read at a time."""
        # What comes through jump hosts is counted there, too.
        octets *= max(1, len(self._transports))
        self._allow(octets)
        try:
            yield
        finally:
            self._allow(-octets)

    def _allow(self, octets: int) -> None:
        self._allowed += octets
        self._limit = self.received + self._allowed + _MORE

    def ask_for_signs_of_life(self, seconds: float) -> None:
        """Make the host respond at least once in so many seconds, also while a command prints nothing."""
        for transport in list(self._transports):
            transport.ask_for_signs_of_life(seconds)

    def close(self) -> None:
        """Close all connections, so that nothing that waits for them is left."""
        for transport in list(self._transports):
            transport.close()

    def open_again(self) -> None:
        """Forget why the host was given up, before it is connected again."""
        self.close()
        self.is_over.clear()
        self.given_up = ""


_wires: WeakKeyDictionary[Host, Wire] = WeakKeyDictionary()


def wire_of(host: Host) -> Wire:
    """The connections to a host."""
    return _wires.setdefault(host, Wire())


# Those of the host that the current greenlet connects to.
_connecting: ContextVar[Wire] = ContextVar("connecting")


class _Metered:
    """A socket from which no more is read than its wire allows."""

    def __init__(self, socket: Any, wire: Wire) -> None:
        self._socket, self._wire = socket, wire
        self._turn = time.monotonic()

    def recv(self, size: int) -> bytes:
        if size > _PACKET:
            self._wire.is_over.set()
        if time.monotonic() - self._turn > _TURN:
            # A flood that nobody has asked for is slowed down: it ends with the run.
            gevent.sleep(0 if self._wire.is_asked else _TURN)
            self._turn = time.monotonic()
        try:
            data: bytes = self._socket.recv(min(size, _PIECE))
        except TimeoutError:
            if isinstance(self._socket, ProxyCommand) and self._socket.process.poll() is not None:
                # paramiko would read the end of its output again and again.
                raise EOFError from None
            raise
        self._wire.take(len(data))
        return data

    def close(self) -> None:
        # That of a ProxyCommand fails if the command has ended.
        with suppress(OSError):
            self._socket.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class _Transport(Transport):
    """paramiko's, with all that it reads metered, and without deadlines of its own.

    Some of paramiko's are too early for a host under load (15 seconds until sshd's first line), others start
    again with each byte, or end a connection with an error that hides them.
    """

    def __init__(self, wire: Wire, socket: Any, **options: Any) -> None:
        super().__init__(_Metered(socket, wire), **options)  # type: ignore[arg-type]
        wire.add(self)
        if not isinstance(socket, ProxyCommand):
            # paramiko wakes up ten times a second for each connection, also while a host works.
            self.sock.settimeout(_STEP)
        self.banner_timeout = self.auth_timeout = self.channel_timeout = float("inf")

    def start_client(self, event: Any = None, timeout: float | None = None) -> None:
        super().start_client(event)

    def run(self) -> None:
        # Its timer would keep the process from exiting.
        self.packetizer.start_handshake = lambda timeout: None  # type: ignore[method-assign]
        super().run()

    def ask_for_signs_of_life(self, seconds: float) -> None:
        """As `Wire.ask_for_signs_of_life`. paramiko's own keepalive wants no response."""

        def request() -> None:
            message = Message()
            message.add_byte(cMSG_GLOBAL_REQUEST)
            message.add_string("keepalive@openssh.com")
            message.add_boolean(True)
            self._send_user_message(message)  # type: ignore[attr-defined]

        self.packetizer.set_keepalive(seconds, request)


def _transport(socket: Any, **options: Any) -> Transport:
    wire = _connecting.get(None)
    return Transport(socket, **options) if wire is None else _Transport(wire, socket, **options)


# pyinfra's own runs, of `exec` and `fact`, are not bounded.
pyinfra_internals.use_transports(_transport)


def within(wire: Wire, seconds: float, silence: float, work: Callable[[], Found]) -> Found:
    """What `work` returns, or raises, if the host keeps to its bounds. If not, the work is ended.

    + seconds: how long the work may take
    + silence: how long the host may send nothing, once a connection is made

    Raises `TooLate` and `TooMuch`, too.
    """
    found: list[Found] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            raised.append(error)

    worker = gevent.spawn(run)
    try:
        _wait(worker, wire, seconds, silence)
    finally:
        worker.kill(timeout=_STEP)
    if wire.is_over.is_set():
        raise TooMuch
    if raised:
        raise raised[0]
    return found[0]


def _wait(worker: gevent.Greenlet, wire: Wire, seconds: float, silence: float) -> None:
    left, silent, before = seconds, 0.0, wire.received
    while True:
        began = time.monotonic()
        if gevent.wait([worker, wire.is_over], timeout=max(0, min(left, silence, _STEP)), count=1):
            return
        passed = min(time.monotonic() - began, _STEP)
        left -= passed
        silent = silent + passed if wire.received == before else 0.0
        before = wire.received
        if left <= 0:
            raise TooLate(seconds)
        if wire.received and silent >= silence:
            raise TooLate(silence, is_silent=True)


# -- connecting ---------------------------------------------------------------------------------------


def bound_connections(hosts: Iterable[Host]) -> None:
    """Give up connecting to a host that takes too long, or sends too much, whoever connects to it."""
    for host in hosts:
        pyinfra_internals.connect_through(host, _connect)


def _connect(host: Host, connect: Callable[[], None]) -> None:
    """Connect to a host. Raises pyinfra's `ConnectError`, and no other, since that would end the run."""
    wire = wire_of(host)
    try:
        _connect_within(host, wire, connect)
    except ConnectError as error:
        wire.close()
        why = str(error)
        raise ConnectError(why if len(why) <= _QUOTED else f"{why[:_QUOTED]}…") from None


def _connect_within(host: Host, wire: Wire, connect: Callable[[], None]) -> None:
    def work() -> None:
        _connecting.set(wire)
        began = time.monotonic()
        for pause in _PAUSES:
            before = wire.received
            try:
                return connect()
            except Exception as error:
                is_late = time.monotonic() - began + pause > seconds / 2
                if is_late or not _is_closed(error) or wire.received - before > _A_LINE:
                    raise
            gevent.sleep(pause * random.uniform(0.5, 1.5))
        return connect()

    seconds = 0.0
    try:
        seconds = seconds_of(host)
        with wire.allowing(_LOGIN):
            within(wire, seconds, seconds, work)
    except TooLate as late:
        raise ConnectError(
            f"no connection was made within {late.seconds:g} seconds: 'ssh -v HOST' shows where it hangs; if "
            "the host is only slow, set host_seconds to more"
        ) from None
    except TooMuch:
        raise ConnectError(
            f"it sent more than {_LOGIN} bytes before it let anybody log in: 'ssh -v HOST' shows what "
            "answers there"
        ) from None
    except SettingsError as error:
        raise ConnectError(str(error)) from None
    except Exception as error:
        # paramiko raises any exception that a host's bytes cause.
        if _is_closed(error):
            raise ConnectError(
                "it closed the connection before it let anybody log in: 'ssh -v HOST' shows where"
            ) from None
        for why in (why for cause in _causes(error) for why in _no_way(cause)):
            raise ConnectError(why) from None
        if isinstance(error, PyinfraError):
            raise ConnectError(str(error)) from None
        raise ConnectError(f"SSH error ({type(error).__name__}: {error})") from None


# How paramiko and the system say that the other end has closed a connection.
_CLOSED = (EOFError, ConnectionResetError, BrokenPipeError)


def _is_closed(error: BaseException) -> bool:
    return any(isinstance(cause, _CLOSED) for cause in _causes(error))


def _no_way(error: BaseException) -> Iterator[str]:
    """Why the network leads to no sshd; nothing if this is another error."""
    if isinstance(error, socket.gaierror):
        yield (
            f"its name has no address ({error.strerror}): correct it in the inventory, or add a Host with a "
            "HostName to your SSH configuration"
        )
        return
    where = "it"
    if isinstance(error, NoValidConnectionsError):
        (address, port, *_), error = next(iter(error.errors.items()))
        where = f"port {port} of {address}"
    if isinstance(error, OSError) and error.filename is not None:
        yield (
            f"{error.filename}, which its data or your SSH configuration names, cannot be used "
            f"({error.strerror}): correct the name, or what may be done with it"
        )
    elif isinstance(error, OSError) and (error.errno is not None or isinstance(error, TimeoutError)):
        yield (
            f"{where} cannot be connected to ({error.strerror or error}): is the host on, and does its sshd "
            "run? --exclude leaves the host out"
        )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


# -- reading ------------------------------------------------------------------------------------------


class Reading:
    """Reads one answer: its standard output and standard error."""

    def __init__(self, wire: Wire, octets: int) -> None:
        self._wire, self._octets, self._size = wire, octets, 0
        self._is_over = False

    def lines(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """The lines of a stream that arrives in pieces. If there is too much, the host is over its bounds."""
        begun = bytearray()
        for piece in pieces:
            if self._is_over:
                return
            size = len(piece) + A_LINE * piece.count(b"\n")
            self._size += size
            self._wire.unread += size
            # Of answers that are read at the same time, each one counts.
            if self._wire.unread > self._octets:
                self._wire.is_over.set()
            if self._wire.is_over.is_set():
                return
            *ended, rest = piece.split(b"\n")
            for line in ended:
                begun += line
                yield begun.decode("utf-8", "backslashreplace")
                begun.clear()
            begun += rest
        if begun:
            yield begun.decode("utf-8", "backslashreplace")

    def stop(self) -> None:
        """Count it no more. A process on this machine may go on to print: that is not read."""
        self._wire.unread -= self._size
        self._is_over = True


_reading: ContextVar[Reading | None] = ContextVar("reading", default=None)


def _read(pieces: Iterable[bytes]) -> Iterable[str] | None:
    reading = _reading.get()
    if reading is None:
        return None
    # The host works now. Most plans need this, and it takes longer to load than all of such a plan takes.
    importlib.import_module("cryptography.x509")
    return reading.lines(pieces)


pyinfra_internals.read_lines_by(_read, _PIECE)


def read_within(host: Host, seconds: float, octets: int, work: Callable[[], Found]) -> Found:
    """What `work` returns: it runs a command on the host.

    + seconds, octets: what its answer may cost

    Raises `TooLate` and `TooMuch`, too.
    """
    wire = wire_of(host)
    reading = Reading(wire, octets)

    def run() -> Found:
        _reading.set(reading)
        return work()

    # Twice as many, because a packet may have more bytes around its content than in it.
    with wire.allowing(2 * octets):
        try:
            return within(wire, seconds, seconds_of(host), run)
        finally:
            reading.stop()
