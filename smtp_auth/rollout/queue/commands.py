"""`smtp-auth queue setup`, `rollout`, `worker`, `status`, `pause`, `resume` and `stop`."""

from collections import Counter
from collections.abc import Callable, Iterator

from croniter import croniter

from smtp_auth import accepted_values
from smtp_auth.fleet.console import EMPTY, Line, Style, show_beside, show_results
from smtp_auth.fleet.written import Target
from smtp_auth.local_time import in_utc, local_time
from smtp_auth.rollout import plan_file
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.queue import status
from smtp_auth.rollout.queue.database import Database, Failed, Unreached, sentence_of
from smtp_auth.rollout.queue.rows import LONGEST_ZONE, OVER, Window, put_in, refuse_zones, set_state, zone_of
from smtp_auth.rollout.queue.status_json import json_lines
from smtp_auth.rollout.queue.status_text import lines
from smtp_auth.rollout.queue.tables import set_up
from smtp_auth.rollout.queue.worker import Wishes, work
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.origin import origin_of_this_run
from smtp_auth.runs.question import question_about
from smtp_auth.runs.status import Status
from smtp_auth.shown import counted, shown, shown_name


def reached(work: Callable[[Database], int], database: str) -> int:
    """What a command returns that works in the database; 1, and why, if that is not reached, or refuses."""
    try:
        return work(Database(database))
    except Unreached as error:
        why = f"the database is not reached: {sentence_of(error)}"
    except Failed as error:
        why = f"the database refuses it: {sentence_of(error)}"
    show_beside([Line(why, under=4)])
    return Status.TROUBLE


def setup(database: Database) -> int:
    """Make the queue's tables. Returns the exit status, as all of these."""
    made = set_up(database)
    show_results(
        [Line("The queue is set up." if made else "The queue was set up before: nothing is changed.")]
    )
    return 0


def rollout(database: Database, file: str, most_seconds: float, window: Window, *, asks: bool) -> int:
    """Put a plan in the queue.

    + file: what `smtp-auth plan --out` has written
    + most_seconds: how old it may be
    + asks: whether somebody is asked

    Raises `Mistake` if it cannot be put in, or nobody can be asked; `Declined` if the answer is not yes.
    """
    if window.begins and window.ends and window.ends <= window.begins:
        raise Mistake(
            f"--not-after: {local_time(in_utc(window.ends))} is not after --at, "
            f"{local_time(in_utc(window.begins))}: give both with their dates"
        )
    plan = plan_file.read("--plan", file)
    option = f"--plan {shown(file)}"
    plan.refuse_old(most_seconds, "--plan", file, window.begins)
    if not plan.left:
        raise Mistake(f"{option}: no host would change: there is nothing to carry out")
    refuse_zones(option, plan)
    database.require_tables()
    show_results(_plan_lines(plan))
    pending = sum(one.is_pending for one in plan.hosts.values())
    if asks and pending:
        question = question_about(pending, ("yes",))
        question.needs_somebody("--yes")
        question.ask(f"{question.asks}: ")
    put_in(database, plan, origin_of_this_run().controller, window)
    show_results(
        [Line(f"{shown(plan.run)} is in the queue: smtp-auth queue status shows what becomes of it", under=4)]
    )
    return 0


def _plan_lines(plan: RolloutPlan) -> Iterator[Line]:
    yield Line(
        f"{shown(plan.run)}, planned {shown(plan.made)} by {shown_name(plan.controller)}",
        Style.TITLE,
        under=4,
    )
    left = plan.left
    for wave in plan.waves:
        names = left.get(wave, [])
        zones = Counter(zone_of(plan, name) for name in names)
        said = ", ".join(f"{shown_name(zone)} {count}" for zone, count in zones.items())
        what = f"{counted(len(names), 'host')}: {said}" if names else "done"
        yield Line(f"    wave {wave}: {what}", under=8)
    yield EMPTY


def worker(database: Database, wishes: Wishes) -> int:
    """Carry out the slices of a zone until a signal. Raises `Mistake` if it cannot begin."""
    try:
        accepted_values.zone(wishes.zone)
    except ValueError as error:
        raise Mistake(f"--zone {shown(wishes.zone)}: {error}") from None
    if len(wishes.zone) > LONGEST_ZONE:
        raise Mistake(f"--zone {shown(wishes.zone)}: give a zone's name, of at most {LONGEST_ZONE} bytes")
    if wishes.check_at is not None and not _comes(wishes.check_at):
        raise Mistake(
            f"--check-at {shown(wishes.check_at)}: give minute, hour, day, month and day of the week in "
            "UTC, as in a crontab: '30 4 * * *'"
        )
    database.require_tables()
    return work(database, wishes)


def _comes(cron: str) -> bool:
    """Whether there is such a time again and again: the 31st of April never is."""
    try:
        time = croniter(cron)
        time.get_prev()
        time.get_next()
    except ValueError:
        return False
    return True


def show_status(database: Database, run: str | None, target: Target | None) -> int:
    """Show what the queue knows. Returns 1 if somebody has to look at it.

    + run: of which rollout; `None`: of all that are not over, or else of the last one
    + target: gets it as JSON, if that is wanted
    """
    database.require_tables()
    found, checked = status.rollouts(database, run), status.checks(database)
    if target is None or not target.is_standard_output:
        show_results(lines(found, checked))
    is_written = target is None or target.write(json_lines(found, checked))
    has_trouble = any(one.has_trouble for one in found) or any(one.has_trouble for one in checked)
    return Status.TROUBLE if has_trouble or not is_written else 0


def pause(database: Database, run: str | None) -> int:
    """Let no further host begin, until it is resumed."""
    return _set(database, run, "paused", ("running",), "no further host begins until smtp-auth queue resume")


def resume(database: Database, run: str | None) -> int:
    """Let a paused rollout go on."""
    return _set(database, run, "running", ("paused",), "it goes on")


def stop(database: Database, run: str | None) -> int:
    """Let no further host begin, for good."""
    why = f"stopped by {origin_of_this_run().controller}"
    return _set(database, run, "stopped", ("running", "paused"), "no further host begins", why)


def _set(
    database: Database, given: str | None, state: str, of: tuple[str, ...], then: str, why: str = ""
) -> int:
    database.require_tables()
    run = status.only_rollout(database, given)
    try:
        is_now = set_state(database, run, state, of, why)
    except ValueError as error:
        raise Mistake(f"{shown(run)}: its rows are damaged: {error}: put its plan in again") from None
    if is_now != state:
        way_out = ": put its plan in again" if is_now in OVER else ""
        raise Mistake(
            f"{shown(run)} is {is_now}: only one that is {' or '.join(of)} can become {state}{way_out}"
        )
    show_results([Line(f"{shown(run)} is {state}: {then}.", under=4)])
    return 0
