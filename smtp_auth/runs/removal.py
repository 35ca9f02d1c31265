"""Removal: removes all that the deploy has ever written on a host."""

from collections.abc import Generator, Sequence

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.context import ctx_host

from smtp_auth.on_host.asking import ask_to_remove
from smtp_auth.past.removal import AS_FIRST_SEEN
from smtp_auth.plan.step import Step
from smtp_auth.runs.host import prepare_this_host
from smtp_auth.runs.host_settings import even_held_of
from smtp_auth.runs.operation import take_part


def ready_to_remove(steps: Sequence[Step]) -> bool:
    """Read a host's record, look at the host, make its plan. Returns whether the operations can run.

    + steps: those of the deploy, in their order

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    return prepare_this_host(
        lambda channel, rehearsing: ask_to_remove(
            channel, tuple(steps), even_held=even_held_of(ctx_host.get()), rehearsing=rehearsing
        )
    )


@operation()
def as_first_seen() -> Generator[PyinfraCommand, None, None]:
    """
    Restore files that nobody else has edited, with the bytes and modes that were first seen.

    **Example:**

    .. code:: python

        removal.as_first_seen(name="Files that nobody else has edited: restore them as first seen")
    """
    yield from take_part(AS_FIRST_SEEN)
