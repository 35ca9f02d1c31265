"""`smtp-auth rollout`: changes hosts in waves, each verified before the next."""

from collections.abc import Iterator, Mapping, Sequence

from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import EMPTY, Line, Style, show_beside
from smtp_auth.fleet.plan_command import Manner, asked, port_25_lines
from smtp_auth.fleet.planning import deploy
from smtp_auth.fleet.showing import show_to_people
from smtp_auth.fleet.text import counts_line, plan_lines
from smtp_auth.plan.step import Step
from smtp_auth.rollout import plan_file, report
from smtp_auth.rollout.engine import OTHER_PLAN, Bounds, Rollout
from smtp_auth.rollout.events import Events
from smtp_auth.rollout.making import canaries, made
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.report import HostReport
from smtp_auth.rollout.text import end_lines, wave_lines
from smtp_auth.rollout.wishes import Wishes
from smtp_auth.runs.interruption import heed_interruptions, undivided
from smtp_auth.runs.mistakes import Declined, Mistake
from smtp_auth.runs.origin import continue_run
from smtp_auth.runs.question import answer_to, question_about
from smtp_auth.runs.status import Status
from smtp_auth.shown import command, counted, shown_name


def rollout(chosen: Chosen, steps: Sequence[Step], manner: Manner, wishes: Wishes) -> int:
    """Carry out a rollout.

    + steps: those of the deploy, in their order

    Returns the exit status. Raises `Mistake` if nobody can be asked; `Declined` if the answer is not yes.
    """
    if wishes.plan is None:
        first = canaries(chosen.hosts, wishes.layout)
        found = asked(chosen.hosts, chosen.at_once, deploy(steps), manner)
        plan = made(found, chosen.hosts, wishes.layout, first)
    else:
        plan = wishes.plan
    return _Work(chosen, steps, manner, wishes, plan).run()


class _Work:
    """One run of the command."""

    def __init__(
        self, chosen: Chosen, steps: Sequence[Step], manner: Manner, wishes: Wishes, plan: RolloutPlan
    ) -> None:
        self._chosen, self._wishes, self._plan = chosen, wishes, plan
        self._names = [*plan.hosts] if wishes.part is None else wishes.part.names(plan)
        self._events = Events(wishes.on_event, show_beside)
        self._is_reported = False
        hosts = {host.name: host for host in chosen.hosts}
        self._rollout = Rollout(
            plan,
            self._names,
            hosts,
            chosen.at_once,
            steps,
            manner,
            self._events,
            saves=self._save,
            reports=self._report,
            is_first=wishes.plan is None,
        )

    def run(self) -> int:
        self._show_plan()
        self._ask()
        # Each wave does so again, with its progress.
        heed_interruptions(self._report, _say)
        continue_run(self._plan.run)
        self._save()
        bounds = Bounds(self._wishes.not_after, self._ask_to_go_on if self._wishes.pauses else None)
        with self._events:
            self._rollout.tell("run_begun", hosts=len(self._names))
            try:
                self._rollout.run(bounds)
                if self._rollout.has_failed and self._wishes.undoes:
                    self._rollout.take_back(only_wave=self._wishes.undoes == "wave")
            except Declined as error:
                self._rollout.stopped = str(error)
            return self._report()

    # -- before -----------------------------------------------------------------------------------

    def _show_plan(self) -> None:
        found = {
            name: self._plan.hosts[name].found for name in self._names if not self._plan.hosts[name].is_done
        }
        here = [host for host in self._chosen.hosts if host.name in found]
        what = f"{self._wishes.part} of run" if self._wishes.part else "run"
        lines = [
            *plan_lines(found, is_whole=True),
            *port_25_lines(here, found),
            *self._missing(),
            *wave_lines(self._plan, self._names),
            Line(f"{what} {self._plan.run}", Style.TITLE, under=4),
            counts_line(found),
            EMPTY,
        ]
        show_to_people(lines, self._wishes.target, to_be_answered=self._wishes.asks and bool(self._pending()))

    def _missing(self) -> list[Line]:
        """The hosts that the inventory has not."""
        here = {host.name for host in self._chosen.hosts}
        to_do = (name for name in self._names if not self._plan.hosts[name].is_done)
        missing = [name for name in to_do if self._plan.hosts[name].wave and name not in here]
        if not missing:
            return []
        names = ", ".join(map(shown_name, missing))
        text = f"not in the inventory, so it will be refused: {names}"
        return [Line(text, Style.TROUBLE, under=4), EMPTY]

    def _ask(self) -> None:
        pending = self._pending()
        if not pending or not self._wishes.asks:
            return
        question = question_about(len(pending), ("yes",))
        try:
            question.needs_somebody("--yes")
            question.ask(f"{question.what}. {question.asks}: ")
        except (Mistake, Declined) as error:
            # Of a slice that a mistake keeps from beginning, an earlier attempt's report stays.
            if self._wishes.part is None or isinstance(error, Declined):
                self._write_json()
            raise

    def _pending(self) -> list[PlannedHost]:
        """The hosts that would change."""
        hosts = (self._plan.hosts[name] for name in self._names)
        return [one for one in hosts if one.is_pending]

    def _ask_to_go_on(self, number: int, count: int) -> None:
        question = f"Wave {number} has {counted(count, 'host')}. Go on with it? Only 'yes' does: "
        if answer_to(question).lower() != "yes":
            raise Declined(f"the answer is not yes: wave {number} does not begin")

    # -- afterwards -------------------------------------------------------------------------------

    def _save(self) -> bool:
        """Keep what is left in a file, if that is wanted. Returns whether that was possible."""
        if self._wishes.remaining is None:
            return True
        # A host that is held now may be released by then.
        done = {name for name, one in self._rollout.reports().items() if one.is_done and one.verified}
        return self._wishes.remaining.write(
            plan_file.lines(self._plan.after(done, self._rollout.taken_back_by))
        )

    def _report(self) -> int:
        """Say what became of each host. Returns the exit status."""
        if self._is_reported:
            # Interrupted while it waits for the program of --on-event: nothing else was left to do.
            self._events.close()
            return Status.INTERRUPTED
        found = self._rollout.reports()
        is_well = all(one.is_done for one in found.values())
        status = 0 if is_well else Status.TROUBLE
        failures = sum(one.has_failed for one in found.values())
        try:
            lines = [*end_lines(found, self._rollout.stopped), *self._next_lines(found)]
            with undivided():
                show_to_people(lines, self._wishes.target)
        finally:
            are_written = [self._save(), self._write_json()]
            with undivided():
                self._rollout.tell("run_ended", stopped=self._rollout.stopped, failures=failures)
                self._is_reported = True
            # An interrupted run does not leave the `with`.
            self._events.close()
        return status if all(are_written) else Status.TROUBLE

    def _next_lines(self, found: Mapping[str, HostReport]) -> Iterator[Line]:
        """How to go on, or back."""
        left = [one for one in found.values() if one.wave is not None and not one.is_done]
        if not left or self._wishes.part:
            return
        if all(OTHER_PLAN in one.reasons for one in left):
            yield Line("to go on with a new plan of these hosts: smtp-auth plan --out", under=4)
        elif self._wishes.remaining:
            file = self._wishes.remaining.option.partition(" ")[2]
            words = command("smtp-auth", "rollout", "--resume", file, "--remaining", file)
            yield Line(f"to go on, with your other options: {words}", under=4)
        if self._rollout.has_changed:
            yield Line(f"to take this run back: smtp-auth undo --to {self._plan.run}", under=4)

    def _write_json(self) -> bool:
        if self._wishes.target is None:
            return True
        part = self._wishes.part
        found = report.Report(
            self._plan.run,
            self._plan.identity,
            part.wave if part else None,
            part.zone if part else None,
            f"{part.shard}/{part.shards}" if part else None,
            is_merged=False,
            hosts=self._rollout.reports(),
        )
        return self._wishes.target.write(report.lines(found))


def _say(text: str) -> None:
    # The line before may be incomplete, where somebody has typed.
    show_beside([EMPTY, *map(Line, text.splitlines())])
