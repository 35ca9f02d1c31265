"""An SMTP conversation against a server that a test plays."""

import socket

import pytest

from smtp_auth.verify.conversation import BrokenOff, Conversation, Reply, extension


def answers(data: bytes) -> Conversation:
    """A conversation with a server that says this and closes."""
    client, server = socket.socketpair()
    server.sendall(data)
    server.close()
    return Conversation(client)


def test_a_reply_of_several_lines_is_one() -> None:
    with answers(b"250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 DSN\r\n") as conversation:
        reply = conversation.reply()
    assert reply == Reply(250, ("mail.example", "AUTH PLAIN LOGIN", "DSN"))
    assert extension(reply, "AUTH") == ["PLAIN", "LOGIN"]
    assert extension(reply, "STARTTLS") is None


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
