"""`--on-event COMMAND`: tells another program what happens in a rollout, one JSON object a line.

The rollout never waits for that program but for some seconds at its end. It may die, or read slowly: the
rollout goes on, and says so.
"""

import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime

from gevent.monkey import get_original

from smtp_auth.fleet.console import Line, Style
from smtp_auth.local_time import in_utc
from smtp_auth.runs.interruption import undivided
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.status import how_ended
from smtp_auth.shown import counted, shown

VERSION = 1

# Seconds at the end of the rollout: to read the rest and end; to end after each signal.
_TO_READ, _TO_END = 5.0, 1.0

_PAUSE = 0.02

# A rollout may end where an interruption is handled. gevent cannot wait there, and closes files only later.
_sleep: Callable[[float], None] = get_original("time", "sleep")
_close: Callable[[int], None] = get_original("os", "close")


class _Program:
    """A program that was started. Raises `OSError` if that is not possible.

    + words: its name or path, and its arguments
    + stdin: what it reads, a file descriptor
    """

    def __init__(self, words: list[str], stdin: int) -> None:
        # subprocess is gevent's. Ctrl-C at the terminal does not reach another session. Standard output is
        # for results.
        self._pid = os.posix_spawnp(
            words[0],
            words,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, sys.stderr.fileno(), 1)],
            setsid=True,
            setsigdef=[signal.SIGPIPE],
        )
        self._status: int | None = None

    @property
    def status(self) -> int | None:
        """With which status it has ended; that of a signal is negative. `None`: it runs."""
        if self._status is None:
            try:
                found = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG)
                if found:
                    self._status = found.si_status * (1 if found.si_code == os.CLD_EXITED else -1)
            except ChildProcessError:
                # gevent asks for all children if something else in this process waits for one.
                self._status = 0
        return self._status

    def end(self) -> bool:
        """End it, and what it has started in its session. Returns whether it has ended."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            # With sudo, it may be another user's.
            with suppress(PermissionError):
                os.killpg(self._pid, number)
            last = time.monotonic() + _TO_END
            while self.status is None and time.monotonic() < last:
                _sleep(_PAUSE)
            if self.status is not None:
                return not self._has_left_others()
        return False

    def _has_left_others(self) -> bool:
        """Whether it has started something that is another user's, and goes on."""
        try:
            os.killpg(self._pid, 0)
        except OSError as error:
            return isinstance(error, PermissionError)
        return False


def words_of(command: str) -> list[str]:
    """The words of `--on-event`. Raises `Mistake` if the first one is no program."""
    try:
        words = shlex.split(command)
    except ValueError:
        raise Mistake(
            f"{_given(command)}: a quotation mark is not closed, or a backslash is its end"
        ) from None
    if not words:
        raise Mistake(f"{_given(command)}: there is no command in it: give one, or leave the option out")
    if shutil.which(words[0]) is None:
        raise Mistake(f"{_given(command)}: {shown(words[0])} is no program: give a name in PATH, or a path")
    return words


def _given(command: str) -> str:
    return f"--on-event {shown(command)}"


class Events:
    """Tells a program the events of a rollout. Used as a context manager.

    + command: the program and its arguments, as a shell reads words; no shell runs it. `None`: nobody is told
    + say: shows lines to people: that the program has ended, or has not read everything

    Who ends this process without leaving the `with`, as an interruption does, calls `close` before.
    """

    def __init__(self, command: str | None, say: Callable[[Iterable[Line]], None]) -> None:
        self._command, self._say = command, say
        self._program: _Program | None = None
        # This process keeps the end that the program reads, and so learns what it has not read.
        self._read_end = self._write_end = -1
        # What is not in the pipe yet. The first line may be there in part.
        self._waiting: deque[bytes] = deque()
        self._is_told = False
        # Until when the program is waited for, once it is told nothing more.
        self._last: float | None = None

    def __enter__(self) -> "Events":
        """Start the program. Raises `Mistake` if that is not possible."""
        if self._command is not None:
            self._start(self._command)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tell(self, event: str, **values: object) -> None:
        """Tell an event, without waiting for anything. + values: what the line has besides"""
        if self._program is None or self._last is not None:
            return
        line = {"version": VERSION, "event": event, "time": in_utc(datetime.now(UTC)), **values}
        with undivided():
            self._waiting.append(f"{json.dumps(line)}\n".encode())
            self._write()
            if not self._is_told and self._program.status is not None:
                self._is_told = True
                self._say_of_it(f"{_ended(self._program)}: the rollout goes on without it")

    def close(self) -> None:
        """Give the program some seconds to read the rest and to end, then end it. Can be called twice.

        An interruption may do so while the first call waits, which then does not go on.
        """
        program = self._program
        if program is None:
            return
        self._last = self._last or time.monotonic() + _TO_READ
        while program.status is None and time.monotonic() < self._last:
            with undivided():
                self._write()
                if not self._waiting:
                    self._close_write_end()
            _sleep(_PAUSE)
        with undivided():
            self._program = None
            self._end(program)

    def _end(self, program: _Program) -> None:
        said, has_ended = [], True
        if program.status is None:
            has_ended = program.end()
            late = f"still at work {_TO_READ:.0f} seconds after the rollout"
            said = [f"was ended, because it was {late}" if has_ended else f"is {late}, and cannot be ended"]
        elif program.status and not self._is_told:
            said = [_ended(program)]
        self._close_write_end()
        if has_ended and (unread := self._unread()):
            said.insert(0, f"has not read {counted(unread, 'event')}")
        _close(self._read_end)
        if said:
            self._say_of_it(" and ".join(said))

    def _start(self, command: str) -> None:
        words = words_of(command)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        try:
            self._program = _Program(words, self._read_end)
        except OSError as error:
            raise Mistake(f"{_given(command)}: {shown(words[0])} cannot be run: {error.strerror}") from None

    def _write(self) -> None:
        """Write as much as the pipe takes."""
        with suppress(BlockingIOError):
            while self._waiting:
                count = os.write(self._write_end, self._waiting[0])
                line = self._waiting.popleft()
                if count < len(line):
                    self._waiting.appendleft(line[count:])

    def _close_write_end(self) -> None:
        if self._write_end >= 0:
            _close(self._write_end)
            self._write_end = -1

    def _unread(self) -> int:
        """How many events the program, which has ended, has not read to their end."""
        count = len(self._waiting)
        while part := os.read(self._read_end, 65536):
            count += part.count(b"\n")
        return count

    def _say_of_it(self, what: str) -> None:
        self._say([Line(f"{_given(self._command or '')} {what}", Style.WARNING, under=4)])


def _ended(program: _Program) -> str:
    return f"has ended with {how_ended(program.status)}" if program.status else "has ended"
