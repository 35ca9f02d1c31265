"""Which SSH keys of hosts are accepted, in a deploy and in the history: against an SSH server of our own."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest

from smtp_auth.runs.host_keys import _without_sha1

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


class _Anybody(paramiko.ServerInterface):
    """Lets everybody in, with any password, and ends the connection at the first command."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self._transport.close()
        return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL


@dataclass
class Server:
    """An SSH server, and the folder of a user who connects to it.

    + disabled: the algorithms that it does not have, as for paramiko's `disabled_algorithms`
    + signatures: with which its host key signed, by connection
    """

    folder: Path
    listener: socket.socket
    key: paramiko.PKey
    disabled: dict[str, list[str]] = field(default_factory=dict)
    signatures: list[str] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection, disabled_algorithms=self.disabled)
            transport.add_server_key(self.key)
            try:
                transport.start_server(server=_Anybody(transport))
                self.signatures.append(str(transport.host_key_type))
            except (paramiko.SSHException, EOFError):
                continue

    def run(self, *words: str, config: str = "", **data: Any) -> str:
        """What a run prints, over an inventory of this server."""
        home = self.folder / "home"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        (home / ".ssh" / "config").write_text(config)
        given = {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": self.listener.getsockname()[1],
            "ssh_user": "root",
            "ssh_password": "x",
            "mail_domain": "example.jp",
            **data,
        }
        inventory = self.folder / "inventory.py"
        inventory.write_text(f"mail = [('mail1.example.jp', {given!r})]\n")
        program, *rest = (str(inventory) if word == "INVENTORY" else word for word in words)
        done = subprocess.run(
            [BIN / program, *rest],
            cwd=ROOT,
            env={**os.environ, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return " ".join(re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", done.stdout).split())

    @property
    def known(self) -> str:
        file = self.folder / "home" / ".ssh" / "known_hosts"
        return file.read_text() if file.exists() else ""


DEPLOY = ("pyinfra", "INVENTORY", "deploy.py", "--dry")
HISTORY = ("smtp-auth", "history", "--inventory", "INVENTORY")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(tmp_path, listener, paramiko.RSAKey.generate(2048))
        threading.Thread(target=server.serve, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("command", [DEPLOY, HISTORY], ids=["deploy", "history"])
@pytest.mark.parametrize(
    "config", ["StrictHostKeyChecking yes\n", "Host 127.0.0.1\n StrictHostKeyChecking ask\n"]
)
def test_strict_stays_strict(server: Server, command: tuple[str, ...], config: str) -> None:
    said = server.run(*command, config=config)
    assert "is not known (SHA256:" in said
    assert "and StrictHostKeyChecking is yes or ask" in said
    assert not server.known


def test_a_strict_user_connects_to_a_known_host(server: Server) -> None:
    server.run(*DEPLOY)
    assert "[mail1.example.jp] Connected" in server.run(*DEPLOY, config="StrictHostKeyChecking yes\n")


def test_a_new_key_is_accepted_once_and_said_once(server: Server) -> None:
    said = server.run(*DEPLOY)
    assert "[mail1.example.jp] Connected" in said
    assert said.count("were not known; they are accepted and stored in") == 1
    assert "ssh-rsa SHA256:" in said
    assert server.known.count("ssh-rsa") == 1
    again = server.run(*DEPLOY)
    assert "Connected" in again
    assert "not known" not in again
    assert server.known.count("ssh-rsa") == 1


@pytest.mark.parametrize("config", ["", "StrictHostKeyChecking no\n"])
def test_a_key_that_has_changed_is_refused(server: Server, config: str) -> None:
    server.run(*DEPLOY)
    server.key = paramiko.RSAKey.generate(2048)
    said = server.run(*DEPLOY, config=config)
    assert "Connected" not in said
    assert "does not match" in said


def test_the_data_of_a_host_win(server: Server) -> None:
    said = server.run(*DEPLOY, config="StrictHostKeyChecking yes\n", ssh_strict_host_key_checking="no")
    assert "Connected" in said
    assert "its host key is not known, and not checked" in said
    assert not server.known
    assert "is yes or ask" in server.run(*DEPLOY, ssh_strict_host_key_checking="yes")


def test_an_rsa_key_signs_with_sha2_alone(server: Server) -> None:
    assert "Connected" in server.run(
        *DEPLOY, ssh_paramiko_connect_kwargs={"disabled_algorithms": {"kex": []}}
    )
    assert server.signatures == ["rsa-sha2-512"]
    server.disabled = {"keys": ["rsa-sha2-512", "rsa-sha2-256"]}
    assert "Connected" not in server.run(*DEPLOY)


def test_an_owners_own_arguments_stay() -> None:
    own = {"timeout": 2, "disabled_algorithms": {"kex": ["a"], "keys": ["b"]}}
    assert _without_sha1(own) == {
        "timeout": 2,
        "disabled_algorithms": {"kex": ["a"], "keys": ["b", "ssh-rsa"], "pubkeys": ["ssh-rsa"]},
    }


BEFORE = {
    "a certificate authority": "@cert-authority *.example.jp ssh-rsa {key}\n",
    "another host's revoked key": "@revoked * ssh-rsa {key}\n",
    "no base64": "a.example.jp ssh-rsa A\n",
    "no key": "a.example.jp ssh-rsa AAAA\n",
    "bytes": "\x80\n",
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_line_that_cannot_be_read_hides_no_other(server: Server, name: str) -> None:
    server.run(*DEPLOY)
    known = server.folder / "home" / ".ssh" / "known_hosts"
    other = paramiko.RSAKey.generate(2048).get_base64()
    known.write_bytes(BEFORE[name].format(key=other).encode("latin-1") + server.known.encode())
    strict = "StrictHostKeyChecking yes\n"
    assert "[mail1.example.jp] Connected" in server.run(*DEPLOY, config=strict)
    server.key = paramiko.RSAKey.generate(2048)
    said = server.run(*DEPLOY)
    assert "Connected" not in said
    assert "does not match" in said


@pytest.mark.parametrize("config", ["", "StrictHostKeyChecking no\n", "StrictHostKeyChecking yes\n"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_revoked_key_is_refused(server: Server, config: str, is_known: bool) -> None:
    if is_known:
        server.run(*DEPLOY)
    folder = server.folder / "home" / ".ssh"
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{server.known}@revoked\t*  ssh-rsa {server.key.get_base64()} why\n"
    (folder / "known_hosts").write_text(text)
    said = server.run(*DEPLOY, config=config)
    assert "Connected" not in said
    assert "is revoked (SHA256:" in said
    assert server.known == text


def test_the_first_of_two_lines_of_a_host_counts(server: Server) -> None:
    server.run(*DEPLOY)
    name, kind, _ = server.known.split(" ", 2)
    other = paramiko.RSAKey.generate(2048).get_base64()
    known = server.folder / "home" / ".ssh" / "known_hosts"
    known.write_text(f"{server.known}{name} {kind} {other}\n")
    assert "[mail1.example.jp] Connected" in server.run(*DEPLOY)
