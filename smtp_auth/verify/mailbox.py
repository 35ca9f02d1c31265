"""What users see who log in on port 465 and send a message to their own mailbox (--mailbox)."""

import base64
import hmac
import secrets
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate

from smtp_auth.verify.connection import on
from smtp_auth.verify.conversation import IMPLICIT_TLS, Conversation, Reply, extension
from smtp_auth.verify.dialing import dial, patiently
from smtp_auth.verify.secret import hide
from smtp_auth.verify.target import Mailbox, Target, Unseen, observer
from smtp_auth.verify.visits import HOSTNAME_MISMATCH, sessions_465, trusting

# Seconds within which an accepted message must be in the mailbox.
_DELIVERY = 60


@observer
@patiently
def logins(target: Target) -> dict[str, str]:
    """Each offered mechanism, to the server's reply to a login with it."""
    mailbox, found = target.mailbox, {}
    with _submissions(target) as conversation:
        offered = extension(conversation.hello(), "AUTH") or []
    if not offered:
        raise Unseen("port 465 offers no login", "port 465 offers logins")
    for mechanism in offered:
        if mechanism in _MECHANISMS:
            with _submissions(target) as conversation:
                conversation.hello()
                found[mechanism] = str(_login(conversation, mechanism, mailbox))
    return found


@dataclass(frozen=True)
class Sent:
    """A message that was submitted.

    + client: the address that the server saw
    """

    reply: Reply
    message_id: str
    client: str


@observer
@patiently
def sent(target: Target) -> Sent:
    """Log in, and send a message to the same mailbox."""
    mailbox, settings = target.mailbox, target.settings
    address = mailbox.address(settings.mail_domain)
    message_id = f"<verify-{secrets.token_hex(12)}@{settings.mail_hostname}>"
    accepted = [mechanism for mechanism, reply in target.see(logins).items() if reply.startswith("235 ")]
    if not accepted:
        raise Unseen("no login succeeds", "login succeeds with each offered mechanism")
    with _submissions(target) as conversation:
        conversation.hello()
        commands = (f"MAIL FROM:<{address}>", f"RCPT TO:<{address}>", "DATA")
        reply = _login(conversation, accepted[0], mailbox)
        for command in commands:
            if reply.accepted:
                reply = conversation.command(command)
        if reply.accepted:
            lines = [f"From: <{address}>", f"To: <{address}>", "Subject: Verification of submission"]
            lines += [f"Date: {formatdate()}", f"Message-ID: {message_id}", "", "It works.", ".", ""]
            conversation.send("\r\n".join(lines).encode())
            reply = conversation.reply()
        return Sent(reply, message_id, conversation.own_address)


@dataclass(frozen=True)
class Delivery:
    """Whether the accepted message arrived.

    + headers: its Received headers in the mailbox; empty if it did not arrive
    + seconds: how long that took
    + problem: why it did not arrive
    """

    headers: str
    seconds: float
    problem: str = ""


@observer
def delivery(target: Target) -> Delivery:
    """The message among the user's mail."""
    message = target.see(sent)
    if message.reply.refused:
        raise Unseen("no message was accepted", "a message is accepted")
    host, mailbox = on(target), target.mailbox
    began = time.monotonic()
    while True:
        # In any folder: a filter of the user may have moved the message.
        result = host.run(
            "doveadm fetch -u %s hdr.received header message-id %s", mailbox.login, message.message_id
        )
        passed = time.monotonic() - began
        if result.succeeded and "by " in result.stdout:
            return Delivery(str(result.stdout), passed)
        if passed > _DELIVERY:
            return Delivery("", passed, result.stderr.strip())
        time.sleep(0.5)


@contextmanager
def _submissions(target: Target) -> Iterator[Conversation]:
    """A conversation with a server whose certificate is verified: the password is sent to no other server."""
    address = next(iter(target.see(sessions_465)))
    context = trusting(target.settings.verify_ca_file)
    name = target.settings.mail_hostname
    with dial(address, IMPLICIT_TLS) as conversation:
        try:
            conversation.start_tls(context, name)
        except ssl.SSLCertVerificationError as error:
            reported_by = (
                "the name is covered" if error.verify_code == HOSTNAME_MISMATCH else "the chain verifies"
            )
            raise Unseen("the certificate is not valid, so no password is sent", reported_by) from None
        conversation.reply()
        yield conversation
        conversation.quit()


def _login(conversation: Conversation, mechanism: str, mailbox: Mailbox) -> Reply:
    """The last reply to a login (RFC 4954)."""
    reply = conversation.command(f"AUTH {mechanism}")
    for answer in _MECHANISMS[mechanism](mailbox, reply) if reply.code == 334 else ():
        reply = conversation.command(base64.b64encode(answer).decode())
        if reply.code != 334:
            break
    return reply


def _plain(mailbox: Mailbox, _challenge: Reply) -> tuple[bytes, ...]:
    """RFC 4616."""
    return (f"\0{mailbox.login}\0{mailbox.password}".encode(),)


def _login_mechanism(mailbox: Mailbox, _challenge: Reply) -> tuple[bytes, ...]:
    """Only a draft describes it; every server asks for the name and then for the password."""
    return mailbox.login.encode(), mailbox.password.encode()


def _cram_md5(mailbox: Mailbox, challenge: Reply) -> tuple[bytes, ...]:
    """RFC 2195."""
    nonce = base64.b64decode(challenge.lines[0])
    digest = hmac.new(mailbox.password.encode(), nonce, "md5").hexdigest()
    # With it and the challenge, passwords can be tried.
    hide(digest)
    return (f"{mailbox.login} {digest}".encode(),)


_MECHANISMS = {"PLAIN": _plain, "LOGIN": _login_mechanism, "CRAM-MD5": _cram_md5}
