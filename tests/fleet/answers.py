"""Asks Postfix what it lets whom do: by SMTP, on each port, as a stranger, from mynetworks, and logged in.

`ask` runs this file as a program in the network of a host, so that the client can come from any of its
addresses. No message is sent: each conversation ends after the recipients.
"""

import json
import smtplib
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from lab.command import run
from lab.host import LabHost

PORTS = (25, 465, 587, 2525)
SUBMISSIONS = 465

# In mynetworks of each drawn configuration. A client with the host's own address is in none.
IN_MYNETWORKS = "127.0.0.9"

STRANGERS = ("stranger", "stranger as the user", "in mynetworks", "in mynetworks as the user")
LOGINS = ("suspended login", "login", "login as another", "login as nobody's sender")

_ELSEWHERE = "elsewhere.example"
_TIMEOUT = 60


@dataclass(frozen=True)
class Powers:
    """What somebody may do on a port.

    + abroad: whether mail to another domain is accepted
    + here: whether mail to a mailbox of the host is accepted
    + logged_in: whether they have logged in
    + said: what Postfix said last to each recipient
    """

    abroad: bool = False
    here: bool = False
    logged_in: bool = False
    said: tuple[str, ...] = ("no service",)

    def __le__(self, other: "Powers") -> bool:
        return self.abroad <= other.abroad and self.here <= other.here

    def may_the_same(self, other: "Powers") -> bool:
        return (self.abroad, self.here) == (other.abroad, other.here)

    def __or__(self, other: "Powers") -> "Powers":
        """What is allowed by one of both."""
        return Powers(self.abroad or other.abroad, self.here or other.here)


@dataclass
class Answers:
    """What a host answered.

    + powers: by port and actor
    + in_clear: the ports that offer logins outside TLS
    + offering: the ports that offer logins to clients that are not in mynetworks, inside TLS or outside
    + serving: the ports that greet
    """

    powers: dict[tuple[int, str], Powers]
    in_clear: set[int]
    offering: set[int]
    serving: set[int]


def ask(host: LabHost, suspended: str, ports: Sequence[int] = PORTS) -> Answers:
    """Ask the host on each port as each actor.

    + suspended: the login that may be suspended; it has the same password as the host's user
    """
    words = json.dumps([ports, [host.address, host.user, suspended, host.password, host.domain]])
    said = run(
        *("nsenter", f"--target={host.leader().pid}", "--net", "--"),
        *(sys.executable, "-m", __name__),
        stdin=words,
    ).stdout
    found: list[tuple[int, dict[str, Any], bool, bool]] = json.loads(said)
    powers = {
        (port, actor): Powers(**{**one, "said": tuple(one["said"])})
        for port, by_actor, _, _ in found
        for actor, one in by_actor.items()
    }
    return Answers(
        powers,
        in_clear={port for port, _, in_clear, _ in found if in_clear},
        offering={port for port, _, _, offered in found if offered},
        serving={port for port, by_actor, _, _ in found if by_actor["stranger"]["said"] != ["no service"]},
    )


# -- in the host's network ----------------------------------------------------------------------------


class _Conversation:
    """A connection to a port: EHLO, and STARTTLS where it is offered."""

    def __init__(self, address: str, port: int, source: str) -> None:
        self.in_clear = self.inside = False
        self.client = self._connected(address, port, source)
        self.client.ehlo_or_helo_if_needed = lambda: None  # type: ignore[method-assign]
        self.client.ehlo()
        is_tls = isinstance(self.client, smtplib.SMTP_SSL)
        self.in_clear = self.client.has_extn("auth") and not is_tls
        if self.client.has_extn("starttls"):
            self.client.starttls(context=_context())
            self.client.ehlo()
        self.inside = self.client.has_extn("auth")

    def _connected(self, address: str, port: int, source: str) -> smtplib.SMTP:
        words: Any = {"local_hostname": "client.example", "timeout": _TIMEOUT, "source_address": (source, 0)}
        if port == SUBMISSIONS:
            # A service that does not begin with TLS says so.
            with suppress(ssl.SSLError):
                return smtplib.SMTP_SSL(address, port, context=_context(), **words)
        return smtplib.SMTP(address, port, **words)

    def log_in(self, user: str, password: str) -> bool:
        if not self.client.has_extn("auth"):
            return False
        with suppress(smtplib.SMTPAuthenticationError):
            self.client.login(user, password)
            return True
        return False

    def powers(self, sender: str, abroad: str, here: str, logged_in: bool) -> Powers:
        self.client.rset()
        code, text = self.client.mail(sender)
        answers = [self.client.rcpt(one) if code == 250 else (code, text) for one in (abroad, here)]
        accepted = [code // 100 == 2 for code, _ in answers]
        said = tuple(f"{code} {text.decode()}" for code, text in answers)
        return Powers(accepted[0], accepted[1], logged_in, said)


def _context() -> ssl.SSLContext:
    # Without the system's authorities, which take longer to load than a conversation.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Asking:
    def __init__(self, address: str, user: str, suspended: str, password: str, domain: str) -> None:
        self.address, self.password = address, password
        self.user, self.suspended = user, suspended
        self.mailboxes = {name: f"{name}@{domain}" for name in (user, suspended)}
        self.outside = f"somebody@{_ELSEWHERE}"

    def port(self, port: int) -> tuple[dict[str, Powers], bool, bool]:
        own, others = self.mailboxes[self.user], self.mailboxes[self.suspended]
        actors = iter((*STRANGERS, *LOGINS))
        powers: dict[str, Powers] = {}
        in_clear = offered = False
        for source, login, senders in (
            (self.address, "", (self.outside, own)),
            (IN_MYNETWORKS, "", (self.outside, own)),
            (self.address, self.suspended, (others,)),
            (self.address, self.user, (own, others, self.outside)),
        ):
            as_them = {next(actors): sender for sender in senders}
            powers |= {actor: Powers() for actor in as_them}
            with suppress(OSError, smtplib.SMTPException):
                conversation = _Conversation(self.address, port, source)
                in_clear |= conversation.in_clear
                if source == self.address:
                    offered |= conversation.in_clear or conversation.inside
                logged_in = bool(login) and conversation.log_in(login, self.password)
                for actor, sender in as_them.items():
                    powers[actor] = conversation.powers(sender, f"else@{_ELSEWHERE}", own, logged_in)
                conversation.client.quit()
        return powers, in_clear, offered


def main() -> None:
    """Print what the host answers whose words are on standard input."""
    ports, words = json.load(sys.stdin)
    asking = _Asking(*words)
    said = []
    for port in ports:
        powers, *offered = asking.port(port)
        said.append((port, {actor: asdict(one) for actor, one in powers.items()}, *offered))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
