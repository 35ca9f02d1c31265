"""The hosts to verify, from the inventory and data that pyinfra deploys with."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pyinfra.api import Host

from smtp_auth.fleet.inventory import chosen_hosts
from smtp_auth.plan.step import Step
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.settings import Settings, SettingsError
from smtp_auth.verify.target import Mailbox, Target


def targets(
    inventory: Path,
    limits: Iterable[str],
    data: Iterable[str],
    steps: Sequence[Step],
    mailbox: Mailbox | None,
) -> list[Target]:
    """The hosts, in the inventory's order: see `fleet.inventory.chosen_hosts`.

    + steps: those of the deploy, in its order
    + mailbox: the user to log in as, if any
    """
    return [_target(host, steps, mailbox) for host in chosen_hosts(inventory, limits, data)]


def _target(host: Host, steps: Sequence[Step], mailbox: Mailbox | None) -> Target:
    settings: Settings | SettingsError
    try:
        settings = settings_of(host)
    except SettingsError as error:
        settings = error
    return Target(host, settings, steps, mailbox)
