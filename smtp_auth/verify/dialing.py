"""Opens conversations with mail servers, within what servers allow one client."""

import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from gevent.lock import BoundedSemaphore

from smtp_auth.verify.conversation import Conversation, Limited
from smtp_auth.verify.target import Unseen

Seen = TypeVar("Seen")
Given = ParamSpec("Given")

# Seconds to open a TCP connection.
CONNECT_TIMEOUT = 10

# How many conversations are held with one address at the same time. Postfix allows a client 50
# (smtpd_client_connection_count_limit), also if several names of the inventory are one server.
_AT_ONCE = 10

# Seconds for which a server's limits are waited for, and between tries. Postfix counts anew each minute
# (anvil_rate_time_unit).
_PATIENCE, _PAUSE = 75.0, 5.0

_places: defaultdict[str, BoundedSemaphore] = defaultdict(lambda: BoundedSemaphore(_AT_ONCE))


@contextmanager
def dial(address: str, port: int) -> Iterator[Conversation]:
    """A conversation over a new TCP connection. Raises OSError."""
    with _places[address]:
        began = time.monotonic()
        connection = socket.create_connection((address, port), CONNECT_TIMEOUT)
        with Conversation(connection, time.monotonic() - began) as conversation:
            yield conversation


def patiently(talk: Callable[Given, Seen]) -> Callable[Given, Seen]:
    """A function that waits, and begins again, if the server admits this machine no more for a while.

    If it has waited long enough, it raises `Unseen`: a server that limits its clients is healthy.
    """

    @wraps(talk)
    def talk_patiently(*args: Given.args, **options: Given.kwargs) -> Seen:
        ends = time.monotonic() + _PATIENCE
        while True:
            try:
                return talk(*args, **options)
            except Limited as reply:
                if time.monotonic() > ends:
                    why = (
                        f"the host admits this machine no more for a while: it has asked too often ({reply})"
                    )
                    raise Unseen(why, is_limit=True) from None
            time.sleep(_PAUSE)

    return talk_patiently
