"""Fleets without any host: what hosts would answer, by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.exceptions import ConnectError

from operations import STEPS
from smtp_auth.facts.look import LastChange, Look
from smtp_auth.fleet import applying, planning
from smtp_auth.fleet.applying import Applied, Applying, approving
from smtp_auth.fleet.planning import HostPlan, deploy, plans_of
from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.on_host.channel import NotReached
from smtp_auth.plan.plan import plan_of
from smtp_auth.plan.step import Step
from smtp_auth.settings import Settings
from tests.unit.scenarios import DOMAIN, stock, wanted
from tests.unit.test_plan import after

OLD, NEW = stock("3.7.11"), stock("3.10.5")

LIVE = Ended(ChangeOutcome.LIVE, (), ("465: TLSv1.3",), 0.8)

# Far more than anything takes: what never ends fails the test.
SECONDS = 300

# Answers: a look, or why there is none.
Answer = Look | Exception


def deployed(look: Look) -> Look:
    """The host after a deploy, with nothing to prove."""
    now = after(look, plan_of(wanted(), look, STEPS))
    return replace(now, proved=frozenset({"postfix", "dovecot"}))


def changed_before(look: Look, *edited: str, number: int = 1) -> Look:
    """A host with a change on record. + edited: the files that somebody has edited since"""
    time = f"2026-11-22T10:15:{number:02}Z"
    return replace(look, last_change=LastChange(f"{time}-3f2a", "admin@controller as root", time, edited))


WHY = "no connection was made within 120 seconds"
UNREACHABLE = NotReached(f"not reached: {WHY}")
UNREACHABLE.__cause__ = ConnectError(WHY)


def hosts_named(names: Sequence[str], **data: Any) -> list[Host]:
    """pyinfra's hosts with these names."""
    inventory = Inventory(([*names], {"mail_domain": DOMAIN, "smtp_auth_on_port_25": True, **data}))
    State(inventory, Config())
    return [inventory.get_host(name) for name in names]


def answering(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Answer]) -> None:
    """Let hosts answer so. Their channels are their names (`name_of`)."""

    def ask(
        channel: Any, settings: Settings, steps: Sequence[Step], *, even_held: bool, rehearsing: bool
    ) -> Asked:
        answer = answers[channel._channel]
        if isinstance(answer, Exception):
            raise answer
        return Asked(settings, answer, plan_of(settings, answer, steps), even_held=even_held)

    monkeypatch.setattr(planning, "ask", ask)
    monkeypatch.setattr(planning, "connect", lambda _host: None)


def name_of(host: Host) -> Any:
    """Stands for the channel to a host."""
    return host.name


def plans(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Answer]) -> dict[str, HostPlan]:
    """The plans of hosts that answer so."""
    answering(monkeypatch, answers)
    # All are the host that the certificate is for.
    hosts = hosts_named([*answers], mail_hostname="mail1.example.jp")
    return plans_of(hosts, 8, deploy(STEPS), name_of, lambda _name: None, lambda _name, _found: None)


class Fleet:
    """Hosts that answer and end as they are told.

    + changed: those whose plans were carried out, in their order
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Answer]) -> None:
        self.ends: dict[str, Ended] = {}
        self.changed: list[str] = []
        self.told: list[str] = []
        # The hosts that hang when they are asked, or changed.
        self.hangs: dict[str, Event] = {}
        self.answers = dict(answers)
        answering(monkeypatch, self.answers)
        self.hosts = hosts_named([*answers], mail_hostname="mail1.example.jp")
        monkeypatch.setattr(applying, "carry_out", self._carry_out)
        monkeypatch.setattr(applying, "prove_services", lambda name, _asked: self.ends.get(name, LIVE))

    def _carry_out(self, host: Host, _channel: Any, _asked: Asked) -> Ended:
        if host.name in self.hangs:
            self.hangs[host.name].wait()
        self.changed.append(host.name)
        return self.ends.get(host.name, LIVE)

    def channel_to(self, host: Host) -> Any:
        # Before the look.
        if f"look {host.name}" in self.hangs:
            self.hangs[f"look {host.name}"].wait()
        return name_of(host)

    def apply(self, approved: Mapping[str, str] | None = None) -> Applying:
        approves = None if approved is None else approving(approved)
        work = Applying(self.hosts, deploy(STEPS), self.channel_to, approves)
        self.run(work)
        return work

    def run(self, work: Applying) -> None:
        def ends(name: str, found: Applied) -> None:
            self.told.append(f"{name} {found.outcome.value}")

        with gevent.Timeout(SECONDS):
            work.run(8, lambda _name: None, lambda: self.told.append("planned"), ends)
