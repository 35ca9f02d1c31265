"""The first conversation with each address of a host: whether it answers, what it says, and whom it shows.

To a healthy host, this is one conversation for each address and port: servers may limit how many a client
opens (smtpd_client_connection_rate_limit). Only what is not as it should be needs further ones.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from smtp_auth.postfix.master_cf import serves_port_25
from smtp_auth.services.postfix.addresses import WILDCARDS
from smtp_auth.verify.addresses import addresses
from smtp_auth.verify.connection import look
from smtp_auth.verify.conversation import (
    IMPLICIT_TLS,
    RELAY,
    TIMEOUT,
    BrokenOff,
    Conversation,
    Limited,
    Reply,
    TooSlow,
)
from smtp_auth.verify.dialing import dial, patiently
from smtp_auth.verify.target import Target, Unseen, observer

# A name that no certificate covers (RFC 6761).
WRONG_NAME = "wrong-name.invalid"

# The likely cause of a slow greeting.
SLOW_DNS = "smtpd first looks up its client's name in DNS: does the host's resolver answer"

# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH.
HOSTNAME_MISMATCH = 62


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


@dataclass(frozen=True)
class _Visit:
    """What one address gave.

    + error: why there is no TCP connection
    + hello: on port 25, the reply to EHLO before TLS, or why there is none
    + session: the one inside TLS, or why there is none
    + distrust: why a client does not trust the chain; empty if it does
    + covers: whether the certificate covers `mail_hostname` in a client's comparison
    """

    error: OSError | None = None
    hello: Reply | str = ""
    session: Session | str = ""
    distrust: str = ""
    covers: bool = True


def _answering(visits: Mapping[str, _Visit]) -> dict[str, _Visit]:
    return {address: visit for address, visit in visits.items() if visit.error is None}


# -- port 465 -----------------------------------------------------------------------------------------


def _visits_465(target: Target) -> dict[str, _Visit]:
    return {address: _visit_465(target, address) for address in target.see(addresses)}


@patiently
def _visit_465(target: Target, address: str) -> _Visit:
    name, ca_file = target.settings.mail_hostname, target.settings.verify_ca_file
    try:
        return _Visit(session=_session_465(address, name, trusting(ca_file)))
    except ssl.SSLCertVerificationError:
        # It may have several reasons, of which this is the first.
        pass
    except (BrokenOff, ssl.SSLError) as error:
        return _Visit(session=_why_none(error))
    except OSError as error:
        return _Visit(error=error)
    try:
        session = _session_465(address, name, any_certificate())
        nameless = trusting(ca_file, checks_name=False)
        distrust = verification(nameless, address, name)
        covers = _covers_alone(address, name)
    except (OSError, BrokenOff) as error:
        return _Visit(session=_why_none(error))
    return _Visit(session=session, distrust=distrust.verify_message if distrust else "", covers=covers)


def _session_465(address: str, name: str, context: ssl.SSLContext) -> Session | str:
    with dial(address, IMPLICIT_TLS) as conversation:
        began = time.monotonic()
        conversation.start_tls(context, name)
        encrypted = time.monotonic()
        version, chain = conversation.tls_version, conversation.chain
        greeting = conversation.reply()
        greeted = time.monotonic()
        hello = conversation.hello()
        conversation.quit()
    if greeting.refused or hello.refused:
        return str(greeting if greeting.refused else hello)
    pace = {"connection": conversation.connecting, "TLS": encrypted - began, "greeting": greeted - encrypted}
    return Session(version, chain, hello, pace)


def _why_none(error: Exception) -> str:
    if isinstance(error, Limited):
        raise error
    if isinstance(error, TooSlow):
        return f"no answer within {TIMEOUT} s ({SLOW_DNS}?)"
    return f"{type(error).__name__}: {error}"


@observer
def connections_465(target: Target) -> dict[str, OSError | None]:
    """Each address, to the error of a connection to port 465; `None` if it succeeds."""
    return {address: visit.error for address, visit in target.see(_visits_465).items()}


@observer
def attempts_465(target: Target) -> dict[str, Session | str]:
    """Each address, to the session on port 465 or the error."""
    return {address: visit.session for address, visit in _answering_465(target).items()}


@observer
def sessions_465(target: Target) -> dict[str, Session]:
    """Each address that gives a session on port 465, to that session."""
    attempts = target.see(attempts_465)
    found = {address: one for address, one in attempts.items() if isinstance(one, Session)}
    if not found:
        raise Unseen("port 465 gives no session", "port 465 greets inside tls")
    return found


@observer
def untrusted(target: Target) -> dict[str, str]:
    """Each address, to the reason why its chain does not verify; empty if it does."""
    visits = target.see(_visits_465)
    return {address: visits[address].distrust for address in target.see(sessions_465)}


@observer
def covered(target: Target) -> dict[str, bool]:
    """Whether the certificate covers `mail_hostname` and `WRONG_NAME` in a client's comparison."""
    address = serving(target)
    error = verification(trusting(target.settings.verify_ca_file), address, WRONG_NAME)
    if error is None or error.verify_code == HOSTNAME_MISMATCH:
        covers_wrong = error is None
    else:
        covers_wrong = _covers_alone(address, WRONG_NAME)
    return {
        target.settings.mail_hostname: target.see(_visits_465)[address].covers,
        WRONG_NAME: covers_wrong,
    }


def _covers_alone(address: str, name: str) -> bool:
    """Whether the certificate covers a name, whoever issued it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=shown_for(address, name).public_bytes(Encoding.DER))
    error = verification(context, address, name)
    return error is None or error.verify_code != HOSTNAME_MISMATCH


@patiently
def shown_for(address: str, name: str) -> x509.Certificate:
    """The certificate that port 465 shows for a name (SNI)."""
    with dial(address, IMPLICIT_TLS) as conversation:
        conversation.start_tls(any_certificate(), name)
        return conversation.chain[0]


def serving(target: Target) -> str:
    """The first address whose port 465 gives a session."""
    return next(iter(target.see(sessions_465)))


def answering_465(target: Target) -> str:
    """The first address whose port 465 can be connected to."""
    return next(iter(_answering_465(target)))


@contextmanager
def submissions(target: Target) -> Iterator[Conversation]:
    """A conversation on port 465. Raises `Unseen` if port 465 gives no session."""
    with dial(serving(target), IMPLICIT_TLS) as conversation:
        conversation.start_tls(any_certificate(), target.settings.mail_hostname)
        conversation.reply()
        yield conversation


def _answering_465(target: Target) -> dict[str, _Visit]:
    answering = _answering(target.see(_visits_465))
    if not answering:
        raise Unseen("port 465 cannot be reached", "port 465 is reachable on each address")
    return answering


# -- port 25 ------------------------------------------------------------------------------------------


def _visits_25(target: Target) -> dict[str, _Visit]:
    return {address: _visit_25(target, address) for address in target.see(addresses)}


@patiently
def _visit_25(target: Target, address: str) -> _Visit:
    hello: Reply | str = ""
    try:
        with dial(address, RELAY) as conversation:
            greeting = conversation.reply()
            reply = conversation.hello() if greeting.accepted else greeting
            hello = reply if reply.accepted else str(reply)
            if isinstance(hello, str) or target.settings.smtpd_tls_security_level == "none":
                conversation.quit()
                return _Visit(hello=hello, session=f"{address}: {hello}")
            _start_tls_25(conversation, any_certificate(), target.settings.mail_hostname)
            session = Session(conversation.tls_version, conversation.chain, conversation.hello())
            conversation.quit()
    except Limited:
        raise
    except (BrokenOff, ssl.SSLError) as error:
        why = f"{type(error).__name__}: {error}"
        return _Visit(hello=hello or why, session=why)
    except OSError as error:
        return _Visit(error=error)
    return _Visit(hello=hello, session=session)


def _start_tls_25(conversation: Conversation, context: ssl.SSLContext, name: str) -> None:
    started = conversation.command("STARTTLS")
    if started.refused:
        raise BrokenOff(f"port 25 refuses STARTTLS: {started}")
    conversation.start_tls(context, name)


@observer
def connections_25(target: Target) -> dict[str, OSError | None]:
    """Each address, to the error of a connection to port 25; `None` if it succeeds."""
    return {address: visit.error for address, visit in target.see(_visits_25).items()}


@observer
def refused_25(target: Target) -> dict[str, OSError]:
    """Each address where port 25 refuses a connection, and Postfix should take it, to the error.

    An owner may let Postfix listen on port 25 on some addresses alone, such as loopback.
    """
    bound = {address for port, address in target.see(look).postfix_sockets if port == RELAY}
    is_everywhere = not bound or bool(bound & WILDCARDS)
    return {
        address: error
        for address, error in target.see(connections_25).items()
        if isinstance(error, ConnectionError) and (is_everywhere or address in bound)
    }


@observer
def attempt_25(target: Target) -> Reply | str:
    """The reply to EHLO on port 25 before TLS, or the error."""
    return next(iter(_answering_25(target).values())).hello


@observer
def hello_25(target: Target) -> Reply:
    """The reply to EHLO on port 25 before TLS."""
    reply = target.see(attempt_25)
    if not isinstance(reply, Reply):
        raise Unseen("port 25 does not greet", "port 25 greets")
    return reply


@observer
def sessions_25(target: Target) -> dict[str, Session]:
    """Each address, to the session on port 25 after STARTTLS."""
    if target.settings.smtpd_tls_security_level == "none":
        raise Unseen("TLS is switched off on port 25 (smtpd_tls_security_level)")
    target.see(hello_25)
    found = {}
    for address, visit in _answering_25(target).items():
        if isinstance(visit.session, str):
            raise BrokenOff(visit.session)
        found[address] = visit.session
    return found


@contextmanager
def relay(target: Target) -> Iterator[Conversation]:
    """A conversation on port 25. Raises `Unseen` if port 25 does not greet."""
    target.see(hello_25)
    with dial(next(iter(_answering_25(target))), RELAY) as conversation:
        conversation.reply()
        yield conversation


def _answering_25(target: Target) -> dict[str, _Visit]:
    if answering := _answering(target.see(_visits_25)):
        return answering
    if not serves_port_25(target.see(look).master_cf.content or ""):
        raise Unseen("the host does not serve port 25")
    reachable = "port 25 is reachable unless it is blocked from here"
    raise Unseen("port 25 cannot be reached", reachable if target.see(refused_25) else "")


# -- TLS ----------------------------------------------------------------------------------------------


@cache
def any_certificate() -> ssl.SSLContext:
    """A context that accepts any certificate: the checks judge it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# Reading all authorities takes longer than a conversation.
@cache
def trusting(ca_file: str | None, *, checks_name: bool = True) -> ssl.SSLContext:
    """A context that accepts what clients accept. + ca_file: `verify_ca_file`"""
    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = checks_name
    return context


@patiently
def verification(
    context: ssl.SSLContext, address: str, name: str, port: int = IMPLICIT_TLS
) -> ssl.SSLCertVerificationError | None:
    """Why a context does not accept what a port shows for a name (SNI); `None` if it does."""
    with dial(address, port) as conversation:
        try:
            if port == RELAY:
                conversation.reply()
                conversation.hello()
                _start_tls_25(conversation, context, name)
            else:
                conversation.start_tls(context, name)
        except ssl.SSLCertVerificationError as error:
            return error
    return None
