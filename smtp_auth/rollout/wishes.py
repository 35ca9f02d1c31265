"""What the options of `smtp-auth rollout` want."""

import argparse
from dataclasses import dataclass
from datetime import datetime

from smtp_auth.fleet.typed_times import next_time, seconds_in
from smtp_auth.fleet.written import Target, refuse_inputs, refuse_shared, target_of
from smtp_auth.rollout import plan_file
from smtp_auth.rollout.events import words_of
from smtp_auth.rollout.making import Layout
from smtp_auth.rollout.options import MAX_AGE, given_of_layout
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.slices import Slice, slice_of
from smtp_auth.rollout.waves import DEFAULT
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.question import can_be_asked
from smtp_auth.shown import shown


@dataclass(frozen=True)
class Wishes:
    """What the options of a rollout say.

    + layout: of the plan that is made
    + plan: the one to carry out, if there is one
    + part: the only part of it that is carried out, if so
    + undoes: what is taken back if failures stop it: `wave`, `all` or nothing
    + pauses: whether somebody is asked before each further wave
    + not_after: when no wave begins any more
    + remaining: gets what is left
    + target: gets the report as JSON; standard output then gets nothing else
    + on_event: the command that gets the events
    + asks: whether somebody is asked, below the plan
    """

    layout: Layout
    plan: RolloutPlan | None
    part: Slice | None
    undoes: str
    pauses: bool
    not_after: datetime | None
    remaining: Target | None
    target: Target | None
    on_event: str | None
    asks: bool


def layout_of(options: argparse.Namespace) -> Layout:
    """What the options say of a plan that is made. Raises `Mistake` if one of them is wrong."""
    most = "0" if options.max_failures is None else options.max_failures
    layout = Layout(DEFAULT if options.waves is None else options.waves, tuple(options.first), most)
    layout.check()
    return layout


def wishes_of(options: argparse.Namespace) -> Wishes:
    """What the options want. Raises `Mistake` if they contradict each other, or name what there is not."""
    option, file = ("--resume", options.resume) if options.resume is not None else ("--plan", options.plan)
    _check_together(options, option, file)
    target = target_of(options)
    remaining = (
        None if options.remaining is None else Target("--remaining", options.remaining, plan_file.MODE)
    )
    if remaining and remaining.is_standard_output:
        raise Mistake("--remaining -: give a file, which is written again after each wave")
    refuse_shared([one for one in (target, remaining) if one])
    if file is not None:
        # What is left of what was left may replace that.
        replacing = (target,) if option == "--resume" else (target, remaining)
        refuse_inputs(replacing, [(option, file)])
    age = seconds_in("--max-age", MAX_AGE if options.max_age is None else options.max_age)
    not_after = None if options.not_after is None else next_time("--not-after", options.not_after)
    if options.pause and not can_be_asked():
        raise Mistake("--pause asks before each further wave, and standard input is no terminal")
    if options.on_event is not None:
        # It is started only once hosts may change.
        words_of(options.on_event)
    plan = part = None
    if file is not None:
        plan = plan_file.read(option, file)
        plan.refuse_old(age, option, file)
        if options.wave is not None:
            part = slice_of(plan, options.wave, options.zone, options.shard)
    return Wishes(
        layout_of(options),
        plan,
        part,
        options.undoes,
        options.pause,
        not_after,
        remaining,
        target,
        options.on_event,
        not options.yes,
    )


def _check_together(options: argparse.Namespace, option: str, file: str | None) -> None:
    if file is None:
        if options.max_age is not None:
            raise Mistake("--max-age is for a plan that exists: give --plan FILE, too")
        if options.wave is not None:
            raise Mistake("--wave is for a plan that exists: give --plan FILE, too")
    else:
        narrower = [name for name in ("limit", "exclude") if getattr(options, name)]
        others = [*given_of_layout(options), *(f"--{name}" for name in narrower)]
        if others:
            raise Mistake(
                f"{others[0]}: {option} {shown(file)} says which hosts are done, and in which waves: give it "
                "to smtp-auth plan --out"
            )
    if options.wave is None:
        for name in ("zone", "shard"):
            if getattr(options, name) is not None:
                raise Mistake(f"--{name} is for a part of a wave: give --wave NUMBER, too")
        return
    if options.undoes:
        raise Mistake(
            f"--undo-{options.undoes}: --wave {options.wave} is done by several processes, of which each "
            "knows its own hosts: take the run back with smtp-auth undo --to RUN"
        )
    for name in ("remaining", "resume", "pause"):
        if getattr(options, name):
            raise Mistake(
                f"--{name} is for a whole plan, and --wave {options.wave} is a part of one: to go on with a "
                "part, give the same command again"
            )
