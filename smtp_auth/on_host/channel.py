"""What it takes to ask or change a host: a way to run one command there. Knows no pyinfra."""

from dataclasses import dataclass
from typing import Protocol

from smtp_auth.on_host.causes import without_noise

# What a line costs a controller in memory, beside its characters.
A_LINE = 256

# How many lines of standard error are quoted if an answer is incomplete, and how many characters.
_QUOTED_LINES, _QUOTED = 3, 300


class NoAnswer(Exception):
    """The host gave no answer, or an incomplete one. `str()` of it is a sentence that says why."""


class NotReached(NoAnswer):
    """No connection could be made. Its cause is the reason alone."""


class NotAllowed(NoAnswer):
    """The host runs no command of ours, as it is set up. `str()` of it says why, and what to do."""


@dataclass(frozen=True)
class Answer:
    """What a command printed.

    + lines: on standard output
    + complaints: on standard error
    """

    lines: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()

    @property
    def complaint(self) -> str:
        """The last lines on standard error that may say why, as one line."""
        found = "; ".join(without_noise(self.complaints)[-_QUOTED_LINES:])
        return found[-_QUOTED:] or "the host gave no reason"


@dataclass(frozen=True)
class Limits:
    """What one answer of a host may cost.

    + seconds: how long the command may take; `None`: as long as the host's data allow (`host_seconds`)
    + octets: how much it may print. A channel stops reading at this, and counts `A_LINE` more for each line
    """

    seconds: float | None = None
    octets: int = 16 << 20


class Channel(Protocol):
    """Runs a command on one host, as the user that its data names.

    Whatever the account's login shell and its start-up files print is not part of the answer.
    """

    def __call__(self, command: str, stdin: str, limits: Limits) -> Answer:
        """What a shell command printed. Its exit status says nothing: a complete answer says so itself.

        + command: without `$`, which a login shell below `sudo -i` would replace
        + stdin: the program that the command reads on standard input, which needs no quoting
        + limits: how long the channel waits, and how much it reads

        Raises `NotAllowed` if the host does not run it, and `NoAnswer` if the connection is lost, or the
        answer exceeds the limits.
        """
        ...
