"""An SMTP conversation (RFC 5321), in plain text or inside TLS. The server has a deadline and a size.

Nothing else in the verification reads from a server. A server that sends one byte every few seconds, or a
line without an end, therefore breaks off its own conversation and nothing else.
"""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509

# Seconds for one answer: a whole reply, or a TLS handshake. smtpd first looks up its client in DNS, which can
# take long.
TIMEOUT = 30

# Seconds for a whole conversation. The longest has two wrong logins, which servers answer late.
LONGEST = 180

# Bytes that a server may send in a whole conversation. Its certificates and replies are a few thousand.
MOST = 1 << 20

IMPLICIT_TLS = 465
RELAY = 25

_LONGEST_READ = 65536

# How many characters of a reply are shown: a line of SMTP has at most 512 (RFC 5321, section 4.5.3.1.5).
_LONGEST_SHOWN = 1000

Done = TypeVar("Done")


@dataclass(frozen=True)
class Reply:
    """A server's reply; `lines` are its texts without the code."""

    code: int
    lines: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the server has carried out the command, or is ready to continue with it."""
        return 200 <= self.code < 400

    @property
    def refused(self) -> bool:
        """Whether the server has rejected the command, temporarily or permanently."""
        return self.code >= 400

    def __str__(self) -> str:
        """The reply on one line, for people: a server may send a long one."""
        text = f"{self.code} {' / '.join(self.lines)}"
        return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


class BrokenOff(Exception):
    """The server closed the connection, sent too much, or sent something that is not SMTP."""


class TooSlow(BrokenOff):
    """The server did not complete its answer in time."""


class Limited(BrokenOff):
    """The server admits this machine no more for a while, because it has asked too often."""


# Of Postfix's smtpd and its postscreen: smtpd_client_connection_rate_limit and the parameters beside it.
_LIMITED = re.compile(
    r"too (?:many|much) (?:connections|new TLS sessions|AUTH commands|mail|recipients|concurrent SMTP)", re.I
)


class Conversation:
    """One conversation over a connection, which is closed when the conversation ends.

    + connection: just opened, so that the server sends its greeting next
    + connecting: how many seconds that took
    """

    def __init__(self, connection: socket.socket, connecting: float = 0.0) -> None:
        self._connection, self.connecting = connection, connecting
        self._ends = time.monotonic() + LONGEST
        self._left = MOST
        self._received = bytearray()
        self._tls: ssl.SSLObject | None = None
        # TLS reads and writes these, and never the connection: one handshake, or one record, may need many
        # reads, and only their sum has a deadline.
        self._from_server, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def reply(self, timeout: float = TIMEOUT) -> Reply:
        """The next reply.

        Raises `BrokenOff`: `TooSlow` if it is not complete in time, `Limited` if this machine asks too often.

        + timeout: in seconds
        """
        by, lines = self._by(timeout), []
        while True:
            line = self._line(by)
            match = re.fullmatch(r"(\d{3})([ -]?)(.*)", line)
            if not match:
                raise BrokenOff(f"not an SMTP reply: {line[:80]!r}")
            lines.append(match[3])
            if match[2] != "-":
                break
        reply = Reply(int(match[1]), tuple(lines))
        if 400 <= reply.code < 500 and _LIMITED.search(str(reply)):
            raise Limited(str(reply))
        return reply

    def receive(self) -> bytes:
        """What the server sends next, whatever it is; empty if it closes the connection. Raises `TooSlow`."""
        return self._read(self._by(TIMEOUT))

    def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises `BrokenOff`."""
        by, tls = self._by(TIMEOUT), self._tls
        if tls is None:
            self._send(data, by)
            return
        try:
            self._inside(lambda: tls.write(data), by)
        except ssl.SSLError as error:
            raise _broken_off(error) from None

    def command(self, line: str) -> Reply:
        """Send a command and read its reply. Raises `BrokenOff`."""
        self.send(f"{line}\r\n".encode())
        return self.reply()

    @property
    def own_address(self) -> str:
        """The client's end of the connection."""
        return str(self._connection.getsockname()[0])

    def hello(self) -> Reply:
        """EHLO with the client's own address as its name, which every server has to accept."""
        own = self.own_address
        return self.command(f"EHLO [{f'IPv6:{own}' if ':' in own else own}]")

    def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Continue inside TLS: from the start, or after STARTTLS was accepted.

        Raises `ssl.SSLError` if the server's TLS is not what the context wants, and `BrokenOff`.
        """
        # What was sent in plain text is no part of the conversation inside TLS.
        self._received.clear()
        self._tls = context.wrap_bio(self._from_server, self._to_server, server_hostname=name)
        self._inside(self._tls.do_handshake, self._by(TIMEOUT))

    @property
    def tls_version(self) -> str:
        """The version of TLS, such as `TLSv1.3`; empty in plain text."""
        return (self._tls.version() or "") if self._tls else ""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates that the server sent inside TLS, its own first. Raises `BrokenOff`."""
        if self._tls is None:
            return ()
        # The method is public since Python 3.13, and private before.
        if hasattr(self._tls, "get_unverified_chain"):
            sent = self._tls.get_unverified_chain()
        else:
            sent = [part.public_bytes(2) for part in self._tls._sslobj.get_unverified_chain()]  # type: ignore[attr-defined]
        try:
            return tuple(x509.load_der_x509_certificate(part) for part in sent)
        except (ValueError, x509.InvalidVersion) as error:
            raise BrokenOff(f"a certificate of the server cannot be read ({error})") from None

    def quit(self) -> None:
        """Send QUIT, if the connection is still open."""
        with contextlib.suppress(BrokenOff):
            self.command("QUIT")

    def _by(self, seconds: float) -> float:
        """The deadline of an answer that may take so many seconds, by the monotonic clock."""
        return min(time.monotonic() + seconds, self._ends)

    def _line(self, by: float) -> str:
        # Each byte is searched once, however few of them arrive at a time.
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            data = self._read(by)
            if not data:
                raise BrokenOff("the server closed the connection")
            self._received += data
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def _read(self, by: float) -> bytes:
        """The next bytes of the server, without TLS around them; empty if it closes the connection."""
        tls = self._tls
        if tls is None:
            return self._receive(by)
        try:
            return self._inside(lambda: tls.read(_LONGEST_READ), by)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        except ssl.SSLError as error:
            raise _broken_off(error) from None

    def _inside(self, act: Callable[[], Done], by: float) -> Done:
        """Let TLS do something, and send and receive what it needs for that."""
        while True:
            try:
                done = act()
            except ssl.SSLWantReadError:
                self._flush(by)
                data = self._receive(by)
                if data:
                    self._from_server.write(data)
                else:
                    self._from_server.write_eof()
            except ssl.SSLError:
                # The alert that tells the server why.
                with contextlib.suppress(BrokenOff):
                    self._flush(by)
                raise
            else:
                self._flush(by)
                return done

    def _flush(self, by: float) -> None:
        data = self._to_server.read()
        if data:
            self._send(data, by)

    def _send(self, data: bytes, by: float) -> None:
        try:
            self._wait(by)
            self._connection.sendall(data)
        except TimeoutError:
            raise TooSlow("the server does not read what it is sent") from None
        except OSError as error:
            raise BrokenOff(f"the server closed the connection ({error})") from None

    def _receive(self, by: float) -> bytes:
        try:
            self._wait(by)
            data = self._connection.recv(_LONGEST_READ)
        except TimeoutError:
            raise TooSlow("the server did not complete its answer in time") from None
        except OSError as error:
            raise BrokenOff(f"the connection was lost ({error})") from None
        self._left -= len(data)
        if self._left < 0:
            raise BrokenOff(f"the server sent more than {MOST} bytes in one conversation")
        return data

    def _wait(self, by: float) -> None:
        """Let the connection wait until the deadline. Raises TimeoutError if that has passed."""
        left = by - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


def _broken_off(error: ssl.SSLError) -> BrokenOff:
    return BrokenOff(f"TLS was broken off ({error.reason or error})")


def extension(hello: Reply, keyword: str) -> list[str] | None:
    """The words after a keyword of the EHLO reply; `None` if the reply does not have the keyword."""
    for line in hello.lines[1:]:
        # Postfix's broken_sasl_auth_clients adds a line in the old form, "AUTH=PLAIN".
        found, *words = re.split(r"[ =]+", line.strip())
        if found.upper() == keyword:
            return words
    return None
