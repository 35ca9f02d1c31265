"""The hosts to verify, out of the inventory and data that pyinfra deploys with."""

from collections.abc import Iterable
from pathlib import Path

from pyinfra.api import Host

from smtp_auth.fleet.inventory import chosen_hosts
from smtp_auth.runs.pyinfra_internals import connector_keys
from smtp_auth.settings import Settings, SettingsError, settings_from_data
from smtp_auth.verify.target import Mailbox, Target


def targets(
    inventory: Path, limits: Iterable[str], data: Iterable[str], mailbox: Mailbox | None
) -> list[Target]:
    """The hosts, in the inventory's order: see `fleet.inventory.chosen_hosts`."""
    return [_target(host, mailbox) for host in chosen_hosts(inventory, limits, data)]


def _target(host: Host, mailbox: Mailbox | None) -> Target:
    data = host.data.dict()
    settings: Settings | SettingsError
    try:
        settings = settings_from_data(host.name, data, also_known=connector_keys())
    except SettingsError as error:
        settings = error
    return Target(host, settings, mailbox)
