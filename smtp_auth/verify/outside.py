"""What is seen of a host from outside, in real conversations. Each observer looks at one thing.

What cannot differ between the host's addresses is checked only on the first address that answers.
"""

import base64
import secrets
import ssl
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smtp_auth.postfix.master_cf import serves_port_25
from smtp_auth.postfix.parameters import is_no
from smtp_auth.services.postfix import sni
from smtp_auth.verify.addresses import addresses, is_within
from smtp_auth.verify.connection import look
from smtp_auth.verify.conversation import (
    IMPLICIT_TLS,
    RELAY,
    TIMEOUT,
    BrokenOff,
    Conversation,
    Reply,
    TooSlow,
    dial,
)
from smtp_auth.verify.inside import forbids_bare_newlines, release_defaults
from smtp_auth.verify.target import Target, Unseen, observer

# A name that no certificate covers (RFC 6761).
WRONG_NAME = "wrong-name.invalid"

_TLS_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}

# Seconds to wait for an answer after bare newlines: a server that takes them as the end of a message answers
# at once.
_SILENCE = 3

# The likely cause of a slow greeting.
SLOW_DNS = "smtpd first looks up its client's name in DNS: does the host's resolver answer"

# More Received headers than a server accepts; the default of hopcount_limit is 50.
_HOPS = 200

# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH.
HOSTNAME_MISMATCH = 62


# -- connections --------------------------------------------------------------------------------------


def _connections(target: Target, port: int) -> dict[str, OSError | None]:
    found: dict[str, OSError | None] = {}
    for address in target.see(addresses):
        try:
            with dial(address, port):
                found[address] = None
        except OSError as error:
            found[address] = error
    return found


@observer
def connections_465(target: Target) -> dict[str, OSError | None]:
    """Each address, to the error of a connection to port 465; `None` if it succeeds."""
    return _connections(target, IMPLICIT_TLS)


@observer
def connections_25(target: Target) -> dict[str, OSError | None]:
    """Each address, to the error of a connection to port 25; `None` if it succeeds."""
    return _connections(target, RELAY)


def _answering(target: Target, port: int) -> tuple[str, ...]:
    found = target.see(connections_465 if port == IMPLICIT_TLS else connections_25)
    answering = tuple(address for address, error in found.items() if error is None)
    if answering:
        return answering
    if port == IMPLICIT_TLS:
        raise Unseen("port 465 cannot be reached", "port 465 is reachable on each address")
    if not serves_port_25(target.see(look).master_cf.content or ""):
        raise Unseen("the host does not serve port 25")
    refused = any(isinstance(error, ConnectionError) for error in found.values())
    reachable = "port 25 is reachable unless it is blocked from here"
    raise Unseen("port 25 cannot be reached", reachable if refused else "")


# -- TLS ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """The beginning of a conversation inside TLS.

    + chain: the certificates that the server sent, its own first
    + hello: the reply to EHLO
    + pace: how long each part took, in seconds: `connection`, `TLS`, `greeting`
    """

    version: str
    chain: tuple[x509.Certificate, ...]
    hello: Reply
    pace: Mapping[str, float] = field(default_factory=dict)

    @property
    def certificate(self) -> x509.Certificate:
        """The server's own certificate."""
        return self.chain[0]


@observer
def attempts_465(target: Target) -> dict[str, Session | str]:
    """Each address, to the session on port 465 or the error."""
    return {address: _attempt(target, address) for address in _answering(target, IMPLICIT_TLS)}


@observer
def sessions_465(target: Target) -> dict[str, Session]:
    """Each address that gives a session on port 465, to that session."""
    attempts = target.see(attempts_465)
    found = {address: one for address, one in attempts.items() if isinstance(one, Session)}
    if not found:
        raise Unseen("port 465 gives no session", "port 465 greets inside tls")
    return found


def _attempt(target: Target, address: str) -> Session | str:
    times = [time.monotonic()]
    name = target.settings.mail_hostname
    try:
        with dial(address, IMPLICIT_TLS) as conversation:
            times.append(time.monotonic())
            conversation.start_tls(_any_certificate(), name)
            times.append(time.monotonic())
            version, chain = conversation.tls_version, conversation.chain
            greeting = conversation.reply()
            times.append(time.monotonic())
            hello = conversation.hello()
            conversation.quit()
    except TooSlow:
        return f"no answer within {TIMEOUT} s ({SLOW_DNS}?)"
    except (OSError, BrokenOff) as error:
        return f"{type(error).__name__}: {error}"
    if greeting.refused or hello.refused:
        return str(greeting if greeting.refused else hello)
    took = (after - before for before, after in pairwise(times))
    pace = dict(zip(("connection", "TLS", "greeting"), took, strict=True))
    return Session(version, chain, hello, pace)


@observer
def attempt_25(target: Target) -> Reply | str:
    """The reply to EHLO on port 25 before TLS, or the error."""
    try:
        with dial(_answering(target, RELAY)[0], RELAY) as conversation:
            greeting = conversation.reply()
            hello = conversation.hello() if greeting.accepted else greeting
            conversation.quit()
    except (OSError, BrokenOff) as error:
        return f"{type(error).__name__}: {error}"
    return hello if hello.accepted else str(hello)


@observer
def hello_25(target: Target) -> Reply:
    """The reply to EHLO on port 25 before TLS."""
    reply = target.see(attempt_25)
    if not isinstance(reply, Reply):
        raise Unseen("port 25 does not greet", "port 25 greets")
    return reply


@contextmanager
def _relay(target: Target, address: str = "") -> Iterator[Conversation]:
    """A conversation on port 25. Raises `Unseen` if port 25 does not greet."""
    target.see(hello_25)
    with dial(address or _answering(target, RELAY)[0], RELAY) as conversation:
        conversation.reply()
        yield conversation


@observer
def sessions_25(target: Target) -> dict[str, Session]:
    """Each address, to the session on port 25 after STARTTLS."""
    if target.settings.smtpd_tls_security_level == "none":
        raise Unseen("TLS is switched off on port 25 (smtpd_tls_security_level)")
    found = {}
    for address in _answering(target, RELAY):
        with _relay(target, address) as conversation:
            conversation.hello()
            started = conversation.command("STARTTLS")
            if started.refused:
                raise BrokenOff(f"port 25 refuses STARTTLS: {started}")
            conversation.start_tls(_any_certificate(), target.settings.mail_hostname)
            found[address] = Session(conversation.tls_version, conversation.chain, conversation.hello())
            conversation.quit()
    return found


@observer
def untrusted(target: Target) -> dict[str, str]:
    """Each address, to the reason why its chain does not verify; empty if it does."""
    context = ssl.create_default_context(cafile=target.settings.verify_ca_file)
    context.check_hostname = False
    found = {}
    for address in target.see(sessions_465):
        error = _verification(context, address, target.settings.mail_hostname)
        found[address] = error.verify_message if error else ""
    return found


@observer
def covered(target: Target) -> dict[str, bool]:
    """Whether the certificate covers `mail_hostname` and `WRONG_NAME` in a client's comparison."""
    address = _serving(target)
    found = {}
    for name in (target.settings.mail_hostname, WRONG_NAME):
        # Trust the certificate itself, whoever issued it: this is only about the name.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=_shown(address, name).public_bytes(Encoding.DER))
        error = _verification(context, address, name)
        found[name] = error is None or error.verify_code != HOSTNAME_MISMATCH
    return found


@observer
def old_versions(target: Target) -> dict[str, str]:
    """Each TLS version below the host's minimum, to the error of port 465; empty if it was accepted."""
    versions = list(_TLS_VERSIONS)
    below = versions[: versions.index(target.settings.tls_minimum_version)]
    address = _serving(target)
    return {version: _refusal(target, address, version) for version in below}


@observer
def plain_text_answer(target: Target) -> bytes:
    """What port 465 answers to EHLO without TLS."""
    with dial(_answering(target, IMPLICIT_TLS)[0], IMPLICIT_TLS) as conversation:
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
    address = _serving(target)
    names = sni.asked_for(sni.served(target.settings, target.see(look)))
    return {name: _shown(address, name) for name in names}


def _shown(address: str, name: str) -> x509.Certificate:
    with dial(address, IMPLICIT_TLS) as conversation:
        conversation.start_tls(_any_certificate(), name)
        return conversation.chain[0]


def _any_certificate() -> ssl.SSLContext:
    """A context that accepts any certificate: the checks judge it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _serving(target: Target) -> str:
    """The first address whose port 465 gives a session."""
    return next(iter(target.see(sessions_465)))


@contextmanager
def _submissions(target: Target) -> Iterator[Conversation]:
    """A conversation on port 465. Raises `Unseen` if port 465 gives no session."""
    with dial(_serving(target), IMPLICIT_TLS) as conversation:
        conversation.start_tls(_any_certificate(), target.settings.mail_hostname)
        conversation.reply()
        yield conversation


def _verification(context: ssl.SSLContext, address: str, name: str) -> ssl.SSLCertVerificationError | None:
    with dial(address, IMPLICIT_TLS) as conversation:
        try:
            conversation.start_tls(context, name)
        except ssl.SSLCertVerificationError as error:
            return error
    return None


def _refusal(target: Target, address: str, version: str) -> str:
    context = _any_certificate()
    # OpenSSL allows versions below TLS 1.2 only at security level 0.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # The deprecated versions are tried on purpose.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = _TLS_VERSIONS[version]
    with dial(address, IMPLICIT_TLS) as conversation:
        try:
            conversation.start_tls(context, target.settings.mail_hostname)
        except ssl.SSLError as error:
            if "NO_PROTOCOLS" in (error.reason or ""):
                raise Unseen(f"OpenSSL on this machine does not support {version}") from None
            return str(error.reason)
        except BrokenOff as error:
            return str(error)
    return ""


# -- logins -------------------------------------------------------------------------------------------


@observer
def wrong_logins(target: Target) -> list[str]:
    """The replies to two logins of a user that does not exist, one after the other."""
    with _submissions(target) as conversation:
        conversation.hello()
        # A name that nobody has, so that no real account is locked. Always the same name and password:
        # Dovecot delays an address longer and longer if it tries many different ones.
        response = base64.b64encode(b"\0nobody-verifies\0not-a-password").decode()
        replies = [str(conversation.command(f"AUTH PLAIN {response}")) for _attempt in range(2)]
        conversation.quit()
        return replies


# -- relaying -----------------------------------------------------------------------------------------


@observer
def relaying_465(target: Target) -> dict[str, Reply]:
    """Each way (see `_ways`), to the reply of port 465 to a client without a login."""
    return _relaying(target, lambda: _submissions(target))


@observer
def relaying_25(target: Target) -> dict[str, Reply]:
    """Each way (see `_ways`), to the reply of port 25."""
    with _relay(target) as conversation:
        own = conversation.own_address
        conversation.quit()
    if is_within(own, target.see(look).parameters["mynetworks"], narrow=True):
        raise Unseen(
            f"this machine ({own}) is in the host's mynetworks, so it may relay: run this check on another "
            "machine"
        )
    return _relaying(target, lambda: _relay(target))


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
    replies = {}
    for way, (sender, recipient) in _ways(target).items():
        # One conversation per way, because servers close a conversation after too many errors.
        with session() as conversation:
            conversation.hello()
            reply = conversation.command(f"MAIL FROM:<{sender}>")
            if reply.accepted:
                reply = conversation.command(f"RCPT TO:<{recipient}>")
            replies[way] = reply
            conversation.quit()
    return replies


@observer
def users_465(target: Target) -> tuple[str, str]:
    """The replies of port 465 to VRFY for a user that every host has, and for one that no host has."""
    domain = target.settings.mail_domain
    replies = []
    for user in ("postmaster", f"nobody-{secrets.token_hex(4)}"):
        with _submissions(target) as conversation:
            conversation.hello()
            reply = conversation.command(f"VRFY {user}@{domain}")
            conversation.quit()
            replies.append(str(reply).replace(user, "USER"))
    return replies[0], replies[1]


# -- smuggling ----------------------------------------------------------------------------------------


@observer
def pipelining_25(target: Target) -> str:
    """The rejections of port 25 to a client that does not wait for the answer to EHLO."""
    with _relay(target) as conversation:
        conversation.send(b"EHLO pipelining.invalid\r\nNOOP\r\nNOOP\r\n")
        replies = []
        try:
            for _reply in range(3):
                replies.append(conversation.reply())
        except BrokenOff:
            pass
        return " | ".join(str(reply) for reply in replies if reply.refused)


@observer
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
    with _relay(target) as conversation:
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
