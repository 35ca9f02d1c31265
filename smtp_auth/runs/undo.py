"""Undo: restores what a host's last live change replaced."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.context import ctx_host

from smtp_auth.on_host.asking import Asked, NothingOnRecord, NotOnRecord, ask_to_undo
from smtp_auth.on_host.channel import Channel
from smtp_auth.past.undo import UNDO
from smtp_auth.plan.step import Step
from smtp_auth.runs.coming_back import keep_asked_for
from smtp_auth.runs.host import prepare_this_host
from smtp_auth.runs.host_settings import even_held_of
from smtp_auth.runs.operation import take_part
from smtp_auth.runs.origin import is_run_id
from smtp_auth.runs.trouble import fail


def ready_to_undo(steps: Sequence[Step]) -> bool:
    """Read a host's record, look at the host, make its plan. Returns whether the operations can run.

    + steps: those of the deploy, in their order

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    return prepare_this_host(lambda channel, rehearsing: _ask(channel, tuple(steps), rehearsing))


@operation()
def last_change() -> Generator[PyinfraCommand, None, None]:
    """
    Restore what the last live change of the host replaced; with `--data undo_to=ID` all from that change on.

    Changes that were refused or put back are ignored. Edits that somebody has made since stay; if one of them
    is where something has to be restored, the host is refused. An undo is a change: the undo of an undo
    restores what the first undo removed.

    **Example:**

    .. code:: python

        undo.last_change(name="Undo: restore what the last change replaced")
    """
    yield from take_part(UNDO)


def _ask(channel: Channel, steps: tuple[Step, ...], rehearsing: bool) -> Asked | None:
    this, undo_to = ctx_host.get(), host.data.get("undo_to")
    if undo_to is not None and not is_run_id(str(undo_to)):
        fail([f"undo_to = {undo_to!r}: give the ID of a change, as `smtp-auth history` lists them"])
        return None
    if undo_to is None:
        return ask_to_undo(channel, steps, even_held=even_held_of(this), rehearsing=rehearsing)
    try:
        found = ask_to_undo(channel, steps, str(undo_to), even_held=even_held_of(this), rehearsing=rehearsing)
    except NothingOnRecord as reason:
        keep_asked_for(this, without=reason.record)
        raise
    except NotOnRecord:
        keep_asked_for(this)
        raise
    keep_asked_for(this)
    return found
