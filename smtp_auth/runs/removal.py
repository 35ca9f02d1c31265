"""Removal: what the deploy has ever written on a host is taken back."""

from collections.abc import Generator, Sequence

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.past.removal import AS_FIRST_SEEN, plan_of_removal
from smtp_auth.plan.step import Part, Step
from smtp_auth.runs.host import alone, carries_out, leave_unchanged, looked, recorded
from smtp_auth.runs.operation import take_part

_PART = Part(AS_FIRST_SEEN, "no file comes back as a whole")


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
    yield from take_part(_PART)


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
    leave_unchanged("nothing of this deploy is on record")
    return False
