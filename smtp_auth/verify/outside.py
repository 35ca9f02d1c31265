"""What is seen of a host from outside, in real conversations. Each observer looks at one thing.

What cannot differ between the host's addresses is checked only on the first address that answers.
"""

import base64
import secrets
import ssl
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from cryptography import x509
from gevent.pool import Pool

from smtp_auth.postfix.parameters import is_no
from smtp_auth.services.postfix import sni
from smtp_auth.verify.addresses import is_within
from smtp_auth.verify.connection import look
from smtp_auth.verify.conversation import (
    IMPLICIT_TLS,
    BrokenOff,
    Conversation,
    Limited,
    Reply,
    TooSlow,
    extension,
)
from smtp_auth.verify.dialing import dial, patiently
from smtp_auth.verify.inside import forbids_bare_newlines, release_defaults
from smtp_auth.verify.target import Target, Unseen, observer
from smtp_auth.verify.visits import answering_465, relay, serving, sessions_465, shown_for, submissions

_TLS_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}

# Seconds to wait for an answer after bare newlines: a server that takes them as the end of a message answers
# at once.
_SILENCE = 3

# The server closes the conversation (RFC 5321, section 3.8).
_CLOSING = 421

# More Received headers than a server accepts; the default of hopcount_limit is 50.
_HOPS = 200


@observer
def old_versions(target: Target) -> dict[str, str]:
    """Each TLS version below the host's minimum, to the error of port 465; empty if it was accepted."""
    versions = list(_TLS_VERSIONS)
    below = versions[: versions.index(target.settings.tls_minimum_version)]
    address = serving(target)
    if refusal := _refusal(target, address, below):
        return dict.fromkeys(below, refusal)
    return {version: _refusal(target, address, [version]) for version in below}


@observer
@patiently
def plain_text_answer(target: Target) -> bytes:
    """What port 465 answers to EHLO without TLS."""
    with dial(answering_465(target), IMPLICIT_TLS) as conversation:
        try:
            conversation.send(b"EHLO plain.invalid\r\n")
            return conversation.receive()
        except TooSlow:
            raise Unseen("port 465 does not answer in time", "port 465 greets in time") from None
        except BrokenOff:
            return b""


@observer
def certificates_by_name(target: Target) -> dict[str, x509.Certificate]:
    """Each name that the host serves, to the certificate that port 465 shows for it (SNI)."""
    address, own = serving(target), target.settings.mail_hostname
    names = sni.asked_for(sni.served(target.settings, target.see(look)))
    known = {own: target.see(sessions_465)[address].certificate}
    return {name: known.get(name) or shown_for(address, name) for name in names}


@patiently
def _refusal(target: Target, address: str, versions: Sequence[str]) -> str:
    """Why port 465 refuses a client that has only these versions; empty if it accepts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # OpenSSL allows versions below TLS 1.2 only at security level 0.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # The deprecated versions are tried on purpose.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = (_TLS_VERSIONS[versions[at]] for at in (0, -1))
    with dial(address, IMPLICIT_TLS) as conversation:
        try:
            conversation.start_tls(context, target.settings.mail_hostname)
        except ssl.SSLError as error:
            if "NO_PROTOCOLS" in (error.reason or ""):
                raise Unseen(f"OpenSSL on this machine does not support {versions[-1]}") from None
            return str(error.reason)
        except BrokenOff as error:
            return str(error)
    return ""


# -- logins -------------------------------------------------------------------------------------------


@observer
@patiently
def wrong_logins(target: Target) -> list[str]:
    """The replies to two logins of a user that does not exist, side by side: a host answers each one late."""
    # A name that nobody has, so that no real account is locked. Always the same name and password:
    # Dovecot delays an address longer and longer if it tries many different ones.
    response = base64.b64encode(b"\0nobody-verifies\0not-a-password").decode()

    def log_in(_attempt: int) -> str | Exception:
        try:
            with submissions(target) as conversation:
                conversation.hello()
                reply = conversation.command(f"AUTH PLAIN {response}")
                conversation.quit()
                return str(reply)
        except Exception as error:
            # gevent would print it.
            return error

    replies = []
    for reply in Pool(2).map(log_in, range(2)):
        if isinstance(reply, Exception):
            raise reply
        replies.append(reply)
    return replies


# -- relaying -----------------------------------------------------------------------------------------


@observer
@patiently
def relaying_465(target: Target) -> dict[str, Reply]:
    """Each way (see `_ways`), to the reply of port 465 to a client without a login."""
    return _relaying(target, lambda: submissions(target))


@observer
@patiently
def relaying_25(target: Target) -> dict[str, Reply]:
    """Each way (see `_ways`), to the reply of port 25."""
    with relay(target) as conversation:
        own = conversation.own_address
        conversation.quit()
    if is_within(own, target.see(look).parameters["mynetworks"], narrow=True):
        raise Unseen(
            f"this machine ({own}) is in the host's mynetworks, so it may relay: run this check on another "
            "machine"
        )
    return _relaying(target, lambda: relay(target))


def _ways(target: Target) -> dict[str, tuple[str, str]]:
    """Each way of relaying, to its sender and recipient: mail that would be sent to another domain."""
    domain = target.settings.mail_domain
    own, elsewhere = f"postmaster@{domain}", _elsewhere(target)
    foreign = f"verify@{elsewhere}"
    return {
        "a foreign sender": (foreign, foreign),
        "the empty sender": ("", foreign),
        "a sender of the host's domain": (own, foreign),
        "the percent hack": (own, f"verify%{elsewhere}@{domain}"),
        "the percent hack without a domain": (own, f"verify%{elsewhere}"),
        "a bang path": (own, f"{elsewhere}!verify"),
        "a bang path in the local part": (own, f"{elsewhere}!verify@{domain}"),
        "a quoted address as local part": (own, f'"verify@{elsewhere}"@{domain}'),
        "a quoted address": (own, f'"verify@{elsewhere}"'),
        "a source route": (own, f"@{domain}:{foreign}"),
    }


def _elsewhere(target: Target) -> str:
    """A reserved domain (RFC 2606) that is not the host's own."""
    own = (*target.settings.domains, target.settings.mail_hostname)
    reserved = ("example.com", "example.org", "example.net")
    return next(d for d in reserved if not any(name == d or name.endswith(f".{d}") for name in own))


def _relaying(
    target: Target, session: Callable[[], AbstractContextManager[Conversation]]
) -> dict[str, Reply]:
    replies: dict[str, Reply] = {}
    ways = _ways(target)
    # Servers close a conversation after too many errors: then the next one goes on.
    while left := [way for way in ways if way not in replies]:
        known = len(replies)
        with session() as conversation:
            is_pipelining = extension(conversation.hello(), "PIPELINING") is not None
            try:
                for way in left:
                    reply = _reply_to(conversation, *ways[way], at_once=is_pipelining)
                    if reply.code == _CLOSING and len(replies) > known:
                        break
                    replies[way] = reply
                conversation.quit()
            except BrokenOff as error:
                if isinstance(error, Limited) or len(replies) == known:
                    raise
    return replies


def _reply_to(conversation: Conversation, sender: str, recipient: str, *, at_once: bool) -> Reply:
    """The first refusal of mail for a recipient, or the last reply. + at_once: as RFC 2920 allows"""
    commands = ("RSET", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>")
    if at_once:
        conversation.send("".join(f"{command}\r\n" for command in commands).encode())
    found = []
    for command in commands:
        found.append(conversation.reply() if at_once else conversation.command(command))
        if found[-1].code == _CLOSING:
            break
    return next((reply for reply in found if not reply.accepted), found[-1])


@observer
@patiently
def users_465(target: Target) -> tuple[str, str]:
    """The replies of port 465 to VRFY for a user that every host has, and for one that no host has."""
    domain = target.settings.mail_domain
    replies = []
    for user in ("postmaster", f"nobody-{secrets.token_hex(4)}"):
        with submissions(target) as conversation:
            conversation.hello()
            reply = conversation.command(f"VRFY {user}@{domain}")
            conversation.quit()
            replies.append(str(reply).replace(user, "USER"))
    return replies[0], replies[1]


# -- smuggling ----------------------------------------------------------------------------------------


@observer
@patiently
def pipelining_25(target: Target) -> str:
    """The rejections of port 25 to a client that does not wait for the answer to EHLO."""
    with relay(target) as conversation:
        conversation.send(b"EHLO pipelining.invalid\r\nNOOP\r\nNOOP\r\n")
        replies = []
        try:
            for _reply in range(3):
                replies.append(conversation.reply())
        except BrokenOff:
            pass
        return " | ".join(str(reply) for reply in replies if reply.refused)


@observer
@patiently
def bare_newline_25(target: Target) -> str:
    """What port 25 answers to a message that ends with bare newlines; empty if it waits for more.

    The message has more Received headers than a server accepts (hopcount_limit). A server that takes the bare
    newlines as its end refuses it for that reason, so nothing is queued.
    """
    standard = target.see(release_defaults).get("smtpd_forbid_bare_newline", "no")
    if is_no(standard) and not target.see(forbids_bare_newlines):
        raise Unseen("by default, this release of Postfix accepts bare newlines")
    excluded = target.see(look).parameters.get("smtpd_forbid_bare_newline_exclusions", "")
    domain = target.settings.mail_domain
    with relay(target) as conversation:
        own = conversation.own_address
        if is_within(own, excluded):
            # If the exception is for everybody, it is probably mynetworks, and everybody may relay.
            everybody = not is_within(own, excluded, narrow=True)
            raise Unseen(
                "the host makes an exception for this machine (smtpd_forbid_bare_newline_exclusions)",
                "port 25 relays nothing" if everybody else "",
            )
        conversation.hello()
        for command in (f"MAIL FROM:<postmaster@{domain}>", f"RCPT TO:<postmaster@{domain}>", "DATA"):
            reply = conversation.command(command)
            if reply.refused:
                raise Unseen(f"port 25 does not accept a message for postmaster@{domain}: {reply}")
        hops = b"Received: by hop.invalid\r\n" * _HOPS
        conversation.send(hops + b"Subject: bare newline\r\n\r\nverification\n.\n")
        try:
            return str(conversation.reply(timeout=_SILENCE))
        except TooSlow:
            return ""
