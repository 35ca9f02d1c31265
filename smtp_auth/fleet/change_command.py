"""Changes hosts: shows the plan, asks, carries it out, and says what was proved.

`smtp-auth apply`, `undo` and `remove` do it with a task and words of their own.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from smtp_auth.fleet import as_json
from smtp_auth.fleet.applying import Applying, approving
from smtp_auth.fleet.channels import Channels
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import EMPTY, Line
from smtp_auth.fleet.outcomes import (
    NOT_BEGUN,
    OF_NO_PLAN,
    Applied,
    applied_as_json,
    outcome_lines,
    result_lines,
)
from smtp_auth.fleet.plan_command import Manner, asked
from smtp_auth.fleet.planning import TROUBLE, WITHOUT_PLAN, HostPlan, State, Task, compared
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.showing import show_to_people
from smtp_auth.fleet.text import counts_line, plan_lines, took_line
from smtp_auth.fleet.written import Target
from smtp_auth.runs.interruption import heed_interruptions, leave_if_interrupted
from smtp_auth.runs.mistakes import Declined, Mistake
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.question import Question, question_about
from smtp_auth.runs.status import Status

# By the names of the hosts.
Plans = Mapping[str, HostPlan]
Results = Mapping[str, Applied]


def _nothing(_of_hosts: Plans | Results) -> Iterable[Line]:
    return ()


@dataclass(frozen=True)
class Words:
    """What a command says of its own.

    + done: what it has done with a host, in one word: "applied"
    + above, below: lines above and below the plans of all hosts
    + left: lines below the results
    + asks: the question, by the number of hosts that would change and of those where port 465 would close
    """

    done: str
    above: Callable[[Plans], Iterable[Line]] = _nothing
    below: Callable[[Plans], Iterable[Line]] = _nothing
    left: Callable[[Results], Iterable[Line]] = _nothing
    asks: Callable[[int, int], Question] = lambda changing, _closing: question_about(changing, ("yes",))


def change(
    chosen: Chosen,
    task: Task,
    words: Words,
    manner: Manner,
    target: Target | None,
    *,
    asks: bool,
    known: Plans = MappingProxyType({}),
) -> int:
    """Carry out the plans of the hosts.

    + target: gets plans and outcomes as JSON, if that is wanted; standard output then gets nothing else
    + asks: whether somebody is asked, below the plans
    + known: the plans of hosts that need not be asked, because nothing would change

    Returns the exit status. Raises `Mistake` if nobody can be asked; `Declined` if the answer is another one.
    """
    work = _Work(chosen, task, words, manner, target, asks=asks, known=known)
    # The names of a machine are compared before it is changed: if not all hosts can be asked side by side,
    # they are asked first.
    if asks or len(chosen.hosts) > chosen.at_once:
        work.plan()
    if asks:
        work.ask()
    return work.carry_out()


class _Work:
    """One run of the command."""

    def __init__(
        self,
        chosen: Chosen,
        task: Task,
        words: Words,
        manner: Manner,
        target: Target | None,
        *,
        asks: bool,
        known: Plans,
    ) -> None:
        self._chosen, self._task, self._words, self._manner = chosen, task, words, manner
        self._target, self._asks, self._known = target, asks, known
        # In the order of the hosts; those without a plan may be missing.
        self._plans: dict[str, HostPlan] = dict(known)
        self._results: dict[str, Applied] = {}
        # The digests of the plans that were shown; `None` if none was.
        self._approved: dict[str, str] | None = None
        self._is_shown = False
        # The hosts of which was shown why they are not as wanted: a reader of the results sees it once.
        self._told: set[str] = set()
        self._settle(known)

    def plan(self) -> None:
        """Look at all hosts, and show their plans. If somebody is asked, they are rehearsed before."""
        hosts = [host for host in self._chosen.hosts if host.name not in self._known]
        at_once = self._chosen.at_once
        found = self._plans | asked(hosts, at_once, self._task, self._manner, rehearsing=self._asks)
        self._plans = {host.name: found[host.name] for host in self._chosen.hosts}
        self._approved = {name: one.digest for name, one in self._plans.items()}
        self._settle(self._plans)
        self._show_plans()

    def _settle(self, plans: Plans) -> None:
        """Take over what becomes of hosts of which there is nothing to carry out."""
        for name, one in plans.items():
            if one.state in WITHOUT_PLAN:
                self._results[name] = Applied(OF_NO_PLAN[one.state], one.reasons)
            elif one.state is State.CONVERGED and not one.proof_due:
                self._results[name] = Applied(Outcome.UNCHANGED, one.reasons)

    def ask(self) -> None:
        """Ask whether to carry the plans out, if anything would change."""
        pending = [one for one in self._plans.values() if one.state is State.PENDING]
        if not pending:
            return
        closing = sum(one.closes_submissions for one in pending)
        question = self._words.asks(len(pending), closing)
        try:
            question.needs_somebody("--yes")
            # The longer one would not fit the width of a terminal.
            between = "\n" if closing else " "
            question.ask(f"{question.what}.{between}{question.asks}: ")
        except (Mistake, Declined):
            self._write_json()
            raise

    def carry_out(self) -> int:
        """Carry out the plans that were shown, or all if none was. Returns the exit status."""
        to_do = [host for host in self._chosen.hosts if host.name not in self._results]
        with Progress(self._words.done, len(to_do)) as progress:
            channels = Channels(progress.say if self._manner.shows_programs else None)
            approves = None if self._approved is None else approving(self._approved)
            applying = Applying(to_do, self._task, channels, approves)

            # What is said at once is then said to the reader of the results.
            is_one_screen = sys.stdout.isatty() and sys.stderr.isatty()

            def planned() -> None:
                if self._approved is None:
                    self._learn(applying)
                    progress.hide()
                    # On a full disk the changes go on: the results at the end meet the same error.
                    with suppress(OSError):
                        self._show_plans()

            def ends(name: str, found: Applied) -> None:
                lines: list[Line] = []
                if not progress.is_terminal or found.state in TROUBLE:
                    lines += outcome_lines(name, found, is_told=is_one_screen and name in self._told)
                if is_one_screen and found.state in TROUBLE:
                    self._told.add(name)
                if self._manner.is_verbose:
                    lines.append(took_line(name, found.took))
                progress.ends(name, found.outcome.value, lines)

            def report() -> None:
                progress.hide()
                self._learn(applying)
                self._report()

            heed_interruptions(report, progress.say_text)
            applying.run(self._chosen.at_once, progress.begins, planned, ends)
            leave_if_interrupted()
        self._learn(applying)
        return self._report()

    def _learn(self, applying: Applying) -> None:
        """Take over the plans as they were carried out, and the results."""
        known = self._plans | {
            # A host that is asked a second time is neither rehearsed nor compared again.
            name: replace(one, names=shown.names, warnings=shown.warnings)
            if self._approved is not None and (shown := self._plans[name])
            else one
            for name, one in applying.plans.items()
        }
        plans = {host.name: known[host.name] for host in self._chosen.hosts if host.name in known}
        # A plan that is carried out was compared already.
        self._plans = {
            name: plans[name] if name in applying.plans and plans[name].state is State.PENDING else one
            for name, one in compared(plans).items()
        }
        self._results |= applying.results

    def _show_plans(self) -> None:
        self._is_shown = True
        found = {
            name: one
            for name, one in self._plans.items()
            if not (name in self._told and one.state in WITHOUT_PLAN)
        }
        show_to_people(
            [
                *self._words.above(self._plans),
                *plan_lines(found, is_whole=True),
                *self._words.below(self._plans),
                counts_line(self._plans),
                EMPTY,
            ],
            self._target,
            to_be_answered=self._asks and any(one.state is State.PENDING for one in self._plans.values()),
        )
        self._told.update(name for name, one in self._plans.items() if one.state in WITHOUT_PLAN)

    def _report(self) -> int:
        """Say what became of each host. Returns the exit status."""
        if not self._is_shown:
            self._show_plans()
        found = self._found()
        try:
            show_to_people([*result_lines(found, self._told), *self._words.left(found)], self._target)
        finally:
            is_written = self._write_json()
        is_well = is_written and all(one.state in (State.CONVERGED, State.HELD) for one in found.values())
        return 0 if is_well else Status.TROUBLE

    def _found(self) -> dict[str, Applied]:
        return {host.name: self._results.get(host.name, NOT_BEGUN) for host in self._chosen.hosts}

    def _write_json(self) -> bool:
        """Write the JSON, if it is wanted. Returns whether that was possible."""

        def entry(one: Applied, name: str) -> Mapping[str, Any]:
            return applied_as_json(self._plans.get(name), one, name)

        return self._target is None or self._target.write(as_json.lines(self._found(), entry))
