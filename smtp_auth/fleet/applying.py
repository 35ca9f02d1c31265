"""Carries out the plans of many hosts, each at its own pace.

No host waits for another one, except that the names of one machine are compared. If a plan was approved, the
host is planned anew at its turn, and refused if that is another plan than the one that was shown.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gevent.event import Event
from gevent.pool import Pool
from pyinfra.api import Host

from smtp_auth.fleet.outcomes import NOT_BEGUN, OF_NO_PLAN, Applied
from smtp_auth.fleet.planning import WITHOUT_PLAN, ChannelTo, HostPlan, State, Task, ask_host, compared
from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import GOES_ON, ChangeOutcome
from smtp_auth.runs.carrying_out import carry_out, prove_services
from smtp_auth.runs.channel import disconnect
from smtp_auth.runs.interruption import change_under_way, is_interrupted
from smtp_auth.runs.outcome import OF_CHANGE, Outcome

_OTHER_PLAN = (
    "its plan is not the one that was shown, so the host or its data have changed since: give the same "
    "command again, which shows the new one"
)

# Says why a host's plan at its turn, by the host's name, is not the one that was approved; empty if it is.
Approving = Callable[[str, HostPlan], str]


def approving(digests: Mapping[str, str]) -> Approving:
    """Approves the plans that were shown. + digests: theirs, by the names of the hosts"""
    return lambda name, plan: "" if plan.digest == digests[name] else _OTHER_PLAN


# How long a host that is to be changed waits for others that are asked at the same time, in seconds; or as
# long as it was asked itself, if that is longer. They may be the same machine.
_PATIENCE = 1.0

_NOT_AWAITED = Applied(Outcome.NOT_AWAITED, (GOES_ON,))


class Applying:
    """The work on some hosts.

    + plans, results: what is known so far, by the names of the hosts
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        task: Task,
        channel_to: ChannelTo,
        approves: Approving | None = None,
    ) -> None:
        """Prepare the work.

        + channel_to: makes the channel to a host
        + approves: whether a plan is the one that was approved; `None`: nobody was asked, so each host's plan
          is carried out as it is made
        """
        self._hosts, self._task, self._channel_to, self._approves = hosts, task, channel_to, approves
        self._machines = None if approves is not None else _Machines([host.name for host in hosts])
        self.plans: dict[str, HostPlan] = {}
        self.results: dict[str, Applied] = {}

    def run(
        self,
        at_once: int,
        begins: Callable[[str], None],
        planned: Callable[[], None],
        ends: Callable[[str, Applied], None],
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        """Carry out the plans. Whatever happens to one host is that host's alone.

        + at_once: how many hosts are worked on at the same time
        + begins, ends: are called with the name of each host, and with what became of it
        + planned: is called once all hosts have been asked
        + may_begin: whether the work on a further host may begin; it is asked again before the host changes
        """

        def apply(host: Host) -> None:
            if is_interrupted() or not may_begin():
                return
            begins(host.name)
            plan, asked = self._ask(host)
            if len(self.plans) == len(self._hosts):
                planned()
            found = self.results[host.name] = self._apply(host, plan, asked, may_begin)
            ends(host.name, found)
            disconnect(host)

        for _ in Pool(at_once).imap_unordered(apply, self._hosts):
            pass

    def _ask(self, host: Host) -> tuple[HostPlan, Asked | None]:
        try:
            plan, asked = ask_host(host, self._task, self._channel_to(host), rehearsing=False)
        finally:
            if self._machines:
                self._machines.was_asked(host.name)
        if self._machines:
            plan = self._machines.judged(host.name, plan)
        self.plans[host.name] = plan
        return plan, asked

    def _apply(
        self, host: Host, plan: HostPlan, asked: Asked | None, may_begin: Callable[[], bool]
    ) -> Applied:
        if plan.state in WITHOUT_PLAN:
            return Applied(OF_NO_PLAN[plan.state], plan.reasons, took=plan.took)
        if self._approves is not None and (why := self._approves(host.name, plan)):
            return Applied(Outcome.REFUSED, (why,), took=plan.took)
        if asked is None:
            return Applied(Outcome.UNCHANGED, plan.reasons, took=plan.took)
        if plan.state is not State.PENDING and not plan.proof_due:
            return Applied(Outcome.UNCHANGED, took=plan.took)
        if not may_begin():
            return replace(NOT_BEGUN, took=plan.took)
        began = time.monotonic()
        if plan.state is State.PENDING:
            with change_under_way():
                self.results[host.name] = _NOT_AWAITED
                ended, part = carry_out(host, self._channel_to(host), asked), "change"
            outcome = OF_CHANGE[ended.outcome]
        else:
            ended, part = prove_services(self._channel_to(host), asked), "proof"
            # It is refused if another deploy runs there, which proves them itself.
            has_failed = ended.outcome is ChangeOutcome.FAILED
            outcome = Outcome.FAILED if has_failed else Outcome.UNCHANGED
        took = (*plan.took, (part, time.monotonic() - began))
        return Applied(outcome, ended.said, ended.proved, ended.seconds, took)


class _Machines:
    """Compares the names of machines while hosts are at work: see `plan/same_machine.py`.

    + order: the names of all hosts, in the inventory's order
    """

    def __init__(self, order: Sequence[str]) -> None:
        self._order = {name: index for index, name in enumerate(order)}
        # By machine.
        self._asked: dict[str, dict[str, HostPlan]] = {}
        # All are asked side by side.
        self._being_asked = {name: Event() for name in order}
        self._admitted: set[str] = set()

    def was_asked(self, name: str) -> None:
        """A host was asked: nobody waits for it any more."""
        self._being_asked.pop(name).set()

    def judged(self, name: str, plan: HostPlan) -> HostPlan:
        """A host's plan with what it means that its machine has other names.

        It waits for the hosts that are asked at this moment, though not for one that hangs. A machine that is
        being changed under one name is changed under no other.
        """
        machine = plan.named.machine if plan.named else ""
        if not machine:
            return plan
        others = self._asked.setdefault(machine, {})
        others[name] = plan
        if plan.state is not State.PENDING:
            return plan
        self._wait(max(_PATIENCE, sum(seconds for _, seconds in plan.took)))
        in_order = sorted(others, key=lambda one: (one not in self._admitted, self._order[one]))
        found = compared({one: others[one] for one in in_order})[name]
        if found.state is State.PENDING:
            self._admitted.add(name)
        return found

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for over in [*self._being_asked.values()]:
            over.wait(max(0, deadline - time.monotonic()))
