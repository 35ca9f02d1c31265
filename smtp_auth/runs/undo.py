"""Undo: what a host's last live change replaced comes back."""

import re
from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.facts.record import PastChange, Record
from smtp_auth.past.undo import NAME, plan_of_undo
from smtp_auth.plan.step import Part, Step
from smtp_auth.runs.host import alone, carries_out, leave_unchanged, looked, recorded
from smtp_auth.runs.operation import take_part
from smtp_auth.runs.trouble import fail

_PART = Part(NAME, "all of it has come back already")

# What `undo_to` accepts: see runs/origin.py.
_ID = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-[0-9a-f]{4}")


def ready_to_undo(steps: Sequence[Step]) -> bool:
    """Read a host's record, look at the host, make its plan; whether the operations can go on.

    The settings are those of the change that is undone: the present data may not be valid any more.

    + steps: those of the deploy, in their order

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    return alone(lambda: _prepare(tuple(steps)))


@operation()
def last_change() -> Generator[PyinfraCommand, None, None]:
    """
    Put back what the last live change of the host replaced; with `--data undo_to=ID` all from that change on.

    Changes that were refused or put back are passed over. Edits that somebody has made since stay; if one of
    them is where something would come back, the host is refused. An undo is a change: undone, it gives back
    what it took.

    **Example:**

    .. code:: python

        undo.last_change(name="Undo: what the last change replaced comes back")
    """
    yield from take_part(_PART)


def _prepare(steps: tuple[Step, ...]) -> bool:
    undo_to = host.data.get("undo_to")
    if undo_to is not None and not _ID.fullmatch(str(undo_to)):
        fail([f"undo_to = {undo_to!r}: give the ID of a change, as `smtp-auth history` lists them"])
        return False
    record = recorded(files=str(undo_to or "last"))
    if record is None:
        return False
    if record.has_gap:
        fail(
            [
                f"undo_to = {undo_to}: the record of this host, which keeps twenty changes, does not go back "
                "that far: give a later ID, or take all back with remove.py"
            ]
        )
        return False
    changes = _asked(record, undo_to)
    if not changes:
        leave_unchanged("nothing is on record that could be undone")
        return False
    settings = changes[-1].settings
    look = looked(settings, steps)
    return look is not None and carries_out(settings, look, plan_of_undo(changes, settings, look, steps))


def _asked(record: Record, undo_to: str | None) -> Sequence[PastChange]:
    """The changes that are undone, the oldest first."""
    if undo_to is None:
        return record.live[-1:]
    return [change for change in record.live if change.before or change.after]
