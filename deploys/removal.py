"""Removal: what the deploy has ever written on a host is taken back."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand
from pyinfra.context import ctx_host

from deploys.host import alone, carries_out, looked, no_end
from deploys.operation import take_part
from deploys.report import Outcome, report
from deploys.trouble import fail
from facts.record import Record
from facts.record_of_changes import RecordOfChanges
from on_host import program
from on_host.change import RECORD
from plan.remove import AS_FIRST_SEEN, plan_of_removal, plan_of_unrecorded_removal
from plan.step import Step
from plan.unrecorded import bears_marks
from settings import SettingsError, settings_from_data, settings_on_record

_STEP = Step(
    AS_FIRST_SEEN,
    nothing_to_do="no file comes back as a whole",
    edit=lambda draft: None,
    take_back=lambda draft, past: None,
)


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
    record: Record | None = host.get_fact(
        RecordOfChanges, record=RECORD, files="newest", baseline=True, _stdin=program("history.pl")
    )
    if record is None:
        no_end("reading of the record")
        return False
    if record.live and not record.unrecorded:
        settings = settings_on_record(record.live[-1].manifest["settings"])
        look = looked(settings, steps)
        return look is not None and carries_out(
            settings, look, plan_of_removal(record, settings, look, steps)
        )
    return _unrecorded(steps)


def _unrecorded(steps: tuple[Step, ...]) -> bool:
    """Prepare a host without a record, or whose record begins after an earlier version had been there."""
    current_host = ctx_host.get()
    agreed = current_host.data.get("remove_unrecorded")
    if agreed not in (None, True, False):
        fail([f"remove_unrecorded = {agreed!r}: True or False"])
        return False
    data = {key: value for key, value in current_host.data.dict().items() if key != "remove_unrecorded"}
    try:
        settings = settings_from_data(current_host.name, data)
    except SettingsError as error:
        fail(str(problem) for problem in error.problems)
        return False
    look = looked(settings, steps)
    if look is None:
        return False
    if not bears_marks(look):
        host.log("nothing of this deploy is on the host, and nothing on record")
        report(current_host, Outcome.UNCHANGED)
        return False
    plan = plan_of_unrecorded_removal(settings, look, steps, agreed=bool(agreed))
    return carries_out(settings, look, plan)
