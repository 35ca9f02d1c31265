"""A mail program for the lab: it connects to a host's lab address and expects the host's name."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

from lab.command import wait_until
from lab.host import LabHost

SUBMISSIONS = 465
SMTP = 25

_TIMEOUT = 180.0


class _Submissions(smtplib.SMTP_SSL):
    """Implicit TLS (RFC 8314) to a host's address, verified against its name."""

    def __init__(self, host: LabHost, context: ssl.SSLContext) -> None:
        self._address = host.address
        super().__init__(host.name, SUBMISSIONS, timeout=_TIMEOUT, context=context)

    def _get_socket(self, host: str, port: int, timeout: float | None) -> ssl.SSLSocket:
        connection = socket.create_connection((self._address, port), timeout)
        return self.context.wrap_socket(connection, server_hostname=host)


@contextlib.contextmanager
def submissions(host: LabHost, ca: Path, context: ssl.SSLContext | None = None) -> Iterator[smtplib.SMTP_SSL]:
    """A conversation on port 465, not yet logged in. Raises what `ssl` and `smtplib` raise.

    + ca: the certificates in PEM that are trusted
    + context: how TLS is spoken, instead of the default for these certificates
    """
    client = _Submissions(host, context or ssl.create_default_context(cafile=str(ca)))
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def smtp(host: LabHost, port: int = SMTP) -> Iterator[smtplib.SMTP]:
    """A conversation on port 25, or another one that begins without TLS."""
    client = smtplib.SMTP(host.address, port, timeout=_TIMEOUT)
    try:
        yield client
    finally:
        client.close()


def message(host: LabHost, subject: str, recipient: str = "") -> EmailMessage:
    """A message from the host's user, by default to the same user."""
    mail = EmailMessage()
    address = f"{host.user}@{host.domain}"
    mail["From"], mail["To"], mail["Subject"] = address, recipient or address, subject
    mail.set_content(f"{subject}\n")
    return mail


def send(host: LabHost, ca: Path, subject: str) -> None:
    """Log in on port 465 as the host's user and send a message to that same user."""
    with submissions(host, ca) as client:
        client.login(host.user, host.password)
        client.send_message(message(host, subject))
        client.quit()


def delivered(host: LabHost, subject: str) -> str:
    """Wait until the message is in the mailbox; returns its headers. Raises `LabError` if it is not."""
    wait_until(lambda: bool(_messages(host, subject)), f"{subject!r} in {host.name}'s mailbox")
    return _messages(host, subject)[0]


def count(host: LabHost, subject: str) -> int:
    """How many messages with that subject the mailbox contains."""
    return len(_messages(host, subject))


def _messages(host: LabHost, subject: str) -> list[str]:
    mailbox = host.root / "var/mail" / host.user
    if not mailbox.exists():
        return []
    messages = ("\n" + mailbox.read_text(errors="replace")).split("\nFrom ")[1:]
    heads = [one.partition("\n\n")[0] for one in messages]
    return [head for head in heads if f"\nSubject: {subject}\n" in head + "\n"]
