"""The proof that a service works: it succeeds with real answers of Postfix and Dovecot, and fails with less.

A server of the test's own repeats the recorded conversations. Where the proof waits for something that never
comes, it runs with less patience.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from smtp_auth.on_host.programs import proof_program
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.postfix import POSTFIX
from tests.unit.issuing import issued
from tests.unit.on_host import RECORDED, RELEASES

PROVES_POSTFIX = proof_program(POSTFIX)
PROVES_DOVECOT = proof_program(DOVECOT)

NAME = "mail1.example.jp"
EHLO, MAIL, RCPT = "EHLO [127.0.0.1]", "MAIL FROM:<>", "RCPT TO:<postmaster@localhost>"
GREETING = ""

# Seconds after which a proof or a server stops waiting for the other.
LONGEST = 100

# What a client sent (nothing, before the greeting), to what the server answers. If an answer is missing, the
# server closes the connection.
Conversation = Mapping[str, bytes]


def conversation(release: str, port: int) -> dict[str, bytes]:
    """A recorded one."""
    answers = {GREETING: b""}
    sent = GREETING
    for line in (RECORDED / release / f"port_{port}.txt").read_bytes().splitlines(keepends=True):
        if line.startswith(b"> "):
            sent = line[2:].decode().strip()
            answers[sent] = b""
        else:
            answers[sent] += line
    return answers


class Server:
    """Has a conversation with one client after another.

    + heard: the lines that came, with their ends
    + header: what a proxy said of its client, in front of all else
    + asked_for: the name that a client asked for in TLS
    + versions: those of TLS, one a connection
    """

    def __init__(
        self,
        answers: Conversation,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        clients: int = 1,
        address: str = "127.0.0.1",
        port: int = 0,
        before: Callable[[], object] = lambda: None,
        behind_a_proxy: bool = False,
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listening = socket.create_server((address, port), family=family)
        self.port = self._listening.getsockname()[1]
        self.heard: list[str] = []
        self.header = ""
        self.asked_for: str | None = None
        self._behind_a_proxy = behind_a_proxy
        self._answers = answers
        self._tls = tls
        self._starttls = starttls
        self._clients = clients
        self.versions: list[str | None] = []
        self._before = before
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # If no client has connected, accept() raises this.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        for _ in range(self._clients):
            self._serve_one()

    def _serve_one(self) -> None:
        # A client that stops is one of the expected results.
        with suppress(OSError), self._listening.accept()[0] as raw:
            raw.settimeout(LONGEST)
            self._before()
            while self._behind_a_proxy and not self.header.endswith("\r\n"):
                self.header += raw.recv(1).decode("ascii")
            if self._tls is None:
                self._converse(raw)
                return
            self._tls.sni_callback = self._note_name
            with self._tls.wrap_socket(raw, server_side=True) as connection:
                self.versions.append(connection.version())
                self._converse(connection)

    def _note_name(self, _connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self.asked_for = name

    def _converse(self, connection: socket.socket, sent: str = GREETING) -> None:
        with connection.makefile("rwb") as stream:
            while sent in self._answers:
                stream.write(self._answers[sent])
                stream.flush()
                if sent == "QUIT":
                    return
                line = stream.readline().decode("latin-1")
                self.heard += [line] if line else []
                # Postfix refuses lines that end in another way.
                sent = line.removesuffix("\r\n")
                if sent == "STARTTLS" and self._starttls:
                    stream.write(crlf("220 2.0.0 Ready to start TLS"))
                    stream.flush()
                    with self._starttls.wrap_socket(connection, server_side=True) as secured:
                        self.heard.append(secured.recv(1024).decode())
                        self._converse(secured, self.heard[-1].removesuffix("\r\n"))
                    return


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """The chain on the disk, as a deploy names it to the proof."""
    path = tmp_path / "fullchain.pem"
    path.write_text(issued(NAME).chain)
    return path


@pytest.fixture
def tls(tmp_path: Path, chain: Path) -> ssl.SSLContext:
    """Serves that chain."""
    key = tmp_path / "privkey.pem"
    key.write_text(issued(NAME).private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def proof(*words: object, program: str = PROVES_POSTFIX, **environment: str) -> str:
    """Why the proof has failed; empty if it has succeeded."""
    done = prove(*words, program=program, **environment)
    return done.stderr.rstrip("\n")


def proved(*words: object, program: str = PROVES_POSTFIX) -> list[str]:
    """What the proof says that it has proved, without the number of the port."""
    done = prove(*words, program=program)
    assert done.returncode == 0, done.stderr
    return [re.sub(r"^\d+:", "PORT:", line) for line in done.stdout.splitlines()]


def prove(*words: object, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the proof."""
    done = subprocess.run(
        ("perl", "-e", program, "--", *map(str, words)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
        close_fds=False,
        env={**os.environ, **environment},
    )
    assert bool(done.stdout) == (done.returncode == 0)
    # Perl's own errors would be more than one line, or have another status.
    assert (done.returncode, len(done.stderr.splitlines())) in ((0, 0), (1, 1)), done.stderr
    return done


def plain(server: Server) -> str:
    """The proof of port 25, without the port at the start of the line."""
    return proof(f"port={server.port}", "since=0").removeprefix(f"port {server.port}: ")


def secure(server: Server, chain: Path | str, auth: str = "yes", login_only: str = "yes") -> str:
    """The same for port 465."""
    return proof(*secure_words(server, chain, auth, login_only)).removeprefix(f"port {server.port}: ")


def secure_words(server: Server, chain: Path | str, auth: str = "yes", login_only: str = "yes") -> list[str]:
    """The arguments of that proof."""
    how = {"port": server.port, "since": 0, "name": NAME, "wrapped": "yes"}
    how |= {"chain": chain, "auth": auth, "login_only": login_only}
    return [f"{key}={value}" for key, value in how.items()]


def impatient(patience: int = 10) -> str:
    """The proof with a patience of so many seconds instead of ninety."""
    text = PROVES_POSTFIX
    for long, less in {
        "$PATIENCE = 90": f"$PATIENCE = {patience}",
        "$PAUSE = 2;": "$PAUSE = 0.1;",
        "$UNTIL_IT_LISTENS = 5": "$UNTIL_IT_LISTENS = 0.2",
    }.items():
        assert long in text
        text = text.replace(long, less)
    return text


def without(answers: Conversation, sent: str) -> Conversation:
    """The conversation, cut where the client sends this."""
    return {known: answer for known, answer in answers.items() if known != sent}


def crlf(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


# Port 25, without TLS from the first byte.


def test_port_25_as_recorded_serves(release: str) -> None:
    with Server(conversation(release, 25)) as server:
        assert plain(server) == ""
    assert server.heard == [f"{EHLO}\r\n"]


def test_a_greeting_of_several_lines_is_one(release: str) -> None:
    greeting = crlf("220-mail1.example.jp ESMTP", "220 Postfix")
    with Server({**conversation(release, 25), GREETING: greeting}) as server:
        assert plain(server) == ""
    assert server.heard == [f"{EHLO}\r\n"]


@pytest.mark.parametrize(
    ("sent", "answer", "why"),
    [
        (GREETING, "421 4.3.2 All server ports are busy", "no greeting"),
        (EHLO, "502 5.5.2 Error: command not recognized", "EHLO is refused"),
        (EHLO, "421 4.3.0 Error: try again later", "EHLO is refused"),
    ],
)
def test_what_port_25_refuses_is_said(release: str, sent: str, answer: str, why: str) -> None:
    with Server({**conversation(release, 25), sent: crlf(answer)}) as server:
        assert plain(server) == f"{why} (last line: {answer})"


def test_a_greeting_without_an_end_is_none() -> None:
    with Server({GREETING: b"2" * (4 << 20)}) as server:
        assert plain(server) == "no greeting: the server sends more than 1048576 bytes"


def test_nothing_is_said_before_the_greeting_has_come_whole() -> None:
    """postscreen greets in two lines, seconds apart, and rejects clients that speak between them."""
    spoke_early = []

    def serve(listening: socket.socket) -> None:
        with listening.accept()[0] as connection:
            connection.sendall(crlf("220-mail1.example.jp ESMTP"))
            connection.settimeout(0.3)
            with suppress(TimeoutError):
                spoke_early.append(connection.recv(1024))
            connection.settimeout(LONGEST)
            connection.sendall(crlf("220 mail1.example.jp ESMTP"))
            connection.recv(1024)
            connection.sendall(crlf("250 mail1.example.jp"))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        assert proof(f"port={listening.getsockname()[1]}", "since=0") == ""
        serving.join()
    assert spoke_early == []


def test_behind_a_proxy_port_25_hears_of_its_client_first(release: str) -> None:
    with Server(conversation(release, 25), behind_a_proxy=True) as server:
        assert proof(f"port={server.port}", "since=0", "proxied=yes") == ""
    assert server.header == f"PROXY TCP4 127.0.0.1 127.0.0.1 40000 {server.port}\r\n"
    assert server.heard == [f"{EHLO}\r\n"]


def test_a_connection_to_port_25_that_is_cut_is_no_proof(release: str) -> None:
    answers = conversation(release, 25)
    with Server(without(answers, GREETING)) as server:
        assert plain(server) == "no greeting"
    with Server(without(answers, EHLO)) as server:
        assert plain(server) == "EHLO is not answered"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (GREETING, "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied"),
        (GREETING, "421 4.7.0 mail1.example.jp Error: too many connections from 127.0.0.1"),
        (EHLO, "554 5.7.1 <[127.0.0.1]>: Helo command rejected: No literals"),
        (EHLO, "450 4.7.1 <[127.0.0.1]>: Helo command rejected: Host not found"),
    ],
)
def test_a_rule_of_its_owner_that_rejects_the_proof_is_no_error(release: str, sent: str, answer: str) -> None:
    with Server({**conversation(release, 25), sent: crlf(answer)}) as server:
        assert plain(server) == ""


def test_where_literals_are_rejected_the_hosts_name_is_said(release: str) -> None:
    answers = conversation(release, 25)
    rejected = crlf("504 5.5.2 <[127.0.0.1]>: Helo command rejected: need fully-qualified hostname")
    with Server({**answers, EHLO: rejected, f"EHLO {NAME}": answers[EHLO]}) as server:
        assert proof(f"port={server.port}", "since=0", f"name={NAME}") == ""
    assert server.heard == [f"{EHLO}\r\n", f"EHLO {NAME}\r\n"]


STARTTLS = "STARTTLS"


def behind_starttls(answers: Conversation, tls: ssl.SSLContext) -> tuple[str, list[str]]:
    """The proof of a port that is asked to go behind STARTTLS, and what the server heard."""
    with Server(answers, starttls=tls, clients=2) as server:
        said = proof(f"port={server.port}", "since=0", "starttls=yes")
    return said.replace(f"port {server.port}", "port"), [line.rstrip() for line in server.heard]


def test_port_25_serves_behind_starttls_too(release: str, tls: ssl.SSLContext) -> None:
    answers = conversation(release, 25)
    assert b"250-STARTTLS\r\n" in answers[EHLO]
    said, heard = behind_starttls(answers, tls)
    assert said == ""
    # openssl says EHLO before STARTTLS, and the proof after it.
    assert heard == [EHLO, "QUIT", EHLO, STARTTLS, EHLO, "QUIT"]


def test_an_smtpd_that_ends_behind_starttls_is_said(release: str, tls: ssl.SSLContext) -> None:
    answers = conversation(release, 25)

    class Ends(Server):
        def _converse(self, connection: socket.socket, sent: str = GREETING) -> None:
            if not isinstance(connection, ssl.SSLSocket):
                super()._converse(connection, sent)

    with Ends(answers, starttls=tls, clients=2) as server:
        said = proof(f"port={server.port}", "since=0", "starttls=yes")
    assert said == f"port {server.port} behind STARTTLS: EHLO is not answered"


def test_where_no_tls_is_offered_none_is_proved(release: str, tls: ssl.SSLContext) -> None:
    answers = conversation(release, 25)
    bare = {**answers, EHLO: answers[EHLO].replace(b"250-STARTTLS\r\n", b"")}
    with Server(bare) as server:
        assert proof(f"port={server.port}", "since=0", "starttls=yes") == ""
    assert server.heard == [f"{EHLO}\r\n"]
    with Server(bare) as server:
        said = proof(f"port={server.port}", "since=0", "starttls=required")
    assert said.startswith(f"port {server.port}: STARTTLS is not offered")


# Port 465, with TLS from the first byte.


def test_port_465_as_recorded_serves(release: str, tls: ssl.SSLContext, chain: Path) -> None:
    answers = conversation(release, 465)
    with Server(answers, tls=tls) as server:
        assert secure(server, chain) == ""
    assert server.heard == [f"{sent}\r\n" for sent in (EHLO, MAIL, RCPT, "QUIT")]
    assert server.asked_for == NAME
    assert answers[RCPT].startswith(b"554 5.7.1 ")


def test_behind_a_proxy_port_465_hears_of_its_client_first(
    release: str, tls: ssl.SSLContext, chain: Path
) -> None:
    with Server(conversation(release, 465), tls=tls, behind_a_proxy=True) as server:
        assert proof(*secure_words(server, chain), "proxied=yes") == ""
    assert server.header == f"PROXY TCP4 127.0.0.1 127.0.0.1 40000 {server.port}\r\n"
    assert (server.heard[-1], server.asked_for) == ("QUIT\r\n", NAME)


# A client of `nobody`, which is connected before openssl is.
OPENSSL = r"""#!/bin/sh
perl -MIO::Socket::INET -e '
    $( = $) = 65534; $< = $> = 65534;
    my $socket = IO::Socket::INET->new($ARGV[0]) or die;
    exit if fork;
    close STDOUT; close STDERR;
    sysread $socket, my $said, 1;
' "$3"
exec {openssl} "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="an account without rights is one of several")
def test_an_account_without_rights_is_no_client_of_the_proxy(
    release: str, tls: ssl.SSLContext, chain: Path, tmp_path: Path
) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    openssl = commands / "openssl"
    openssl.write_text(OPENSSL.replace("{openssl}", shutil.which("openssl") or ""))
    openssl.chmod(0o755)
    with Server(conversation(release, 465), tls=tls, behind_a_proxy=True) as server:
        path = f"{commands}:{os.environ['PATH']}"
        assert proof(*secure_words(server, chain), "proxied=yes", PATH=path) == ""
    assert server.heard[-1] == "QUIT\r\n"


def test_a_service_that_needs_no_login_is_said(release: str, tls: ssl.SSLContext, chain: Path) -> None:
    answers = {**conversation(release, 465), RCPT: crlf("250 2.1.5 Ok")}
    with Server(answers, tls=tls) as server:
        assert secure(server, chain) == "a client that has not logged in can send (last line: 250 2.1.5 Ok)"
    with Server(answers, tls=tls) as server:
        assert secure(server, chain, login_only="") == ""


@pytest.mark.parametrize(
    ("sent", "answer", "why"),
    [
        (GREETING, "421 4.3.2 All server ports are busy", "no greeting through TLS"),
        (GREETING, "554 5.7.1 No", "no greeting through TLS"),
        (EHLO, "502 5.5.2 Error: command not recognized", "EHLO is refused"),
        (MAIL, "452 4.3.1 Insufficient system storage", "mail is deferred"),
        (MAIL, "451 4.3.0 <>: Temporary lookup failure", "mail is deferred"),
        (RCPT, "451 4.3.0 <postmaster@localhost>: Temporary lookup failure", "mail is deferred"),
        (RCPT, "451 4.3.5 Server configuration problem", "mail is deferred"),
        (RCPT, "421 4.7.0 mail1.example.jp Error: too many errors", "mail is deferred"),
    ],
)
def test_what_port_465_refuses_is_said(
    release: str, tls: ssl.SSLContext, chain: Path, sent: str, answer: str, why: str
) -> None:
    with Server({**conversation(release, 465), sent: crlf(answer)}, tls=tls) as server:
        assert secure(server, chain) == f"{why} (last line: {answer})"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (RCPT, "454 4.7.1 <postmaster@localhost>: Relay access denied"),
        (RCPT, "450 4.2.0 <postmaster@localhost>: Recipient address rejected: Greylisted"),
        (MAIL, "530 5.7.0 Authentication required"),
    ],
)
def test_a_refusal_for_want_of_a_login_is_no_failure(
    tls: ssl.SSLContext, chain: Path, sent: str, answer: str
) -> None:
    with Server({**conversation("trixie", 465), sent: crlf(answer)}, tls=tls) as server:
        assert secure(server, chain) == ""
    assert server.heard[-1] == "QUIT\r\n"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (GREETING, "no greeting through TLS"),
        (EHLO, "EHLO is not answered"),
        (MAIL, "MAIL FROM is not answered"),
        (RCPT, "RCPT TO is not answered"),
    ],
)
def test_a_connection_to_port_465_that_is_cut_is_no_proof(
    release: str, tls: ssl.SSLContext, chain: Path, sent: str, why: str
) -> None:
    with Server(without(conversation(release, 465), sent), tls=tls) as server:
        assert secure(server, chain).startswith(why)
    assert server.heard[-1:] == ([f"{sent}\r\n"] if sent else [])


VERSIONS = ("version=TLSv1.3", "version=TLSv1.2")


def test_a_list_that_rejects_this_host_at_once_proves_tls_alone(tls: ssl.SSLContext, chain: Path) -> None:
    """Port 465 may be for a VPN, with smtpd_delay_reject = no."""
    rejected = {GREETING: crlf("554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied")}
    with Server({**conversation("trixie", 465), **rejected}, tls=tls, clients=2) as server:
        assert proof(*secure_words(server, chain), *VERSIONS) == ""
    chain.write_text(issued("other.example.jp").chain)
    with Server({**conversation("trixie", 465), **rejected}, tls=tls) as server:
        assert secure(server, chain).startswith("the certificate that is served is not")


def test_only_what_postfix_has_opened_counts(tmp_path: Path) -> None:
    """Another program may have the same port on loopback."""
    (tmp_path / "pid").mkdir()
    (tmp_path / "pid" / "master.pid").write_text(f"{os.getpid()}\n")
    answers = {GREETING: crlf("220 mail1.example.jp"), "EHLO [127.0.0.2]": crlf("250 mail1.example.jp")}
    # The test's own process stands for Postfix's master.
    comm = Path("/proc/self/comm")
    name = comm.read_text()
    comm.write_text("master")
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            other = subprocess.Popen(("cat",), stdin=subprocess.PIPE, pass_fds=[silent.fileno()])
        with other, Server(answers, address="127.0.0.2", port=port) as server:
            assert proof(f"port={port}", "since=0", f"queue={tmp_path}") == ""
    finally:
        comm.write_text(name)
    assert server.heard == ["EHLO [127.0.0.2]\r\n"]


def test_each_version_of_tls_is_proved(release: str, tls: ssl.SSLContext, chain: Path) -> None:
    with Server(conversation(release, 465), tls=tls, clients=2) as server:
        assert proof(*secure_words(server, chain), *VERSIONS) == ""
    assert server.versions == ["TLSv1.3", "TLSv1.2"]


def test_a_version_of_tls_that_is_not_served_is_said(release: str, tls: ssl.SSLContext, chain: Path) -> None:
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    with Server(conversation(release, 465), tls=tls, clients=2) as server:
        said = proof(*secure_words(server, chain), *VERSIONS)
    assert said == f"port {server.port} with TLSv1.2: no greeting through TLS"


def test_a_service_that_only_this_host_reaches_is_said(tls: ssl.SSLContext, chain: Path) -> None:
    with Server(conversation("trixie", 465), tls=tls) as server:
        said = proof(*secure_words(server, chain), "outside=yes")
    assert said.startswith(f"port {server.port}: it is open only on loopback (127.0.0.1)")
    assert "systemctl restart postfix" in said
    with Server(conversation("trixie", 465), tls=tls, address="0.0.0.0") as server:
        assert proof(*secure_words(server, chain), "outside=yes") == ""


def test_a_server_without_tls_gives_no_greeting_through_tls(release: str, chain: Path) -> None:
    with Server(conversation(release, 25)) as server:
        assert secure(server, chain).startswith("no greeting through TLS")


def test_another_certificate_than_the_one_on_the_disk_is_said(
    release: str, tls: ssl.SSLContext, chain: Path
) -> None:
    chain.write_text(issued("other.example.jp").chain)
    with Server(conversation(release, 465), tls=tls) as server:
        why = secure(server, chain)
    assert why.startswith(f"the certificate that is served is not the one in {chain}")
    # After another certificate, the proof sends nothing more.
    assert server.heard == []


def test_the_first_certificate_of_the_chain_counts(tls: ssl.SSLContext, chain: Path) -> None:
    leaf, issuer = chain.read_text(), issued("An authority").chain
    chain.write_text(leaf + issuer)
    with Server(conversation("trixie", 465), tls=tls) as server:
        assert secure(server, chain) == ""
    chain.write_text(issuer + leaf)
    with Server(conversation("trixie", 465), tls=tls) as server:
        assert secure(server, chain).startswith("the certificate that is served is not the one")


def test_a_chain_that_is_not_there_is_said(tls: ssl.SSLContext, tmp_path: Path) -> None:
    with Server(conversation("trixie", 465), tls=tls) as server:
        why = secure(server, tmp_path / "nothing.pem")
    assert why.startswith(f"cannot read {tmp_path}/nothing.pem: No such file or directory")


def test_without_a_chain_any_certificate_will_do(tls: ssl.SSLContext) -> None:
    with Server(conversation("trixie", 465), tls=tls) as server:
        assert secure(server, "") == ""
    assert server.heard[-1] == "QUIT\r\n"


def test_a_service_without_logins_is_said(release: str, tls: ssl.SSLContext, chain: Path) -> None:
    answers = conversation(release, 465)
    bare = {**answers, EHLO: answers[EHLO].replace(b"250-AUTH PLAIN\r\n", b"")}
    assert bare != answers
    with Server(bare, tls=tls) as server:
        assert secure(server, chain) == "AUTH is not offered (last line: 250 CHUNKING)"
    with Server(bare, tls=tls) as server:
        assert secure(server, chain, auth="") == ""


def test_logins_may_be_the_last_thing_that_is_offered(tls: ssl.SSLContext, chain: Path) -> None:
    last = {EHLO: crlf("250-mail1.example.jp", "250 AUTH PLAIN")}
    with Server({**conversation("trixie", 465), **last}, tls=tls) as server:
        assert secure(server, chain) == ""


# Whether a program listens, and on which address.


@pytest.mark.parametrize("address", ["127.0.0.2", "0.0.0.0", "::1", "::"])
def test_a_service_is_found_where_it_listens(tls: ssl.SSLContext, chain: Path, address: str) -> None:
    if ":" in address and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    literal = {"127.0.0.2": "[127.0.0.2]", "0.0.0.0": "[127.0.0.1]"}.get(address, "[IPv6:::1]")
    for port, context in ((25, None), (465, tls)):
        answers = conversation("trixie", port)
        answers = {**without(answers, EHLO), f"EHLO {literal}": answers[EHLO]}
        with Server(answers, tls=context, address=address) as server:
            assert (secure(server, chain) if context else plain(server)) == ""


def test_nothing_that_listens_is_said(tmp_path: Path) -> None:
    # Bound, so that no other program gets it, but not listening.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert proof(f"port={port}", "since=0", program=impatient()) == f"port {port}: nothing listens"


def test_a_connection_to_a_port_is_no_service_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = listening.accept()
    with client, connection:
        assert proof(f"port={port}", "since=0", program=impatient()) == f"port {port}: nothing listens"


def journal(folder: Path, script: str) -> dict[str, str]:
    """An environment where this stands for journalctl."""
    command = folder / "journalctl"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


# What master says, and journald of the process that died, on both releases.
SMTPD = "/usr/lib/postfix/sbin/smtpd"
DIED = f"warning: process {SMTPD} pid 77 exit status 1\nwarning: {SMTPD}: bad command startup -- throttling"
OTHERS = "warning: /usr/lib/postfix/sbin/postscreen: bad command startup -- throttling"


class Master:
    """This process stands for master, and its queue is a folder."""

    def __init__(self, folder: Path) -> None:
        (folder / "pid").mkdir()
        (folder / "private").mkdir()
        (folder / "pid/master.pid").write_text(f"{os.getpid():>10}\n")
        self._folder = folder

    def proof(
        self, said: str, command_line: str | None, port: int, *, patience: int = 10, **service: str
    ) -> tuple[str, list[str]]:
        """Why a port does not serve, if the journal has these lines of master's; and how it was asked.

        + command_line: that of process 77, which the journal has; `None`: it has nothing of it
        + patience: in seconds
        + service: names of ports, to be taken for the port
        """
        folder = self._folder
        (folder / "said").write_text(f"{said}\n")
        known = f'{{"_CMDLINE":"{command_line}","__CURSOR":"s=1"}}\n' if command_line else ""
        (folder / "known").write_text(known)
        script = f"""
            echo "$*" >>"{folder}/asked"
            case "$*" in *_PID=77*) cat "{folder}/known";; *) cat "{folder}/said";; esac
        """
        program = impatient(patience)
        for name in service.values():
            program = program.replace("getservbyname $port, 'tcp'", f"$port eq '{name}' ? {port} : undef")
        (folder / "asked").unlink(missing_ok=True)
        words = (f"port={port}", "since=1000.5", f"queue={folder}")
        environment = journal(folder, script)
        why = proof(*words, program=program, **environment).removeprefix(f"port {port}: ")
        return why, (folder / "asked").read_text().splitlines()


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    comm = Path("/proc/self/comm")
    name = comm.read_text()
    comm.write_text("master")
    yield Master(tmp_path)
    comm.write_text(name)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of this process that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


DIES, WAITED = "smtpd dies when it starts", "no answer within 3 seconds"


def test_a_service_that_dies_at_its_start_is_said(master: Master, silent: int) -> None:
    line = "smtpd -n submissions -t inet -u -o stress= -s 2"
    why, asked = master.proof(DIED, line, silent, name="submissions")
    assert why == DIES
    # journald takes these fields from the kernel; nobody can write them.
    assert f"--since=@1000.5 --output=cat _PID={os.getpid()} _UID=0" in asked[0]
    assert f"_PID=77 _UID=0 _UID={os.getuid()}" in asked[-1]
    assert sum("_PID=77" in line for line in asked) == 1


@pytest.mark.parametrize("line", ["smtpd -n 127.0.0.1:{} -t inet -u -c", "smtpd -l -n {} -t inet"])
def test_a_service_is_known_by_its_port(master: Master, silent: int, line: str) -> None:
    assert master.proof(DIED, line.format(silent), silent)[0] == DIES


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (DIED, "smtpd -n 10025 -t inet -u"),
        (DIED, "smtpd -n smtp -t inet -u -o x=-n -o {}"),
        (DIED, "smtpd -t pass -u"),
        (DIED, "nc -n {} -t inet"),
        (DIED, None),
        (OTHERS, "smtpd -n {} -t inet"),
        # What clients may make smtpd say, and what it says if a process was not the first of its service.
        (DIED.partition("\n")[0], "smtpd -n {} -t inet"),
        (DIED.partition("\n")[2], "smtpd -n {} -t inet"),
        (
            "\n".join(f"warning: non-SMTP command from x: {one}" for one in DIED.split("\n")),
            "smtpd -n {} -t inet",
        ),
        (DIED.replace("throttling", "throttling."), "smtpd -n {} -t inet"),
    ],
)
def test_what_is_not_masters_line_about_this_service_is_not_believed(
    master: Master, silent: int, said: str, line: str | None
) -> None:
    assert master.proof(said, line and line.format(silent), silent, patience=3)[0] == WAITED


def test_a_greeting_that_is_late_is_waited_for(release: str, tmp_path: Path, master: Master) -> None:
    waited, waits = os.pipe()
    os.set_inheritable(waits, True)
    environment = journal(tmp_path, f"echo no news; echo >/proc/self/fd/{waits}")

    def until_the_proof_waits() -> None:
        os.read(waited, 1)

    with Server(conversation(release, 25), before=until_the_proof_waits) as server:
        words = (f"port={server.port}", "since=0", f"queue={tmp_path}")
        assert proof(*words, program=impatient(), **environment) == ""
    os.close(waited)
    os.close(waits)


def test_a_service_that_never_answers_is_said(tmp_path: Path) -> None:
    environment = journal(tmp_path, "exit 1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        why = proof(f"port={port}", "since=0", program=impatient(3), **environment)
    assert why == f"port {port}: {WAITED}"


# What was proved, in words: those are equal on hosts that are equal.


@pytest.mark.parametrize(
    ("sent", "answer", "words"),
    [
        (MAIL, "250 2.1.0 Ok", ["PORT: greeting"]),
        (EHLO, "250-mail1.example.jp\r\n250 STARTTLS", ["PORT: greeting"]),
        (
            GREETING,
            "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied",
            ["PORT: a rule of its owner rejects the host itself"],
        ),
        (
            EHLO,
            "554 5.7.1 <[127.0.0.1]>: Helo command rejected: No literals",
            ["PORT: a rule of its owner rejects the host itself"],
        ),
    ],
)
def test_what_was_proved_of_a_port_is_what_was_seen(
    release: str, sent: str, answer: str, words: list[str]
) -> None:
    with Server({**conversation(release, 25), sent: crlf(answer)}) as server:
        assert proved(f"port={server.port}", "since=0") == words


@pytest.mark.parametrize("starttls", ["yes", "required"])
def test_starttls_is_proved_if_it_was_used(release: str, tls: ssl.SSLContext, starttls: str) -> None:
    with Server(conversation(release, 25), starttls=tls, clients=2) as server:
        words = proved(f"port={server.port}", "since=0", f"starttls={starttls}")
    assert words == ["PORT: greeting, STARTTLS"]


def test_of_port_465_all_is_said_that_was_checked(release: str, tls: ssl.SSLContext, chain: Path) -> None:
    answers = conversation(release, 465)
    with Server(answers, tls=tls, clients=2) as server:
        words = proved(*secure_words(server, chain), "version=TLSv1.3", "version=TLSv1.2")
    logins = re.findall(r"^250[- ]AUTH (.*)\r$", answers[EHLO].decode(), re.MULTILINE)[0].split()
    assert words == [
        f"PORT: TLSv1.3 and TLSv1.2, logins ({', '.join(logins)}) offered, clients without a login rejected, "
        f"certificate of {NAME}"
    ]
    with Server(answers, tls=tls) as server:
        [words_of_less] = proved(*secure_words(server, "", login_only=""))
    assert words_of_less == f"PORT: TLS, logins ({', '.join(logins)}) offered"
    bare = re.sub(rb"250[- ]AUTH[ =].*\r\n", b"", answers[EHLO])
    rejected = crlf("554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied")
    with Server({**answers, EHLO: bare}, tls=tls) as server:
        assert proved(*secure_words(server, "", auth="", login_only="")) == ["PORT: TLS"]
    with Server({**answers, GREETING: rejected}, tls=tls) as server:
        assert proved(*secure_words(server, chain)) == [
            f"PORT: TLS, a rule of its owner rejects the host itself, certificate of {NAME}"
        ]


def test_certificates_with_the_same_proof_are_in_one_line(tls: ssl.SSLContext, chain: Path) -> None:
    answers = conversation("trixie", 465)
    with Server(answers, tls=tls, clients=4) as server:
        one = secure_words(server, chain)
        two = [word.replace(NAME, "two.example") for word in one]
        three = [word.replace(NAME, "three.example") for word in one]
        words = proved(*one, "--", *two, "--", *three, "--", *secure_words(server, "", login_only=""))
    assert len(words) == 2
    assert words[0].endswith(f", certificate of {NAME}, two.example and three.example")
    assert "certificate" not in words[1]


def test_what_an_earlier_conversation_has_proved_is_not_said_where_a_later_one_fails(release: str) -> None:
    answers = conversation(release, 25)
    with Server(answers) as good, Server(without(answers, EHLO)) as bad:
        done = prove(
            f"port={good.port}", "since=0", "--", f"port={bad.port}", "since=0", program=PROVES_POSTFIX
        )
    assert (done.returncode, done.stdout) == (1, "")


# Dovecot's socket.


def dovecot(path: Path, said: bytes) -> threading.Thread:
    """Says this to one client of the socket, and closes the connection."""
    listening = socket.socket(socket.AF_UNIX)
    listening.settimeout(LONGEST)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.sendall(said)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_dovecots_handshake_as_recorded_is_an_answer(release: str, tmp_path: Path) -> None:
    path = tmp_path / "auth"
    thread = dovecot(path, (RECORDED / release / "auth.txt").read_bytes())
    assert proved(path, program=PROVES_DOVECOT) == ["Dovecot: its socket for Postfix answers"]
    thread.join()


@pytest.mark.parametrize("said", [b"", b"* OK ready.\n", b"DONE\n", b"XVERSION\t1\t2\n", b"VERSION 1 2\n"])
def test_another_answer_than_dovecots_is_said(tmp_path: Path, said: bytes) -> None:
    path = tmp_path / "auth"
    thread = dovecot(path, said)
    assert proof(path, program=PROVES_DOVECOT) == f"{path}: Dovecot does not answer"
    thread.join()


def test_a_socket_that_nobody_serves_is_said(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    assert proof(path, program=PROVES_DOVECOT) == f"{path}: cannot connect: No such file or directory"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    assert proof(path, program=PROVES_DOVECOT) == f"{path}: cannot connect: Connection refused"
