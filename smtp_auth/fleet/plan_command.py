"""`smtp-auth plan`: shows what would change on which host, and changes nothing."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyinfra.api import Host

from smtp_auth.fleet import as_json
from smtp_auth.fleet.channels import Channels
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import EMPTY, Line, Style, show_results, width_of
from smtp_auth.fleet.planning import TROUBLE, WITHOUT_PLAN, HostPlan, State, Task, deploy, plans_of
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.text import counts_line, height, plan_lines, took_line
from smtp_auth.fleet.written import Target
from smtp_auth.plan.step import Step
from smtp_auth.runs.data_check import warning_of_port_25
from smtp_auth.runs.interruption import heed_interruptions
from smtp_auth.runs.status import Status


@dataclass(frozen=True)
class Manner:
    """How much is shown of the work.

    + is_verbose: how long each part took on each host, and every line of a plan
    + shows_programs: what is sent to the hosts, too
    """

    is_verbose: bool = False
    shows_programs: bool = False


def plan(
    chosen: Chosen, steps: Sequence[Step], manner: Manner, target: Target | None, *, checks: bool
) -> int:
    """Show the plans of the hosts.

    + steps: those of the deploy, in their order
    + target: gets them as JSON, if that is wanted; standard output then gets nothing else
    + checks: whether the exit status says that something is pending

    Returns the exit status.
    """
    found = asked(chosen.hosts, chosen.at_once, deploy(steps), manner)
    if not (target and target.is_standard_output):
        width, last = width_of(sys.stdout), [*port_25_lines(chosen.hosts, found), counts_line(found)]
        lines = plan_lines(found, is_whole=manner.is_verbose, width=width, beside=height(last, width))
        show_results([*lines, *last])
    is_written = target is None or target.write(as_json.lines(found, as_json.fleet_entry))
    states = {one.state for one in found.values()}
    if states & {*TROUBLE} or not is_written:
        return Status.TROUBLE
    return Status.PENDING if checks and State.PENDING in states else 0


def asked(
    hosts: Sequence[Host], at_once: int, task: Task, manner: Manner, *, rehearsing: bool = True
) -> dict[str, HostPlan]:
    """The plans of the hosts, with progress on standard error.

    + at_once: how many hosts are asked at the same time
    + rehearsing: whether the hosts' own programs are asked about the plans
    """
    with Progress("asked", len(hosts)) as progress:

        def ends(name: str, found: HostPlan) -> None:
            lines = [took_line(name, found.took)] if manner.is_verbose else []
            progress.ends(name, found.state.value, lines)

        heed_interruptions(progress.hide, progress.say_text)
        channels = Channels(progress.say if manner.shows_programs else None)
        return plans_of(hosts, at_once, task, channels, progress.begins, ends, rehearsing=rehearsing)


def port_25_lines(hosts: Sequence[Host], found: Mapping[str, HostPlan]) -> list[Line]:
    """The warning that hosts offer logins on port 25, too."""
    warning = warning_of_port_25([host for host in hosts if found[host.name].state not in WITHOUT_PLAN])
    return [Line(f"warning: {warning}", Style.WARNING, under=4), EMPTY] if warning else []
