"""`smtp-auth plan`: shows what would change on which host, and changes nothing."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyinfra.api import Host

from smtp_auth.fleet import as_json
from smtp_auth.fleet.channels import Channels
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import EMPTY, Line, Style, show_results, width_of
from smtp_auth.fleet.planning import TROUBLE, WITHOUT_PLAN, HostPlan, State, Task, deploy, plans_of
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.text import counts_line, height, plan_lines, took_line
from smtp_auth.fleet.written import Target, refuse_shared
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


@dataclass(frozen=True)
class Output:
    """Where plans are written, too.

    + lines: the plans as what is written there, by the names of the hosts
    + told: what is said of it to people, below the plans
    """

    target: Target
    lines: Callable[[Mapping[str, HostPlan]], Iterator[str]]
    told: Callable[[Mapping[str, HostPlan]], Iterable[Line]] = lambda _found: ()


def outputs_of(json: str | None, prometheus: str | None) -> list[Output]:
    """Where plans are written, too. Raises `Mistake` if a file cannot be written.

    + json, prometheus: the files of these options, or `-` for standard output
    """
    found: list[Output] = []
    if json is not None:
        lines = partial(as_json.lines, entry=as_json.fleet_entry)
        found.append(Output(Target("--json", json), lines))
    if prometheus is not None:
        # prometheus_client takes time to load.
        from smtp_auth.fleet import metrics, plan_metrics

        found.append(Output(metrics.target(prometheus), plan_metrics.plan_lines))
    refuse_shared([one.target for one in found])
    return found


def plan(
    chosen: Chosen, steps: Sequence[Step], manner: Manner, outputs: Sequence[Output], *, checks: bool
) -> int:
    """Show the plans of the hosts.

    + steps: those of the deploy, in their order
    + outputs: where they are written, too; if one is standard output, nothing else is written there
    + checks: whether the exit status says that something is pending

    Returns the exit status.
    """
    found = asked(chosen.hosts, chosen.at_once, deploy(steps), manner)
    if not any(output.target.is_standard_output for output in outputs):
        told = [line for output in outputs for line in output.told(found)]
        width, last = width_of(sys.stdout), [*port_25_lines(chosen.hosts, found), *told, counts_line(found)]
        lines = plan_lines(found, is_whole=manner.is_verbose, width=width, beside=height(last, width))
        show_results([*lines, *last])
    are_written = [output.target.write(output.lines(found)) for output in outputs]
    states = {one.state for one in found.values()}
    if states & {*TROUBLE} or not all(are_written):
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
