"""`smtp-auth apply`: gives the hosts what the deploy describes."""

from collections.abc import Sequence

from smtp_auth.fleet.change_command import Plans, Words, change
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import Line
from smtp_auth.fleet.plan_command import Manner, port_25_lines
from smtp_auth.fleet.planning import deploy
from smtp_auth.fleet.written import Target
from smtp_auth.plan.step import Step


def apply(chosen: Chosen, steps: Sequence[Step], manner: Manner, target: Target | None, *, asks: bool) -> int:
    """Carry out the plans of the hosts.

    + steps: those of the deploy, in their order
    + target: gets plans and outcomes as JSON, if that is wanted; standard output then gets nothing else
    + asks: whether somebody is asked, below the plans

    Returns the exit status. Raises `Mistake` if nobody can be asked; `Declined` if the answer is not yes.
    """

    def below(plans: Plans) -> list[Line]:
        return port_25_lines([host for host in chosen.hosts if host.name in plans], plans)

    return change(chosen, deploy(steps), Words("applied", below=below), manner, target, asks=asks)
