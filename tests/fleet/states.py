"""What a table of states is made of: how a state is made, what is seen on its host, and how it is tried.

A table says of each state what makes it, with which data a deploy comes, and what is expected: a refusal in
the preview with its sentence and nothing changed, or a host that serves; then what is seen on it. Each is
tried on a host of either release.
"""

import re
import shlex
import smtplib
import socket
import ssl
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from smtp_auth.shown import counted
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import Run, deploy, side_by_side, succeed, tree

LOGIN_ONLY = "permit_sasl_authenticated,reject"
MYNETWORKS_TOO = "permit_mynetworks,permit_sasl_authenticated,reject"


# -- what is seen -------------------------------------------------------------------------------------


def reads(command: str, wanted: str) -> Callable[[LabHost, Lab], None]:
    """The command's standard output on the host, without white space at its ends, matches an expression."""

    def check(host: LabHost, lab: Lab) -> None:
        said = host.run(_filled(command, host), check=False).stdout.strip()
        assert re.fullmatch(wanted, said, re.DOTALL), f"{host.name}: {command}: {said!r}"

    return check


def on_service(service: str, *options: str) -> Callable[[LabHost, Lab], None]:
    """Postfix reads these options, `name = value`, of a service of master.cf."""

    def check(host: LabHost, lab: Lab) -> None:
        said = re.sub(r" +", " ", host.run(f"postconf -P '{service}/*'").stdout)
        for option in options:
            assert f"{service}/{option}\n" in said, f"{host.name}: {option}: {said}"

    return check


def sends(host: LabHost, lab: Lab) -> None:
    """The host's user logs in on port 465 and sends a message, which arrives."""
    subject = f"wild {uuid.uuid4()}"
    mail.send(host, lab.ca, subject)
    mail.delivered(host, subject)


def logs_in(host: LabHost, lab: Lab) -> None:
    """The host's user logs in on port 465."""
    with mail.submissions(host, lab.ca) as client:
        client.login(host.user, host.password)


def refuses(sender: str, code: int, words: bytes) -> Callable[[LabHost, Lab], None]:
    """A user who has logged in is refused with this code and these words.

    + sender: the local part of the address that they send as; {user} stands for their own
    """

    def check(host: LabHost, lab: Lab) -> None:
        with mail.submissions(host, lab.ca) as client:
            client.login(host.user, host.password)
            client.mail(f"{_filled(sender, host)}@{host.domain}")
            answer, said = client.rcpt(f"{host.user}@{host.domain}")
            assert (answer, words in said) == (code, True), said

    return check


REFUSES_A_FOREIGN_SENDER = refuses("somebody-else", 553, b"not owned by user")
SAYS_QUOTA = refuses("{user}", 554, b"over quota")


def auth_on_port_25(offered: bool) -> Callable[[LabHost, Lab], None]:
    """Port 25 offers logins inside TLS, or does not."""

    def check(host: LabHost, lab: Lab) -> None:
        with mail.smtp(host) as client:
            client._host = host.name  # type: ignore[attr-defined]
            client.starttls(context=ssl.create_default_context(cafile=str(lab.ca)))
            client.ehlo("client.example")
            assert ("auth" in client.esmtp_features) == offered, client.esmtp_features

    return check


def refuses_tls_1_1(host: LabHost, lab: Lab) -> None:
    """Port 465 does not speak TLS 1.1."""
    context = ssl.create_default_context(cafile=str(lab.ca))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        # It is tried because it is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol|version"), mail.submissions(host, lab.ca, context):
        pass


def serves_a_proxys_client(host: LabHost, lab: Lab) -> None:
    """Port 465 speaks TLS and offers logins, after the header of a proxy."""
    context = ssl.create_default_context(cafile=str(lab.ca))
    with socket.create_connection((host.address, mail.SUBMISSIONS), 30) as connection:
        connection.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 465\r\n")
        with context.wrap_socket(connection, server_hostname=host.name) as tls, tls.makefile("rwb") as stream:
            assert stream.readline().startswith(b"220 ")
            stream.write(b"EHLO client.example\r\n")
            stream.flush()
            lines = iter(stream.readline, b"")
            hello = [*takewhile(lambda line: line.startswith(b"250-"), lines)]
            assert any(line.startswith(b"250-AUTH ") for line in hello), hello


def lets_in_nobody(host: LabHost, lab: Lab) -> None:
    """Port 465 accepts no recipient from a client that has not logged in, not even on the host itself."""
    said = host.run(
        "printf 'EHLO x\\nMAIL FROM:<>\\nrcpt TO:<postmaster@localhost>\\nQUIT\\n' | "
        "timeout 20 openssl s_client -quiet -crlf -connect 127.0.0.1:465 2>/dev/null",
        check=False,
    ).stdout
    assert re.search(r"^[45]\d\d .*", said, re.MULTILINE), said
    assert not re.search(r"^250 2\.1\.5", said, re.MULTILINE), said


# The password of every user that a state adds; the lab knows that of the host's own.
ADDED_PASSWORD = "added-by-a-state"


def answers(
    port: int,
    code: int,
    login: str = "",
    sender: str = "{user}",
    to: str = "someone@elsewhere.example",
    words: str = "",
) -> Callable[[LabHost, Lab], None]:
    """What a client of a port is told when it names its recipient.

    + code: the code of the answer, which contains the `words`
    + login: who logs in, inside TLS; nobody by default
    + sender: the local part of the address that they send as; {user} stands for the host's own
    + to: the recipient, by default in another domain
    """

    def check(host: LabHost, lab: Lab) -> None:
        with _client_of(port, host, lab, inside_tls=bool(login)) as client:
            client.ehlo("client.example")
            if login:
                name = _filled(login, host)
                client.login(name, host.password if name == host.user else ADDED_PASSWORD)
            client.mail(f"{_filled(sender, host)}@{host.domain}")
            said, why = client.rcpt(_filled(to, host))
            assert (said, words in why.decode()) == (code, True), (host.name, port, login, said, why)

    return check


def no_login_in_clear(port: int) -> Callable[[LabHost, Lab], None]:
    """The port offers no login outside TLS."""

    def check(host: LabHost, lab: Lab) -> None:
        with _client_of(port, host, lab, inside_tls=False) as client:
            client.ehlo("client.example")
            assert "auth" not in client.esmtp_features, (host.name, port, client.esmtp_features)

    return check


@contextmanager
def _client_of(port: int, host: LabHost, lab: Lab, inside_tls: bool) -> Iterator[smtplib.SMTP]:
    if port == mail.SUBMISSIONS:
        with mail.submissions(host, lab.ca) as client:
            yield client
        return
    with smtplib.SMTP(host.address, port, timeout=180) as client:
        if inside_tls:
            # Any certificate will do: it is not what is looked at.
            client.starttls(context=ssl._create_unverified_context())
        yield client


@dataclass(frozen=True)
class State:
    """One state of a host.

    + prepare: what makes it on a stock host; in shell commands {name}, {domain}, {user} and {live} stand for
      the host's name, its mail domain, its user and the directory of its lineages
    + data: the deploy's data; a text in it may have {name} and {domain}, too
    + refused: what the preview says, if the host is refused; a part of the sentence, or several
    + said: what the preview says of a host that is served; a part of a line, or several
    + unchanged: whether there is nothing to do
    + seen: what is seen of a host that is served
    + undo: shell commands that take away what a reset does not
    """

    prepare: str | Callable[[LabHost], None]
    data: Mapping[str, Any] = field(default_factory=dict)
    refused: str | tuple[str, ...] = ""
    said: str | tuple[str, ...] = ""
    unchanged: bool = False
    seen: tuple[Callable[[LabHost, Lab], None], ...] = (sends,)
    undo: str = ":"


# -- how states are made ------------------------------------------------------------------------------

RELOAD = "systemctl reload postfix"


def main_cf(*lines: str) -> str:
    """Commands that append lines to main.cf."""
    return f"printf '%s\\n' {shlex.join(lines)} >>/etc/postfix/main.cf"


def service(*options: str, name: str = "smtps", chroot: str = "y") -> str:
    """Commands that append a service with these options to master.cf.

    + options: `name=value` without white space, or in braces
    """
    words = [f"{name} inet n - {chroot} - - smtpd", *(f"  -o {option}" for option in options)]
    return f"printf '%s\\n' {shlex.join(words)} >>/etc/postfix/master.cf"


def commands(*parts: str) -> str:
    """These commands, one after another."""
    return " && ".join(parts)


OWN_SENDERS = main_cf("smtpd_sender_login_maps = inline:{ root@{domain}=root, {user}@{domain}={user} }")

# A policy service that refuses everybody, started by Postfix.
POLICY = commands(
    "printf '%s\\n' '#!/bin/sh' 'while read -r line && [ -n \"$line\" ]; do :; done' "
    "'printf \"action=554 over quota\\n\\n\"' >/usr/local/bin/policy",
    "chmod 755 /usr/local/bin/policy",
    "printf '%s\\n' 'policy unix - n n - 0 spawn user=nobody argv=/usr/local/bin/policy' "
    ">>/etc/postfix/master.cf",
)

POSTSCREEN = commands(
    "postconf -M# smtp/inet",
    "postconf -M 'smtp/inet=smtp inet n - y - 1 postscreen'",
    "postconf -M 'smtpd/pass=smtpd pass - - {chroot} - - smtpd'",
    "postconf -M 'dnsblog/unix=dnsblog unix - - y - 0 dnsblog'",
    "postconf -M 'tlsproxy/unix=tlsproxy unix - - y - 0 tlsproxy'",
)


# -- how they are tried -------------------------------------------------------------------------------


def _filled(text: str, host: LabHost) -> str:
    text = text.replace("{live}", "/etc/letsencrypt/live")
    text = text.replace("{user}", host.user)
    return text.replace("{name}", host.name).replace("{domain}", host.domain)


def _words(said: str | tuple[str, ...], host: LabHost) -> list[str]:
    return [_filled(word, host) for word in ((said,) if isinstance(said, str) else said)]


def _data(value: Any, host: LabHost) -> Any:
    if isinstance(value, str):
        return _filled(value, host)
    if isinstance(value, list):
        return [_data(one, host) for one in value]
    if isinstance(value, dict):
        return {_data(key, host): _data(one, host) for key, one in value.items()}
    return value


def prepare(host: LabHost, how: str | Callable[[LabHost], None]) -> None:
    """Put a host into a state. + how: shell commands, or what makes it"""
    if callable(how):
        how(host)
    else:
        host.run(_filled(how, host))


@contextmanager
def _made(states: Mapping[LabHost, State]) -> Iterator[None]:
    hosts = list(states)
    side_by_side(LabHost.reset, hosts)
    try:
        side_by_side(lambda host: prepare(host, states[host].prepare), hosts)
        yield
    finally:
        side_by_side(lambda host: host.run(states[host].undo), hosts)


def _are_refused(run: Run, wanted: Mapping[LabHost, list[str]]) -> None:
    for host, words in wanted.items():
        assert run.status == 1, run.output
        assert f"{host.name} refused: " in run.report, run.output
        # What is wrong with the data is said before anything is known of the host.
        of_data = [line for line in run.report.splitlines() if f" {host.name} refused: " in line]
        said = [*run.lines_of(host), *of_data]
        assert any(all(word in line for word in words) for line in said), f"{words}: {run.output}"


def rounds(table: Mapping[str, State]) -> list[tuple[str, ...]]:
    """The names of the states that are tried side by side: two, each on a host of either release."""
    return [tuple(table)[number : number + 2] for number in range(0, len(table), 2)]


def try_states(lab: Lab, table: Iterable[State]) -> None:
    """Make these states, deploy to them, and look at what becomes of them.

    + table: one or two
    """
    pairs = zip(table, (FLEET[:2], FLEET[2:]), strict=False)
    states = {lab.hosts[name]: state for state, pair in pairs for name in pair}
    data = {host.name: _data(dict(state.data), host) for host, state in states.items()}
    refused = [host for host, state in states.items() if state.refused]
    served = [host for host, state in states.items() if not state.refused]
    with _made(states):
        before = {host: tree(host) for host in refused}
        preview = deploy(states, "--dry", "--diff", per_host=data)
        # If one is not, a deploy could wait for minutes for a host that does not serve.
        _are_refused(preview, {host: _words(states[host].refused, host) for host in refused})
        done = deploy(states, per_host=data)
        _are_refused(done, {host: _words(states[host].refused, host) for host in refused})
        assert "\x07" not in preview.output + done.output
        for host in refused:
            assert tree(host) == before[host], done.output
        for host in served:
            assert f"{host.name} " not in preview.report + done.report, preview.output + done.output
            said = preview.lines_of(host) or [""]
            wanted = _words(states[host].said, host)
            assert any(all(word in line for word in wanted) for line in said), f"{wanted}: {preview.output}"
            assert bool(done.changed(host)) != states[host].unchanged, done.output
        if served:
            again = succeed(deploy(served, per_host=data))
            assert f"{counted(len(served), 'host')}: {len(served)} unchanged" in again.report, again.output
        for host in served:
            for seen in states[host].seen:
                seen(host, lab)
