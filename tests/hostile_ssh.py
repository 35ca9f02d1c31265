"""An SSH server on loopback that hangs, trickles, floods or breaks off, one port per behaviour.

    python -m tests.hostile_ssh SECONDS PAUSE

prints the ports in JSON, and serves so many seconds. PAUSE is the time between two bytes of what trickles.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from paramiko import Channel, ECDSAKey, Message, PKey, ServerInterface, SSHException, Transport
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED, cMSG_CHANNEL_DATA, cMSG_IGNORE

_BLOCK = 64 << 10

# What a flood sends at most, in bytes, to one client.
_FLOOD = 3 << 30

_BEGINS = b"\nsmtp-auth begins\n"


@dataclass(frozen=True)
class Server:
    """What one run of the program needs to know.

    + ends: when it stops, by the monotonic clock
    + pause: seconds between two bytes of one that trickles
    """

    ends: float
    pause: float
    key: PKey

    def is_open(self) -> bool:
        return time.monotonic() < self.ends

    def wait(self) -> None:
        """Say nothing, to the end."""
        time.sleep(max(0.0, self.ends - time.monotonic()))

    def trickle(self, send: Callable[[bytes], object], octet: bytes = b"x") -> None:
        """One byte now and then, to the end."""
        while self.is_open():
            send(octet)
            time.sleep(self.pause)

    def flood(self, send: Callable[[bytes], object], block: bytes) -> None:
        """The same block again and again, as fast as it is taken."""
        for _ in range(_FLOOD // len(block)):
            if not self.is_open():
                return
            send(block)


Send = Callable[[bytes], object]
Then = Callable[[Server, Send], None]


def _waiting(server: Server, _send: Send) -> None:
    server.wait()


def _ending(_server: Server, _send: Send) -> None:
    return


def _trickling(octets: bytes) -> Then:
    return lambda server, send: server.trickle(send, octets)


def _flooding(block: bytes) -> Then:
    return lambda server, send: server.flood(send, block)


# -- before anybody is logged in: bytes, and what follows -------------------------------------------------

_HELLO = b"SSH-2.0-Hostile\r\n"

# An SSH packet before keys are exchanged: its length, that of its padding, its message, its padding.
_IGNORED = b"\0\0\0\x0c\x05" + cMSG_IGNORE + b"\0\0\0\x01x" + b"\0" * 5

EARLY: dict[str, tuple[bytes, Then]] = {
    "says nothing": (b"", _waiting),
    "hangs up": (b"", _ending),
    "trickles its first line": (b"", _trickling(b"x")),
    "trickles lines before its first": (b"", _trickling(b"\n")),
    "has a first line without an end": (b"", _flooding(b"x" * _BLOCK)),
    "floods before its first line": (b"", _flooding(b"\n" * _BLOCK)),
    "hangs after its first line": (_HELLO, _waiting),
    "breaks off while keys are exchanged": (_HELLO + b"\0\0", _ending),
    "sends a packet without an end": (_HELLO + b"\xff\xff\xff\xf4", _flooding(b"x" * _BLOCK)),
    "sends packets that mean nothing": (_HELLO, _flooding(_IGNORED * 4096)),
    "trickles packets that mean nothing": (_HELLO, _trickling(_IGNORED)),
}

# -- once somebody is logged in: a command's output -------------------------------------------------------


def _without_window(server: Server, channel: Channel) -> None:
    """More than the client's window allows."""

    def send(block: bytes) -> None:
        message = Message()
        message.add_byte(cMSG_CHANNEL_DATA)
        message.add_int(channel.remote_chanid)
        message.add_string(block)
        channel.get_transport()._send_message(message)  # type: ignore[attr-defined]

    server.flood(send, b"x" * 30_000)


def _breaking_off(_server: Server, channel: Channel) -> None:
    channel.sendall(_BEGINS + b"uid\t0\nparame")
    channel.get_transport().close()


def _ending_well(_server: Server, channel: Channel) -> None:
    while channel.recv(_BLOCK):
        pass
    channel.send_exit_status(0)
    channel.close()


def _ending_at_once(_server: Server, channel: Channel) -> None:
    """It says why, and reads no more: its window is smaller than the program that is sent."""
    channel.recv(1)
    channel.sendall(b"This account is currently not available.\n")
    channel.send_exit_status(1)
    channel.close()


def _printing(words: bytes, then: Then) -> Callable[[Server, Channel], None]:
    def act(server: Server, channel: Channel) -> None:
        channel.sendall(words)
        then(server, channel.sendall)

    return act


def _complaining(server: Server, channel: Channel) -> None:
    server.flood(channel.sendall_stderr, b"x" * _BLOCK)


LATE: dict[str, Callable[[Server, Channel], None]] = {
    "answers nothing": _printing(b"", _waiting),
    "breaks off in its answer": _breaking_off,
    "answers that all is well": _ending_well,
    "says why it reads no more": _ending_at_once,
    "trickles its answer": _printing(_BEGINS, _trickling(b"x")),
    "answers a line without an end": _printing(_BEGINS, _flooding(b"x" * _BLOCK)),
    "answers empty lines": _printing(_BEGINS, _flooding(b"\n" * _BLOCK)),
    "complains without an end": _complaining,
    "greets without an end": _printing(b"", _flooding(b"hello\n" * 10_000)),
    "ignores the window": _without_window,
}

# Those of its login, and of its sessions.
_NO_LOGIN, _NO_COMMAND = "answers no login", "answers no command"

BEHAVIOURS = (*EARLY, _NO_LOGIN, _NO_COMMAND, *LATE)


class _Login(ServerInterface):
    """Lets anybody log in, and run any command."""

    def __init__(self, server: Server, behaviour: str) -> None:
        self._server, self._behaviour = server, behaviour

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        if self._behaviour == _NO_LOGIN:
            self._server.wait()
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: Channel, command: bytes) -> bool:
        if self._behaviour == _NO_COMMAND:
            self._server.wait()
        act = LATE[self._behaviour]
        threading.Thread(target=_quietly, args=(act, self._server, channel), daemon=True).start()
        return True


def _quietly(act: Callable[..., None], *words: Any) -> None:
    try:
        act(*words)
    except (OSError, EOFError, SSHException):
        # The client has gone.
        return


def _serve_one(server: Server, behaviour: str, client: socket.socket) -> None:
    if behaviour in EARLY:
        words, then = EARLY[behaviour]
        with client:
            client.sendall(words)
            then(server, client.sendall)
        return
    # In bytes: what the client may send before it is read.
    window = 1 << 10 if LATE.get(behaviour) is _ending_at_once else 1 << 21
    transport = Transport(client, default_window_size=window)
    transport.add_server_key(server.key)
    transport.start_server(server=_Login(server, behaviour))


def _serve(server: Server, behaviour: str, listener: socket.socket) -> None:
    while True:
        client, _ = listener.accept()
        words = (_serve_one, server, behaviour, client)
        threading.Thread(target=_quietly, args=words, daemon=True).start()


def main(seconds: float, pause: float) -> None:
    """Serve."""
    server = Server(time.monotonic() + seconds, pause, ECDSAKey.generate())
    ports = {}
    for behaviour in BEHAVIOURS:
        listener = socket.create_server(("127.0.0.1", 0))
        ports[behaviour] = listener.getsockname()[1]
        threading.Thread(target=_serve, args=(server, behaviour, listener), daemon=True).start()
    print(json.dumps(ports), flush=True)
    server.wait()


@contextmanager
def hostile_server(seconds: float = 1200, pause: float = 0.5) -> Iterator[dict[str, int]]:
    """The server as a process of its own: the port of each behaviour."""
    command = [sys.executable, "-m", "tests.hostile_ssh", str(seconds), str(pause)]
    with Popen(command, stdout=PIPE, stderr=DEVNULL, text=True) as process:
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


def inventory_of(ports: Mapping[str, int], folder: Path, *, group: str = "hostile", **data: object) -> str:
    """The text of a group of an inventory: a host per behaviour, with its name, and this data.

    + folder: for the file of known hosts
    """
    common = {
        "ssh_hostname": "127.0.0.1",
        "ssh_user": "root",
        "ssh_password": "any",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
        "ssh_config_file": "/dev/null",
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        **data,
    }
    hosts = [(name.replace(" ", "-"), {**common, "ssh_port": port}) for name, port in ports.items()]
    return f"{group} = {hosts!r}\n"


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
