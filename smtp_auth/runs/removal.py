"""Removal: what the deploy has ever written on a host is taken back."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.past.removal import AS_FIRST_SEEN, plan_of_removal, plan_of_unrecorded_removal
from smtp_auth.past.unrecorded import bears_marks
from smtp_auth.plan.step import Step, without_edits
from smtp_auth.runs.host import alone, carries_out, leave_unchanged, looked, recorded, settings_of
from smtp_auth.runs.operation import take_part
from smtp_auth.runs.trouble import fail

_STEP = without_edits(AS_FIRST_SEEN, "no file comes back as a whole")


def ready_to_remove(steps: Sequence[Step]) -> bool:
    """Read a host's record, look at the host, make its plan; whether the operations can go on.

    + steps: those of the deploy, in their order

    Raises pyinfra's `PyinfraError` if config.py was not loaded, or if no host is left.
    """
    return alone(lambda: _prepare(tuple(steps)))


@operation()
def as_first_seen() -> Generator[PyinfraCommand, None, None]:
    """
    Give files that nobody else has edited the bytes and modes that were first seen.

    **Example:**

    .. code:: python

        removal.as_first_seen(name="Files that nobody else has edited come back as they were first seen")
    """
    yield from take_part(_STEP)


def _prepare(steps: tuple[Step, ...]) -> bool:
    record = recorded(files="newest", baseline=True)
    if record is None:
        return False
    if record.live:
        settings = record.live[-1].settings
        look = looked(settings, steps)
        return look is not None and carries_out(
            settings, look, plan_of_removal(record, settings, look, steps)
        )
    return _unrecorded(steps)


def _unrecorded(steps: tuple[Step, ...]) -> bool:
    """Prepare a host without a record, or whose record begins after an earlier version had been there."""
    agreed = host.data.get("remove_unrecorded")
    if agreed not in (None, True, False):
        fail([f"remove_unrecorded = {agreed!r}: True or False"])
        return False
    settings = settings_of(
        {key: value for key, value in host.data.dict().items() if key != "remove_unrecorded"}
    )
    look = looked(settings, steps) if settings else None
    if settings is None or look is None:
        return False
    if not bears_marks(look):
        leave_unchanged("nothing of this deploy is on the host, and nothing on record")
        return False
    plan = plan_of_unrecorded_removal(settings, look, steps, agreed=bool(agreed))
    return carries_out(settings, look, plan)
