"""An SMTP conversation against a server that a test plays."""

import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from smtp_auth.verify import conversation as module
from smtp_auth.verify.conversation import MOST, BrokenOff, Conversation, Reply, TooSlow, extension
from tests.unit.issuing import issued

NAME = "mail1.example.jp"

# Seconds after which a server of these tests stops by itself: far more than any test takes.
LONGEST = 20

# Seconds between two bytes of a server that sends them one by one, and those of an answer's deadline.
PAUSE, SOON = 0.05, 0.5

Serve = Callable[[socket.socket], object]


@contextmanager
def served(serve: Serve) -> Iterator[Conversation]:
    """A conversation with a server that does this, and closes."""
    client, server = socket.socketpair()

    def run() -> None:
        server.settimeout(LONGEST)
        # A client that has broken off is what most of these tests expect.
        with server, suppress(OSError):
            serve(server)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with Conversation(client) as conversation:
            yield conversation
    finally:
        thread.join()


@contextmanager
def answers(data: bytes) -> Iterator[Conversation]:
    """A conversation with a server that says this and closes."""
    with served(lambda server: server.sendall(data)) as conversation:
        yield conversation


def one_by_one(data: bytes) -> Serve:
    """Sends bytes one by one, for much longer than an answer may take, and then again and again."""

    def serve(server: socket.socket) -> None:
        stopped = threading.Event()
        for byte in itertools.islice(itertools.cycle(data), int(LONGEST / PAUSE)):
            server.sendall(bytes([byte]))
            stopped.wait(PAUSE)

    return serve


def without_end(part: bytes) -> Serve:
    """Sends the same for much longer than a conversation may be."""

    def serve(server: socket.socket) -> None:
        for _ in range(64 * MOST // len(part)):
            server.sendall(part)

    return serve


def silent(server: socket.socket) -> None:
    """Reads what it is sent, and says nothing."""
    while server.recv(65536):
        pass


@pytest.fixture
def inside_tls(tmp_path: Path) -> Callable[[Serve], Serve]:
    """Lets a server do something inside TLS."""
    certificate, (chain, key) = issued(NAME), (tmp_path / name for name in ("chain.pem", "key.pem"))
    chain.write_text(certificate.chain)
    key.write_text(certificate.private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    def inside(serve: Serve) -> Serve:
        def run(server: socket.socket) -> None:
            with context.wrap_socket(server, server_side=True) as secured:
                serve(secured)

        return run

    return inside


def any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_a_reply_of_several_lines_is_one() -> None:
    with answers(b"250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 DSN\r\n") as conversation:
        reply = conversation.reply()
    assert reply == Reply(250, ("mail.example", "AUTH PLAIN LOGIN", "DSN"))
    assert extension(reply, "AUTH") == ["PLAIN", "LOGIN"]
    assert extension(reply, "STARTTLS") is None


def test_a_reply_is_shown_as_far_as_anybody_reads() -> None:
    assert str(Reply(250, ("mail.example", "DSN"))) == "250 mail.example / DSN"
    assert len(str(Reply(554, ("x" * MOST,)))) < 1010


def test_the_old_form_of_auth_is_read_too() -> None:
    assert extension(Reply(250, ("mail.example", "AUTH=PLAIN")), "AUTH") == ["PLAIN"]


@pytest.mark.parametrize("data", [b"", b"250-mail.example\r\n", b"HTTP/1.0 400 Bad request\r\n"])
def test_what_is_no_reply_breaks_the_conversation_off(data: bytes) -> None:
    with answers(data) as conversation, pytest.raises(BrokenOff):
        conversation.reply()


@pytest.mark.parametrize(
    ("code", "accepted", "refused"),
    [(250, True, False), (354, True, False), (421, False, True), (554, False, True)],
)
def test_a_refusal_for_now_is_a_refusal(code: int, accepted: bool, refused: bool) -> None:
    assert (Reply(code, ("",)).accepted, Reply(code, ("",)).refused) == (accepted, refused)


# -- a server without manners -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "serve",
    [silent, one_by_one(b"2"), one_by_one(b"220-\r\n"), one_by_one(b"\r\n")],
    ids=["silent", "a long line", "a long greeting", "empty lines"],
)
def test_an_answer_has_a_deadline_however_it_arrives(serve: Serve) -> None:
    with served(serve) as conversation, pytest.raises((TooSlow, BrokenOff)) as reason:
        conversation.reply(SOON)
    # Empty lines are no reply, so the first one breaks the conversation off.
    assert reason.type is TooSlow or "not an SMTP reply" in str(reason.value)


@pytest.mark.parametrize("part", [b"2" * 65536, b"220-more\r\n" * 4096], ids=["a line", "lines"])
def test_a_server_may_send_so_much_and_no_more(part: bytes) -> None:
    with served(without_end(part)) as conversation, pytest.raises(BrokenOff, match="more than"):
        conversation.reply()


def test_a_conversation_has_a_deadline_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is in time, and there is no end of them."""
    monkeypatch.setattr(module, "LONGEST", SOON)

    def serve(server: socket.socket) -> None:
        while server.recv(100):
            server.sendall(b"250 ok\r\n")

    def converse() -> None:
        while True:
            conversation.command("NOOP")

    with served(serve) as conversation, pytest.raises(TooSlow):
        converse()


def test_a_server_that_does_not_read_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", SOON)
    is_over = threading.Event()
    with served(lambda _server: is_over.wait(LONGEST)) as conversation:
        with pytest.raises(TooSlow):
            conversation.send(bytes(64 << 20))
        is_over.set()


# -- TLS ----------------------------------------------------------------------------------------------


def test_a_conversation_inside_tls(inside_tls: Callable[[Serve], Serve]) -> None:
    def serve(server: socket.socket) -> None:
        server.sendall(b"220 mail.example\r\n")
        server.sendall(b"250 " + server.recv(100).strip() + b"\r\n")

    with served(inside_tls(serve)) as conversation:
        conversation.start_tls(any_certificate(), NAME)
        assert conversation.reply() == Reply(220, ("mail.example",))
        assert conversation.command("NOOP") == Reply(250, ("NOOP",))
        assert conversation.tls_version == "TLSv1.3"
        assert NAME in str(conversation.chain[0].extensions)
        with pytest.raises(BrokenOff, match="closed the connection"):
            conversation.reply()


def test_a_certificate_that_does_not_verify_is_the_error_of_ssl(
    inside_tls: Callable[[Serve], Serve],
) -> None:
    context = ssl.create_default_context()
    with served(inside_tls(silent)) as conversation, pytest.raises(ssl.SSLCertVerificationError):
        conversation.start_tls(context, NAME)


def test_after_tls_was_broken_off_nothing_can_be_sent(inside_tls: Callable[[Serve], Serve]) -> None:
    def serve(secured: socket.socket) -> None:
        secured.sendall(b"220 mail.example\r\n")
        with socket.socket(fileno=secured.detach()) as plain:
            # A record that nobody can decrypt.
            plain.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            silent(plain)

    with served(inside_tls(serve)) as conversation:
        conversation.start_tls(any_certificate(), NAME)
        assert conversation.reply().accepted
        with pytest.raises(BrokenOff, match="TLS was broken off"):
            conversation.reply()
        with pytest.raises(BrokenOff):
            conversation.command("NOOP")
        conversation.quit()


def test_what_was_sent_before_tls_is_no_reply_inside_it(inside_tls: Callable[[Serve], Serve]) -> None:
    """Whoever is between client and server may have added it (CVE-2011-0411)."""

    def serve(server: socket.socket) -> None:
        server.sendall(b"220 go ahead\r\n250 added\r\n")
        inside_tls(lambda secured: secured.sendall(b"250 genuine\r\n"))(server)

    with served(serve) as conversation:
        conversation.reply()
        conversation.start_tls(any_certificate(), NAME)
        assert conversation.reply() == Reply(250, ("genuine",))


@pytest.mark.parametrize(
    "serve",
    [silent, one_by_one(bytes.fromhex("160303400002"))],
    ids=["silent", "a record byte by byte"],
)
def test_a_handshake_has_a_deadline(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", SOON)
    with served(serve) as conversation, pytest.raises(TooSlow):
        conversation.start_tls(any_certificate(), NAME)


@pytest.mark.parametrize("data", [b"", b"220 mail.example\r\n", bytes.fromhex("1603030004") + b"junk"])
def test_what_is_no_tls_is_an_error_of_ssl(data: bytes) -> None:
    def serve(server: socket.socket) -> None:
        server.recv(65536)
        server.sendall(data)

    with served(serve) as conversation, pytest.raises(ssl.SSLError):
        conversation.start_tls(any_certificate(), NAME)


def test_records_inside_tls_count_for_the_deadline(inside_tls: Callable[[Serve], Serve]) -> None:
    with served(inside_tls(one_by_one(b"220-\r\n"))) as conversation:
        conversation.start_tls(any_certificate(), NAME)
        with pytest.raises(TooSlow):
            conversation.reply(SOON)
