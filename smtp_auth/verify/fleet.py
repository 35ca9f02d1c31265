"""The hosts to verify, from the inventory and data that pyinfra deploys with."""

from collections.abc import Iterable, Sequence

from pyinfra.api import Host

from smtp_auth.plan.step import Step
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.settings import Settings, SettingsError
from smtp_auth.verify.target import Mailbox, Target


def targets(hosts: Iterable[Host], steps: Sequence[Step], mailbox: Mailbox | None) -> list[Target]:
    """The hosts as targets, in their order.

    + steps: those of the deploy, in its order
    + mailbox: the user to log in as, if any
    """
    return [_target(host, steps, mailbox) for host in hosts]


def _target(host: Host, steps: Sequence[Step], mailbox: Mailbox | None) -> Target:
    settings: Settings | SettingsError
    try:
        settings = settings_of(host)
    except SettingsError as error:
        settings = error
    return Target(host, settings, steps, mailbox)
