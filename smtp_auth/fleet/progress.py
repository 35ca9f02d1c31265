"""What is done and what is under way, on standard error: in place on a terminal, line by line in a file."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TextIO

import gevent

from smtp_auth.fleet.console import EMPTY, Line, show
from smtp_auth.runs.host_keys import say_keys_with
from smtp_auth.runs.interruption import undivided
from smtp_auth.runs.sudo import hide_before_asking
from smtp_auth.shown import counted, shown_name

# Seconds: between two drawings on a terminal; until the first line in a file, and between two of them.
_ON_TERMINAL, _FIRST_IN_FILE, _IN_FILE = 0.2, 1.0, 10.0

# How many hosts under way are named: those that have been under way longest.
_NAMED = 3


class Progress:
    """Shows how far the work on many hosts is. Used as a context manager.

    + doing: what is done with the hosts, in one word: "asked"; or in some more
    + total: how many hosts there are
    + more: what is said in addition, once there is something to say
    """

    def __init__(
        self,
        doing: str,
        total: int,
        stream: TextIO | None = None,
        more: Callable[[], str] = str,
    ) -> None:
        self._doing, self._total, self._stream, self._more = doing, total, stream or sys.stderr, more
        self._began: dict[str, float] = {}
        self._ended: Counter[str] = Counter()
        # Whether it is shown in place.
        self.is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live: Any = None
        self._ticker: gevent.Greenlet | None = None

    def __enter__(self) -> "Progress":
        say_keys_with(self.say_text)
        hide_before_asking(self.hide)
        self._ticker = gevent.spawn(self._tick)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begins(self, name: str) -> None:
        """The work on a host begins."""
        self._began[name] = time.monotonic()

    def ends(self, name: str, word: str, lines: Iterable[Line] = ()) -> None:
        """The work on a host is over.

        + word: the outcome, which is counted
        + lines: what is said of it at once
        """
        self._began.pop(name, None)
        self._ended[word] += 1
        self.say(lines)

    def say(self, lines: Iterable[Line]) -> None:
        """Write lines above what is shown in place."""
        found = [*lines]
        if found:
            with self._drawing():
                self.hide()
                show(found, self._stream)

    def say_text(self, text: str) -> None:
        """The same for a text with several lines, behind what somebody has typed at a terminal."""
        if self._live is None and self._stream.isatty():
            self.say([EMPTY])
        self.say(Line(line) for line in text.splitlines())

    def close(self) -> None:
        """Show nothing any more."""
        if self._ticker:
            self._ticker.kill()
            self._ticker = None
        self.hide()

    def _tick(self) -> None:
        gevent.sleep(_ON_TERMINAL if self.is_terminal else _FIRST_IN_FILE)
        while True:
            with self._drawing():
                if self.is_terminal:
                    self._draw()
                else:
                    show([Line(self._text())], self._stream)
            gevent.sleep(_ON_TERMINAL if self.is_terminal else _IN_FILE)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            # No thread of its own, and no other stream than this one.
            self._live = Live(
                console=Console(file=self._stream),
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            # Nothing would show it again if this program is stopped meanwhile (Ctrl-Z).
            self._live.console.show_cursor(True)
        self._live.update(Text(self._text()), refresh=True)

    def hide(self) -> None:
        """Show nothing in place, until it is drawn again."""
        live, self._live = self._live, None
        if live is not None:
            with self._drawing():
                live.stop()

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Inside the `with`, something is written there.

        The work goes on if nobody can read of it: on a full disk, or behind a closed pipe. Python raises a
        `RuntimeError` if an interruption writes to what is just being written to.
        """
        with suppress(OSError, RuntimeError), undivided() if self.is_terminal else nullcontext():
            yield

    def _text(self) -> str:
        done = sum(self._ended.values())
        outcomes = ", ".join(f"{count} {word}" for word, count in sorted(self._ended.items()))
        told = f"{self._doing} {done} of {counted(self._total, 'host')}{f' ({outcomes})' if outcomes else ''}"
        told = "; ".join(filter(None, (told, self._more())))
        now = time.monotonic()
        # The order of a dictionary is that of the beginnings.
        longest = [
            f"{shown_name(name)} {now - began:.0f} s" for name, began in [*self._began.items()][:_NAMED]
        ]
        more = len(self._began) - len(longest)
        under_way = ", ".join(longest) + (f" and {more} more" if more > 0 else "")
        return f"{told}; under way: {under_way}" if longest else told
