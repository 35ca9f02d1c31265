"""Carries out a rollout's plan: the hosts of a wave side by side, and each wave verified before the next.

Hosts hold the truth: a host that an earlier attempt of the same run has changed is not changed again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pyinfra.api import Host

from smtp_auth.fleet.applying import Applying, Approving
from smtp_auth.fleet.channels import Channels
from smtp_auth.fleet.console import Line, show_beside
from smtp_auth.fleet.outcomes import NOT_BEGUN, Applied, outcome_lines
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import TROUBLE, HostPlan, State, Task, ask_host
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.text import took_line
from smtp_auth.plan.as_json import text_of
from smtp_auth.plan.step import Step
from smtp_auth.rollout.events import Events
from smtp_auth.rollout.making import OF_NO_CHANGE, changes_files
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.report import HostReport, are_all_held, planned_report
from smtp_auth.rollout.tasks import deploy_of, undo_of
from smtp_auth.rollout.text import too_many, wave_ended_line
from smtp_auth.rollout.verifying import Verified, verified
from smtp_auth.runs.interruption import heed_interruptions, leave_if_interrupted
from smtp_auth.runs.origin import continue_run, new_run
from smtp_auth.runs.outcome import Outcome
from smtp_auth.shown import counted

OTHER_PLAN = (
    "its plan is not the one that was approved, so the host or its data have changed since: make a new "
    "plan of it with smtp-auth plan --out"
)

# In seconds: how much time that is left is said.
_WORTH_SAYING = 90

_MAY_HAVE_CHANGED = (Outcome.CHANGED, Outcome.NOT_REACHED, Outcome.NOT_AWAITED)

_NOT_IN_THE_INVENTORY = "the plan has this host, and the inventory has not: use the inventory of the plan"


@dataclass(frozen=True)
class Bounds:
    """When a rollout does not go on.

    + not_after: when no wave begins any more
    + pauses: asks whether to go on with a wave; raises `Declined` if not
    """

    not_after: datetime | None = None
    pauses: Callable[[int, int], None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether no wave begins any more."""
        return bool(self.not_after and datetime.now().astimezone() > self.not_after)


class Rollout:
    """One rollout, or a slice of it, under way.

    + plan: all of it
    + names: the hosts that are done here, in the plan's order
    + hosts: the inventory's, by their names
    + at_once: how many hosts are worked on at the same time
    + results, verdicts, undone: what is known so far, by the names of the hosts
    + taken_back_by: the ID of the run that takes this one back, if it does
    + stopped: why it has not gone on, as a sentence; empty if it has
    """

    def __init__(
        self,
        plan: RolloutPlan,
        names: Sequence[str],
        hosts: Mapping[str, Host],
        at_once: int,
        steps: Sequence[Step],
        manner: Manner,
        events: Events,
        saves: Callable[[], object],
        reports: Callable[[], object],
        *,
        is_first: bool,
    ) -> None:
        """Prepare it.

        + saves: is called whenever more is known that a later attempt has to know
        + reports: says what is known, once the run is interrupted
        + is_first: whether no earlier attempt of this run can have changed a host
        """
        self._plan, self._names, self._hosts, self._at_once, self._steps = plan, names, hosts, at_once, steps
        self._manner, self._events, self._saves, self._reports = manner, events, saves, reports
        self._is_first = is_first
        self.results: dict[str, Applied] = {}
        self.verdicts: dict[str, Verified] = {}
        self.undone: dict[str, Applied] = {}
        self.stopped = ""
        self.taken_back_by = ""
        self._failed: set[str] = set()
        # The hosts that were as the plan has them at their turn; that could not even be asked; that an
        # earlier attempt has changed; and that are without a change of this run, as an undo has found.
        self._as_planned: set[str] = set()
        self._not_asked: set[str] = set()
        self._changed_before: set[str] = set()
        self._without_it: set[str] = set()
        self._left = self._waves()
        self._began = time.monotonic()

    # -- what is known ----------------------------------------------------------------------------

    def reports(self) -> dict[str, HostReport]:
        """What became of each host so far."""
        return {name: self._report_of(name) for name in self._names}

    def _report_of(self, name: str) -> HostReport:
        report = planned_report(self._plan.hosts[name])
        found, verdict = self.results.get(name), self.verdicts.get(name)
        if found is not None:
            report = replace(
                report, state=found.state.value, outcome=found.outcome.value, reasons=_texts(found.said)
            )
        if verdict is not None:
            reasons = (*report.reasons, *verdict.reasons)
            report = replace(
                report, verified=verdict.is_well, failed_checks=verdict.failed_checks, reasons=reasons
            )
        undone = self.undone.get(name)
        if undone is None or self._has_nothing_to_undo(name):
            return report
        if undone.outcome is Outcome.CHANGED:
            return replace(report, state=State.PENDING.value, undone=True)
        reasons = (*report.reasons, f"undo: {undone.outcome.value}", *_texts(undone.said))
        return replace(report, undone=False, reasons=reasons)

    @property
    def has_failed(self) -> bool:
        """Whether more hosts have failed than the plan allows."""
        return len(self._failed) > self._plan.most_failures

    @property
    def has_changed(self) -> bool:
        """Whether a change of this run is in place, as far as this attempt knows, or may be."""
        return any(
            self._is_changed(name)
            and self.undone.get(name, NOT_BEGUN).outcome is not Outcome.CHANGED
            and not self._has_nothing_to_undo(name)
            for name in self._names
        )

    # -- what is done -----------------------------------------------------------------------------

    def run(self, bounds: Bounds) -> None:
        """Carry out the waves, one after the other, until one of them is the last, or the rollout stops.

        Raises `Declined` if somebody does not want to go on.
        """
        for number, names in self._left.items():
            if self.results and bounds.pauses and not bounds.is_over:
                bounds.pauses(number, len(names))
            if bounds.is_over:
                self.stopped = f"it is later than --not-after allows: wave {number} does not begin"
                return
            self._carry_out(number, names)
            self._saves()
            if self._knows_nothing(number):
                self.stopped = f"all hosts of wave {number} are held, so nothing is known of this change yet"
                return
            if self.has_failed:
                self.stopped = too_many(len(self._failed), self._plan.most_failures)
                return

    def _knows_nothing(self, number: int) -> bool:
        """Whether all hosts up to a wave are held, and others follow. Of a part, a merge judges that."""
        is_part = len(self._names) < len(self._plan.hosts)
        return not is_part and number < max(self._plan.waves) and are_all_held(self.reports().values())

    def _waves(self) -> dict[int, list[str]]:
        """What is left of each wave before anything is done."""
        here = {*self._names}
        left = {number: [name for name in names if name in here] for number, names in self._plan.left.items()}
        return {number: names for number, names in left.items() if names}

    def _carry_out(self, number: int, names: Sequence[str]) -> None:
        """Change the hosts of a wave, then verify them."""
        of = f"wave {number} of {max(self._plan.waves)}: "
        self.tell("wave_begun", wave=number, hosts=len(names))
        here = self._in_the_inventory(names, self.results, self._tell_end)
        self._changing(
            f"{of}applied",
            here,
            deploy_of(self._plan, self._steps),
            self.results,
            self._tell_end,
            self._approve,
        )
        done = [
            host
            for host in here
            if host.name in self.results and self.results[host.name].state is State.CONVERGED
        ]
        if done:
            self._verify(f"{of}verified", done)
        show_beside([wave_ended_line(of, map(self._report_of, names))])

    def _in_the_inventory(
        self, names: Sequence[str], into: dict[str, Applied], tells: Callable[[str, Applied], None]
    ) -> list[Host]:
        """The hosts with these names; those that are not there are refused. + into, tells: as below"""
        for name in names:
            if name not in self._hosts:
                into[name] = Applied(Outcome.REFUSED, (_NOT_IN_THE_INVENTORY,))
                tells(name, into[name])
        return [self._hosts[name] for name in names if name in self._hosts]

    def _changing(
        self,
        doing: str,
        hosts: Sequence[Host],
        task: Task,
        into: dict[str, Applied],
        tells: Callable[[str, Applied], None],
        approves: Approving | None = None,
    ) -> None:
        """Carry out a task on hosts, with progress on standard error.

        + into: gets what became of each host; + tells: tells of it
        + approves: of a deploy: whether a plan is the approved one; an undo needs no approval
        """
        with Progress(doing, len(hosts), more=self._time_left if approves else str) as progress:
            channels = Channels(progress.say if self._manner.shows_programs else None)
            applying = Applying(hosts, task, channels, approves)

            def keep(name: str, found: Applied) -> Applied:
                if approves:
                    found = self._as_of_this_run(name, found, applying.plans.get(name))
                into[name] = found
                return found

            def end(name: str, applied: Applied) -> None:
                digest_asked = applying.plans[name].digest
                if approves and applied.outcome is Outcome.REFUSED and digest_asked == self._approved(name):
                    # Another attempt may have changed it after it was asked, or somebody holds it since.
                    host = self._hosts[name]
                    applying.plans[name], _ = ask_host(host, task, channels(host), rehearsing=False)
                found = keep(name, applied)
                is_told = not progress.is_terminal or found.state in TROUBLE
                lines = [*outcome_lines(name, found)] if is_told else []
                if self._manner.is_verbose:
                    lines.append(took_line(name, found.took))
                tells(name, found)
                progress.ends(name, found.outcome.value, lines)

            def report() -> None:
                progress.hide()
                # Those that are not waited for have not ended.
                for name, found in applying.results.items():
                    keep(name, found)
                self._reports()

            heed_interruptions(report, progress.say_text)
            applying.run(
                self._at_once,
                progress.begins,
                lambda: None,
                end,
                may_begin=lambda: not (approves and self.has_failed),
            )
            leave_if_interrupted()

    def _approved(self, name: str) -> str:
        return self._plan.hosts[name].found.digest

    def _approve(self, name: str, found: HostPlan) -> str:
        if found.digest == self._approved(name) or self._is_of_this_run(found):
            return ""
        return OTHER_PLAN

    def _is_of_this_run(self, found: HostPlan) -> bool:
        """Whether an earlier attempt of this run has done a host already. A reload may be due since."""
        return found.digest == OF_NO_CHANGE and self._has_changed_last(found)

    def _has_changed_last(self, found: HostPlan) -> bool:
        return found.last_change is not None and found.last_change.id == self._plan.run

    def _as_of_this_run(self, name: str, found: Applied, plan: HostPlan | None) -> Applied:
        """What became of a host, whichever attempt of this run has done it."""
        if plan is None:
            return found
        has_it = self._has_changed_last(plan)
        if has_it:
            self._changed_before.add(name)
        elif plan.state is State.PENDING and _known_by(plan) == _known_by(self._plan.hosts[name].found):
            self._as_planned.add(name)
        elif plan.state is State.UNREACHABLE:
            self._not_asked.add(name)
        if plan.state is State.HELD:
            return replace(found, outcome=Outcome.HELD, said=plan.reasons)
        is_done = plan.state is State.CONVERGED and found.outcome in (Outcome.UNCHANGED, Outcome.REFUSED)
        return replace(found, outcome=Outcome.CHANGED, said=()) if has_it and is_done else found

    def tell(self, event: str, **values: object) -> None:
        """Tell of an event of this run."""
        self._events.tell(event, run=self._plan.run, **values)

    def _tell_end(self, name: str, found: Applied) -> None:
        """Tell what became of a host that was to be changed."""
        if found.state in TROUBLE:
            self._failed.add(name)
            self._tell_of("host_failed", name, found)
        elif found.outcome is Outcome.CHANGED:
            self._tell_of("host_changed", name, found)

    def _tell_undone(self, name: str, found: Applied) -> None:
        """Tell what became of a host whose change was to be taken back."""
        if found.outcome is Outcome.CHANGED:
            self._tell_of("host_undone", name, found)
        elif not self._has_nothing_to_undo(name):
            self._tell_of("host_failed", name, found)

    def _tell_of(self, event: str, name: str, found: Applied) -> None:
        self.tell(event, host=name, outcome=found.outcome.value, reasons=_texts(found.said))

    def _verify(self, doing: str, hosts: Sequence[Host]) -> None:
        found, lines = verified(doing, hosts, self._at_once, self._steps, is_verbose=self._manner.is_verbose)
        self.verdicts |= found
        bad = {name for name, one in found.items() if not one.is_well}
        self._failed |= bad
        if bad:
            show_beside(lines)
        for name, one in found.items():
            event = "host_verified" if one.is_well else "host_failed"
            self.tell(event, host=name, failed_checks=one.failed_checks, reasons=one.reasons)

    def _time_left(self) -> str:
        done = len(self.results)
        left = sum(map(len, self._left.values())) - done
        seconds = (time.monotonic() - self._began) / max(done, 1) * left
        if not done or seconds < _WORTH_SAYING:
            return ""
        return f"about {counted(round(seconds / 60), 'minute')} left"

    # -- back -------------------------------------------------------------------------------------

    def take_back(self, *, only_wave: bool) -> None:
        """Undo this run's change on every host that has it, or may have it: in a run with an ID of its own.

        + only_wave: only in the last wave that has begun
        """
        waves = {name: self._plan.hosts[name].wave or 0 for name in self._names}
        last = max(waves[name] for name in self.results)
        begun = last if self._is_beginning() else max(waves.values())
        names = [
            name
            for name in self._names
            if self._may_be_changed(name, begun) and (not only_wave or waves[name] == last)
        ]
        self.undone = dict.fromkeys(names, NOT_BEGUN)
        if names:
            task = undo_of(self._plan, self._steps, self._without_it.add)
            self.taken_back_by = new_run()
            # Hosts give everything back even if this process ends at once: a later attempt has to ask them.
            self._saves()
            continue_run(self.taken_back_by)
            hosts = self._in_the_inventory(names, self.undone, self._tell_undone)
            self._changing("undone", hosts, task, self.undone, self._tell_undone)
        if all(map(self._has_nothing_to_undo, names)):
            show_beside([Line("nothing has to be taken back", under=4)])

    def _is_beginning(self) -> bool:
        """Whether no earlier attempt can have come to a wave that this one has not begun.

        It would have changed a host of the first wave: others may have been held, or failed if the plan
        accepts that.
        """
        first = next(iter(self._plan.waves.values()))
        return not self._plan.most_failures and self._as_planned.issuperset(first)

    def _has_nothing_to_undo(self, name: str) -> bool:
        """Whether a host has no change of this run, and nobody has said that it has one."""
        is_said = self._plan.hosts[name].is_done or self._outcome(name) is Outcome.CHANGED
        return name in self._without_it and not is_said

    def _is_changed(self, name: str) -> bool:
        """Whether a host has this run's change, or may have it, as far as this attempt knows."""
        planned = self._plan.hosts[name]
        if not changes_files(planned.found) or (self._is_first and name in self._not_asked):
            return False
        return planned.is_done or name in self._changed_before or self._outcome(name) in _MAY_HAVE_CHANGED

    def _may_be_changed(self, name: str, begun: int) -> bool:
        """Whether a host has to be asked. + begun: the last wave that any attempt may have begun"""
        planned = self._plan.hosts[name]
        if self._is_first or not changes_files(planned.found) or name not in self._hosts:
            return self._is_changed(name)
        # An earlier attempt may have changed it, although this one has not asked it.
        return (planned.wave or 0) <= begun

    def _outcome(self, name: str) -> Outcome | None:
        found = self.results.get(name)
        return found.outcome if found else None


def _texts(said: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(text_of, said))


def _known_by(plan: HostPlan) -> tuple[str, str]:
    """What would change on a host, and what has changed last: both are others after a change and its undo."""
    return plan.digest, plan.last_change.id if plan.last_change else ""
