"""A password for sudo: it is sent to sudo alone, and only when sudo asks for it.

It is no argument and in no environment or file on the host. Each command makes sudo ask with a prompt of its
own. The program that the command reads is sent once the command has begun, so nothing else reads the password
if sudo needs none, and a start-up file of the login shell never does.
"""

import getpass
import re
import secrets
import sys
import time
from collections.abc import Callable
from threading import Lock

from paramiko import Channel

from smtp_auth.runs.pyinfra_internals import Dialogue, received

# How long sudo may take to ask, or to let the command begin. A directory service may be slow.
_SECONDS = 60.0

_PAUSE = 0.01

# A prompt that is not a password's own may be in what a command prints.
_PROMPTS = re.compile(r"smtp-auth [0-9a-f]{16} asks:")


def new_prompt() -> str:
    """A prompt that nothing else on the host prints. sudo would replace a `%`."""
    return f"smtp-auth {secrets.token_hex(8)} asks:"


def without_prompts(line: str) -> str:
    """A line that a command printed, without the prompts in front of it."""
    return _PROMPTS.sub("", line)


class Answering(Dialogue):
    """Answers sudo's prompt, if it asks, and then tells the program to the command.

    + prompt: the one that sudo was told to use
    + begins: what the command prints first
    + told: the program, or a further dialogue
    """

    def __init__(self, prompt: str, password: str, begins: str, told: str | Dialogue) -> None:
        self._prompt, self._begins = prompt.encode(), f"{begins}\n".encode()
        self._password, self._told = password, told

    def hold(self, channel: Channel) -> str:
        """What is told, once the command has begun; empty if sudo does not let it begin."""
        is_told, deadline = False, time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            # First, because all that was printed before the end has arrived then.
            is_over = channel.closed or channel.eof_received
            printed, complaints = received(channel)
            if self._begins in printed:
                return self._told.hold(channel) if isinstance(self._told, Dialogue) else self._told
            asked = complaints.count(self._prompt)
            if is_over or asked > 1:
                # The password is wrong: sudo is told that no other follows.
                break
            if asked and not is_told:
                channel.sendall(f"{self._password}\n".encode())
                is_told = True
            time.sleep(_PAUSE)
        return ""


_typed: list[str] = []
_lock = Lock()
_hides: list[Callable[[], None]] = []


def hide_before_asking(hide: Callable[[], None]) -> None:
    """Call a function before a password is asked for: it hides what is shown in place on the terminal."""
    _hides[:] = [hide]


def typed_password(*, asking: bool = False) -> str:
    """The password that somebody has typed for all hosts; empty if nobody was asked.

    + asking: ask for it, once in a run and on a terminal only
    """
    with _lock:
        if asking and not _typed and sys.stdin and sys.stdin.isatty():
            _typed.append(_ask())
    return _typed[0] if _typed else ""


def _ask() -> str:
    for hide in _hides:
        hide()
    try:
        return getpass.getpass("Password for sudo, of all hosts that ask for one: ")
    except (EOFError, UnicodeDecodeError):
        # Ctrl-D, or no text: like an empty line, it is no password, and nobody is asked again.
        return ""
