"""One host that is verified: its settings, and what was seen of it so far."""

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeAlias, TypeVar

from pyinfra.api import Host

from smtp_auth.plan.step import Step
from smtp_auth.settings import Settings, SettingsError

Seen = TypeVar("Seen")


Observer: TypeAlias = "Callable[[Target], Any]"

# Every observer by its name. A check with an argument of this name gets what the observer found.
OBSERVERS: dict[str, Observer] = {}


def observer(function: "Callable[[Target], Seen]") -> "Callable[[Target], Seen]":
    """Register a function that looks at one thing of a host, and only reads. Checks use its name."""
    OBSERVERS[function.__name__] = function
    return function


class Unseen(Exception):
    """Something could not be looked at.

    + reported_by: the check that fails for the same reason; empty if the reason is not a problem
    + is_limit: whether the reason is that the server admits this machine no more for a while
    """

    def __init__(self, reason: str, reported_by: str = "", *, is_limit: bool = False) -> None:
        super().__init__(reason)
        self.reported_by, self.is_limit = reported_by, is_limit


class Caution(UserWarning):
    """A warning: an administrator should know it, but it does not stop mail."""


def caution(text: str) -> None:
    """Let the current check pass with a warning."""
    warnings.warn(text, Caution, stacklevel=2)


@dataclass(frozen=True)
class Mailbox:
    """The user to log in as. `repr` does not show the password."""

    login: str
    _password: str

    @property
    def password(self) -> str:
        """The password."""
        return self._password

    def address(self, domain: str) -> str:
        """The mail address: the login itself, or the login at the host's mail domain."""
        return self.login if "@" in self.login else f"{self.login}@{domain}"

    def __repr__(self) -> str:
        return f"Mailbox({self.login!r})"


class Target:
    """One host of the inventory.

    + host: pyinfra's host, which knows how to connect
    + settings: those that a deploy would use, or what is wrong with the host's data
    + steps: those of the deploy, in its order
    + mailbox: the user to log in as, if any
    + seconds: how long each observer took, including the observers that it used itself, by its name
    """

    def __init__(
        self,
        host: Host,
        settings: Settings | SettingsError,
        steps: Sequence[Step],
        mailbox: Mailbox | None,
    ) -> None:
        self.host = host
        self.steps = steps
        self._settings = settings
        self._mailbox = mailbox
        self.seconds: dict[str, float] = {}
        self._lock = Lock()
        self._seen: dict[Callable[[Target], Any], Future[Any]] = {}

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return self.host.name

    @property
    def invalid(self) -> SettingsError | None:
        """What is wrong with the host's data, if anything."""
        return self._settings if isinstance(self._settings, SettingsError) else None

    @property
    def settings(self) -> Settings:
        """The settings that a deploy would use."""
        if isinstance(self._settings, SettingsError):
            raise Unseen("the host's data is not valid", "the data is valid")
        return self._settings

    @property
    def mailbox(self) -> Mailbox:
        """The user to log in as."""
        if self._mailbox is None:
            raise Unseen("no --mailbox is given")
        return self._mailbox

    def has_seen(self, observer: "Callable[[Target], Any]") -> bool:
        """Whether the observer has looked, or has begun to."""
        return observer in self._seen

    def see(self, observer: "Callable[[Target], Seen]") -> Seen:
        """What the observer finds. It looks only once; further calls return the same.

        Raises what the observer raised: `Unseen` if another check reports the reason.
        """
        with self._lock:
            first = observer not in self._seen
            found: Future[Seen] = self._seen.setdefault(observer, Future())
        if first:
            began = time.monotonic()
            try:
                found.set_result(observer(self))
            except Exception as error:
                found.set_exception(error)
            self.seconds[observer.__name__] = time.monotonic() - began
        return found.result()
