"""`smtp-auth apply`: shows the plan, asks, carries it out, and says what was proved."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from smtp_auth.fleet import as_json
from smtp_auth.fleet.applying import Applying
from smtp_auth.fleet.channels import Channels
from smtp_auth.fleet.console import EMPTY, show_results
from smtp_auth.fleet.outcomes import (
    NOT_BEGUN,
    UNCHANGED,
    Applied,
    applied_as_json,
    outcome_lines,
    result_lines,
)
from smtp_auth.fleet.plan_command import Manner, asked, port_25_lines
from smtp_auth.fleet.planning import TROUBLE, HostPlan, State, compared
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.text import counts_line, hosts, plan_lines, took_line
from smtp_auth.plan.step import Step
from smtp_auth.runs.interruption import heed_interruptions, leave_if_interrupted
from smtp_auth.runs.mistakes import Declined, Mistake
from smtp_auth.runs.question import answer_to, can_be_asked
from smtp_auth.runs.status import Status

if TYPE_CHECKING:
    # It makes sockets cooperative, for the whole process.
    from smtp_auth.fleet.inventory import Chosen


def apply(chosen: "Chosen", steps: Sequence[Step], manner: Manner, json: str | None, *, asks: bool) -> int:
    """Carry out the plans of the hosts.

    + steps: those of the deploy, in their order
    + json: a file that gets plans and outcomes as JSON; `-` is standard output, which gets nothing else
    + asks: whether the plans are shown first, and somebody is asked

    Returns the exit status. Raises `Mistake` if the file cannot be written, or nobody can be asked;
    `Declined` if the answer is not yes.
    """
    target = as_json.Target(json) if json else None
    work = _Work(chosen, steps, manner, target)
    if asks:
        work.ask()
    return work.carry_out()


class _Work:
    """One run of the command."""

    def __init__(
        self, chosen: "Chosen", steps: Sequence[Step], manner: Manner, target: as_json.Target | None
    ) -> None:
        self._chosen, self._steps, self._manner, self._target = chosen, steps, manner, target
        # Of the hosts that are not asked a second time.
        self._results: dict[str, Applied] = {}
        self._plans: dict[str, HostPlan] | None = None
        # The hosts of which was shown why they are not as wanted: a reader of the results sees it once.
        self._told: set[str] = set()

    def ask(self) -> None:
        """Show the plans, and ask whether to carry them out, if anything would change."""
        plans = self._plans = asked(self._chosen, self._steps, self._manner)
        self._show_plans(plans)
        pending = [name for name, one in plans.items() if one.state is State.PENDING]
        for name, one in plans.items():
            if one.state in TROUBLE:
                self._results[name] = Applied(one.state, one.state.value, one.reasons)
            elif one.state is State.CONVERGED and not one.proof_due:
                self._results[name] = Applied(one.state, UNCHANGED)
        if not pending:
            return
        what = f"{hosts(len(pending))} would change"
        if not can_be_asked():
            raise Mistake(
                f"{what}, and nobody can be asked: standard input is no terminal. Use --yes to apply "
                "without a question"
            )
        if answer_to(f"{what}. Change them? Only 'yes' does: ") != "yes":
            raise Declined("the answer is not yes: no host was changed")

    def carry_out(self) -> int:
        """Carry out the plans that were shown, or all if nobody was asked. Returns the exit status."""
        plans = self._plans
        to_do = [host for host in self._chosen.hosts if host.name not in self._results]
        approved = None if plans is None else {name: one.digest for name, one in plans.items()}
        with Progress("applied", len(to_do)) as progress:
            channels = Channels(progress.say if self._manner.shows_programs else None)
            applying = Applying(to_do, self._steps, channels, approved)

            # What is said at once is then said to the reader of the results.
            is_one_screen = sys.stdout.isatty() and sys.stderr.isatty()

            def planned() -> None:
                if plans is None:
                    # On a full disk the changes go on: the results at the end meet the same error.
                    with progress.aside(), suppress(OSError):
                        self._show_plans(self._in_order(applying.plans))

            def ends(name: str, found: Applied) -> None:
                lines = (
                    []
                    if progress.is_terminal and found.state not in TROUBLE
                    else [*outcome_lines(name, found, is_told=is_one_screen and name in self._told)]
                )
                if is_one_screen and found.state in TROUBLE:
                    self._told.add(name)
                took = [took_line(name, found.took)] if self._manner.is_verbose else []
                progress.ends(name, found.word, [*lines, *took])

            def report() -> None:
                progress.hide()
                self._report(plans or self._in_order(applying.plans), {**self._results, **applying.results})

            heed_interruptions(report, progress.say_text)
            applying.run(self._chosen.at_once, progress.begins, planned, ends)
            leave_if_interrupted()
        return self._report(plans or self._in_order(applying.plans), {**self._results, **applying.results})

    def _in_order(self, plans: Mapping[str, HostPlan]) -> dict[str, HostPlan]:
        return compared({host.name: plans[host.name] for host in self._chosen.hosts if host.name in plans})

    def _show_plans(self, plans: dict[str, HostPlan]) -> None:
        if self._is_shown:
            hosts = [host for host in self._chosen.hosts if host.name in plans]
            new = {
                name: one for name, one in plans.items() if not (name in self._told and one.state in TROUBLE)
            }
            lines = [
                *plan_lines(new, is_whole=True),
                *port_25_lines(hosts, plans),
                counts_line(plans),
                EMPTY,
            ]
            show_results(lines)
            self._told.update(name for name, one in plans.items() if one.state in TROUBLE)

    @property
    def _is_shown(self) -> bool:
        return not (self._target and self._target.is_standard_output)

    def _report(self, plans: Mapping[str, HostPlan], results: Mapping[str, Applied]) -> int:
        """Say what became of each host. Returns the exit status."""
        found = {host.name: results.get(host.name, NOT_BEGUN) for host in self._chosen.hosts}
        if self._target:

            def entry(one: Applied, name: str) -> Mapping[str, Any]:
                return applied_as_json(plans.get(name), one, name)

            self._target.write(as_json.lines(found, entry))
        if self._is_shown:
            show_results(result_lines(found, self._told))
        return 0 if all(one.state is State.CONVERGED for one in found.values()) else Status.TROUBLE
