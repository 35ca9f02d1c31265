"""An SMTP conversation, step by step, with a time limit for every step (RFC 5321)."""

import contextlib
import re
import socket
import ssl
from dataclasses import dataclass

# Seconds for one step. smtpd first looks up its client in DNS, which takes long if the resolver does not
# answer.
TIMEOUT = 30

# Seconds to open a TCP connection.
CONNECT_TIMEOUT = 10

IMPLICIT_TLS = 465
RELAY = 25


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
        return f"{self.code} {' / '.join(self.lines)}"


class BrokenOff(Exception):
    """The server closed the connection, or sent something that is not SMTP."""


def dial(address: str, port: int) -> socket.socket:
    """A TCP connection. Raises OSError."""
    connection = socket.create_connection((address, port), CONNECT_TIMEOUT)
    connection.settimeout(TIMEOUT)
    return connection


class Conversation:
    """One conversation over a connection, which is closed when the conversation ends.

    + connection: just opened, so that the server sends its greeting next
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def reply(self, timeout: float = TIMEOUT) -> Reply:
        """The next reply. Raises `BrokenOff`, or TimeoutError if the server sends none."""
        self._connection.settimeout(timeout)
        lines = []
        while True:
            line = self._line()
            match = re.fullmatch(r"(\d{3})([ -]?)(.*)", line)
            if not match:
                raise BrokenOff(f"not an SMTP reply: {line[:80]!r}")
            lines.append(match[3])
            if match[2] != "-":
                return Reply(int(match[1]), tuple(lines))

    def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises `BrokenOff`."""
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise BrokenOff(f"the server closed the connection ({error})") from None

    def command(self, line: str) -> Reply:
        """Send a command and read its reply."""
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

    def start_tls(self, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
        """Continue inside TLS after STARTTLS was accepted. Raises ssl.SSLError and OSError."""
        secured = context.wrap_socket(self._connection, server_hostname=name)
        self._connection = secured
        self._received = b""
        return secured

    def quit(self) -> None:
        """Send QUIT, if the connection is still open."""
        with contextlib.suppress(BrokenOff, OSError):
            self.command("QUIT")

    def _line(self) -> str:
        while b"\n" not in self._received:
            try:
                data = self._connection.recv(65536)
            except TimeoutError:
                raise
            except OSError as error:
                raise BrokenOff(f"the connection was lost ({error})") from None
            if not data:
                raise BrokenOff("the server closed the connection")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")


def extension(hello: Reply, keyword: str) -> list[str] | None:
    """The words after a keyword of the EHLO reply; `None` if the reply does not have the keyword."""
    for line in hello.lines[1:]:
        # Postfix's broken_sasl_auth_clients adds a line in the old form, "AUTH=PLAIN".
        found, *words = re.split(r"[ =]+", line.strip())
        if found.upper() == keyword:
            return words
    return None
