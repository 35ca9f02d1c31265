"""What hosts are asked in a rollout: as in a deploy and an undo, once what this run has begun there is over.

The controller of an earlier attempt may have died, or a connection may be lost: the host is still at work.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pyinfra.api import Host

from smtp_auth.fleet.planning import Asking, Task, deploy
from smtp_auth.fleet.undo_command import undo
from smtp_auth.on_host.asking import Asked, NothingOnRecord
from smtp_auth.on_host.changing import follow
from smtp_auth.on_host.channel import Channel
from smtp_auth.past.undo import is_undone
from smtp_auth.plan.as_json import digest
from smtp_auth.plan.step import Step
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.runs.carrying_out import attentive


def deploy_of(plan: RolloutPlan, steps: Sequence[Step]) -> Task:
    """A deploy that waits for an earlier attempt of the same run, or its undo."""

    def ask_patiently(host: Host, ask: Asking, channel: Channel, rehearsing: bool) -> Asked:
        asked = ask(channel, rehearsing)
        if asked.hold or digest(asked.plan) == plan.hosts[host.name].found.digest:
            return asked
        _wait_for(plan.run, host, channel)
        return ask(channel, rehearsing)

    return _after_the_undo(plan, deploy(steps), ("look", "earlier attempt", "second look"), ask_patiently)


def undo_of(plan: RolloutPlan, steps: Sequence[Step], without_it: Callable[[str], object]) -> Task:
    """An undo of this run that waits for its change, or an earlier undo.

    + without_it: is called with the name of a host that has no change of this run
    """

    def ask_patiently(host: Host, ask: Asking, channel: Channel, rehearsing: bool) -> Asked:
        _wait_for(plan.run, host, channel)
        try:
            return ask(channel, rehearsing)
        except NothingOnRecord as reason:
            is_live = any(change.id == plan.run for change in reason.record.live)
            if not is_live or is_undone(reason.record, plan.run):
                without_it(host.name)
            raise

    task = undo(steps, plan.run, only_last=True)
    return _after_the_undo(plan, task, ("change", *task.commands), ask_patiently)


def _after_the_undo(
    plan: RolloutPlan,
    task: Task,
    commands: tuple[str, ...],
    ask_patiently: Callable[[Host, Asking, Channel, bool], Asked],
) -> Task:
    """A task that first waits until an earlier attempt has taken its change back, if it does.

    + commands: what each further command is
    + ask_patiently: asks a host with the task's own asking
    """
    by = plan.taken_back_by

    def asking(host: Host) -> Asking:
        ask = task.asking(host)

        def ask_afterwards(channel: Channel, rehearsing: bool) -> Asked:
            if by:
                _wait_for(by, host, channel)
            return ask_patiently(host, ask, channel, rehearsing)

        return ask_afterwards

    return replace(task, asking=asking, commands=(*(["undo"] if by else []), *commands))


def _wait_for(run: str, host: Host, channel: Channel) -> None:
    """Wait until what a run has begun on a host is over, if anything. The host is silent meanwhile."""
    follow(attentive(host, channel), run)
