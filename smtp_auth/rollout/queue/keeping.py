"""Work in the database that is tried again until the database takes it."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from smtp_auth.rollout.queue.database import Failed, sentence_of

_PAUSE = 3.0

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


class Unfinished(Exception):
    """A job has to be carried out again: this worker ends, or its process has ended without a report.

    Or another worker has taken its slice over, and may end before the slice does.
    """


class Keeping:
    """Does such work.

    + stopping: is set once this worker shall end; + say: prints a sentence
    + most: after how many attempts it gives up; `None`: never
    """

    def __init__(self, stopping: asyncio.Event, say: Callable[[str], None], most: int | None = None) -> None:
        self._stopping, self._say, self._most = stopping, say, most
        self._is_reached = True

    async def __call__(
        self, work: Callable[_Given, _Found], *given: _Given.args, **named: _Given.kwargs
    ) -> _Found:
        """What the work returns, once the database takes it.

        Raises `Unfinished` if this worker ends; the last error of the database if it gives up.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                found = await asyncio.to_thread(work, *given, **named)
            except Failed as error:
                if self._stopping.is_set():
                    # Nobody waits for a worker that is to end.
                    raise Unfinished from error
                if attempts == self._most:
                    raise
                # A database that answers may refuse it for a while, too, as after a failover.
                if self._is_reached:
                    self._say(f"the database does not take it: {sentence_of(error)}; it is tried again")
                self._is_reached = False
                await asyncio.sleep(_PAUSE)
            else:
                self._is_reached = True
                return found
