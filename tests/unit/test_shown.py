"""What a host or a peer says is escaped, so that no terminal or shell acts on it."""

import socket
from pathlib import Path
from threading import Thread

import pytest

from smtp_auth.shown import command, counted, shown, some_names
from tests.unit.test_data_check import GOOD, run


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain\ttext ~", "plain\ttext ~"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("caf\xe9 \x9b2J", "caf\\xe9 \\x9b2J"),
        ("\u202eright to left", "\\u202eright to left"),
    ],
)
def test_what_is_not_printable_ascii_is_escaped(text: str, line: str) -> None:
    assert shown(text) == line
    assert shown(line) == line


@pytest.mark.parametrize(
    ("names", "told"),
    [("a", "a"), ("ab", "a and b"), ("abc", "a, b and 1 more"), ("a" * 250, "a, a and 248 more")],
)
def test_of_many_names_two_are_told(names: str, told: str) -> None:
    assert some_names(names) == told


def test_one_is_singular() -> None:
    assert [counted(number, "host") for number in range(3)] == ["0 hosts", "1 host", "2 hosts"]


def test_a_word_that_a_shell_would_take_apart_is_quoted() -> None:
    assert (
        command("certbot", "-d", "$(reboot).example", "a'b") == "certbot -d '$(reboot).example' 'a'\"'\"'b'"
    )


def test_what_pyinfra_says_of_a_peer_is_escaped(tmp_path: Path) -> None:
    """An SSH server may greet with anything, and the error quotes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = Thread(target=_greet, args=(server, b"SSH-\x1b]0;title\x07-x\r\n"), daemon=True)
        greeter.start()
        host = {**GOOD, "ssh_port": server.getsockname()[1]}
        _, out, said = run(tmp_path, {"mail2.example.jp": host}, "deploy.py", "--dry")
    assert "\\x1b]0;title\\x07" in said
    assert "\x07" not in out + said


def _greet(server: socket.socket, greeting: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(greeting)
        connection.recv(1024)
