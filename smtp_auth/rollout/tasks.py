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
from smtp_auth.plan.as_json import digest
from smtp_auth.plan.step import Step
from smtp_auth.rollout.plan_file import RolloutPlan


def deploy_of(plan: RolloutPlan, steps: Sequence[Step]) -> Task:
    """A deploy that waits for an earlier attempt of the same run, or its undo."""
    task = deploy(steps)

    def asking(host: Host) -> Asking:
        ask = task.asking(host)

        def ask_patiently(channel: Channel, rehearsing: bool) -> Asked:
            if plan.taken_back_by:
                follow(channel, plan.taken_back_by)
            asked = ask(channel, rehearsing)
            if asked.hold or asked.refusals or digest(asked.plan) == plan.hosts[host.name].found.digest:
                return asked
            follow(channel, plan.run)
            return ask(channel, rehearsing)

        return ask_patiently

    undo_first = ("undo",) if plan.taken_back_by else ()
    return replace(task, asking=asking, commands=(*undo_first, "look", "earlier attempt", "second look"))


def undo_of(plan: RolloutPlan, steps: Sequence[Step], without_it: Callable[[str], object]) -> Task:
    """An undo of this run that waits for its change.

    + without_it: is called with the name of a host that has no change of this run
    """
    task = undo(steps, plan.run, only_last=True)

    def asking(host: Host) -> Asking:
        ask = task.asking(host)

        def ask_patiently(channel: Channel, rehearsing: bool) -> Asked:
            follow(channel, plan.run)
            try:
                return ask(channel, rehearsing)
            except NothingOnRecord as reason:
                if all(change.id != plan.run for change in reason.record.live):
                    without_it(host.name)
                raise

        return ask_patiently

    return replace(task, asking=asking, commands=("change", *task.commands))
