"""The plan of a lab's host, made from a look at it, without a run of pyinfra."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.host import LabHost
from operations import STEPS
from smtp_auth.on_host.asking import ask
from smtp_auth.on_host.channel import Answer, Limits
from smtp_auth.plan.plan import Plan
from smtp_auth.settings import settings_from_data
from tests.unit.scenarios import DEFAULTS


@dataclass(frozen=True)
class LabChannel:
    """A channel to a lab's host, as a root login."""

    host: LabHost

    def __call__(self, command: str, stdin: str, limits: Limits) -> Answer:
        done = self.host.run(command, stdin=stdin, check=False, timeout=60)
        return Answer(tuple(done.stdout.splitlines()), tuple(done.stderr.splitlines()))


def plan_at(host: LabHost, data: Mapping[str, Any]) -> Plan:
    """What a deploy with this data would do to the host.

    + data: data keys over the defaults and the host's mail domain
    """
    settings = settings_from_data(host.name, {**DEFAULTS, "mail_domain": host.domain, **data})
    return ask(LabChannel(host), settings, STEPS, rehearsing=False).plan
