"""What the operations on main.cf share: compare parameters with the look, and stage the edits."""

from collections.abc import Callable, Generator, Mapping

from pyinfra import host
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import Look
from operations.changes import Change, current, show_difference, staged
from postfix.main_cf import comment_out, defined_parameters, set_parameter
from settings import Settings

Desired = Callable[[Settings, Look], Mapping[str, str | None]]


def change_parameters(desired: Desired, noop: str) -> Generator[PyinfraCommand, None, None]:
    """Stage what differs between the desired parameters and the effective ones.

    + desired: gives parameter to value, `None` for one that is to be commented out
    + noop: what to say where nothing differs
    """
    change = yield from current()
    if change is None:
        return
    before = change.main_cf
    stage_parameters(change, desired(change.settings, change.look))
    if change.main_cf == before:
        host.noop(noop)
        return
    show_difference(change.look.main_cf.path, before, change.main_cf)
    yield staged()


def stage_parameters(change: Change, desired: Mapping[str, str | None]) -> None:
    """Edit the staged main.cf so that the parameters get their values."""
    defined = defined_parameters(change.main_cf)
    for name, value in desired.items():
        if value is None:
            change.main_cf = comment_out(change.main_cf, name)
            continue
        if change.look.parameters.get(name, defined.get(name)) != value:
            change.main_cf = set_parameter(change.main_cf, name, value)
        if name in change.look.parameters:
            change.postconf.append(f"{name} = {value}".rstrip())
