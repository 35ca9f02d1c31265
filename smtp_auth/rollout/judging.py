"""Judges a wave that several processes have carried out, each a slice of it, and the run so far."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.report import Report, are_all_held, planned_report
from smtp_auth.rollout.slices import Slice, refuse_absent_wave, slice_of
from smtp_auth.rollout.text import too_many
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import counted, shown, shown_name, some_names

# How many slices an error names.
_MOST_NAMED = 20


class WrongSlices(Mistake):
    """The reports are not those of one wave: a slice is missing, double, or of something else."""


def merged(plan: RolloutPlan, wave: int, earlier: Report | None, reports: Mapping[str, Report]) -> Report:
    """The report of all waves up to this one, and of the hosts of no wave, as the plan has them.

    + earlier: what this function has returned for the wave before; `None` for the plan's first wave
    + reports: those of the wave's slices, by what an error calls them, such as their files

    Raises `WrongSlices` if not every host of the wave is in exactly one report, or if a report is of another
    run, plan, wave or slice.
    """
    _refuse_foreign_earlier(plan, wave, earlier)
    found = {name: planned_report(one) for name, one in plan.hosts.items() if one.wave is None}
    found |= earlier.hosts if earlier else {}
    of: dict[str, str] = {}
    for called, report in reports.items():
        _refuse_foreign(plan, wave, called, report)
        for name, one in report.hosts.items():
            if name in of:
                raise WrongSlices(
                    f"{called}: {shown_name(name)} is in {of[name]}, too: give the report of each slice "
                    "once, and those of one division into shards"
                )
            of[name] = called
            found[name] = one
    missing = [name for name in plan.waves[wave] if name not in of]
    if missing:
        raise WrongSlices(
            f"{_named(missing)}: no report has {'it' if len(missing) == 1 else 'them'}: carry out what is "
            f"missing, and give its report, too: {_lacking(plan, wave, missing, reports.values())}"
        )
    in_order = {name: found[name] for name in plan.hosts if name in found}
    return Report(plan.run, plan.identity, wave, None, None, True, in_order)


def why_stopped(plan: RolloutPlan, report: Report) -> str:
    """Why no further wave may begin, as a sentence; empty if one may. + report: a merged one"""
    failed = [name for name, one in report.hosts.items() if one.has_failed]
    if len(failed) > plan.most_failures:
        return f"{too_many(len(failed), plan.most_failures)}: {_named(failed)}"
    if report.wave != max(plan.waves) and are_all_held(report.hosts.values()):
        return "all hosts of the waves so far are held, so nothing is known of this change yet"
    left = [
        name
        for name, one in report.hosts.items()
        if one.wave is not None and not one.is_done and not one.has_failed
    ]
    if left:
        return f"{counted(len(left), 'host')} not changed and verified: {_named(left)}"
    return ""


def not_as_wanted(report: Report) -> str:
    """Which hosts are not as wanted after the last wave, as a sentence; empty if there is none.

    Some had no wave, because no plan of them was possible. + report: a merged one
    """
    names = [name for name, one in report.hosts.items() if not one.is_done]
    return f"{counted(len(names), 'host')} not as wanted: {_named(names)}" if names else ""


def _refuse_foreign_earlier(plan: RolloutPlan, wave: int, earlier: Report | None) -> None:
    refuse_absent_wave(plan, wave)
    before = [one for one in plan.waves if one < wave]
    if not before:
        if earlier:
            raise WrongSlices(f"the earlier report: wave {wave} is the plan's first: leave it out")
        return
    if not earlier:
        raise WrongSlices(
            f"wave {wave}: the merged report of wave {before[-1]} is missing: give it with --earlier"
        )
    _refuse_other_plan(plan, "the earlier report", earlier)
    if not earlier.is_merged or earlier.wave != before[-1]:
        raise WrongSlices(
            f"the earlier report: this is the report of {_called(earlier)}: "
            f"give the merged one of wave {before[-1]}"
        )
    names = {name for name, one in plan.hosts.items() if one.wave in (None, *before)}
    _refuse_other_hosts(plan, "the earlier report", earlier, names)


def _refuse_foreign(plan: RolloutPlan, wave: int, called: str, report: Report) -> None:
    _refuse_other_plan(plan, called, report)
    if report.is_merged or report.wave != wave:
        raise WrongSlices(
            f"{called}: this is the report of {_called(report)}: give one of a slice of wave {wave}"
        )
    try:
        names = _slice(plan, wave, report).names(plan)
    except Mistake as error:
        raise WrongSlices(f"{called}: {error}") from None
    _refuse_other_hosts(plan, called, report, {*names})


def _refuse_other_plan(plan: RolloutPlan, called: str, report: Report) -> None:
    if report.run != plan.run:
        raise WrongSlices(f"{called}: this is of the run {shown(report.run)}, and the plan is of {plan.run}")
    if report.plan != plan.identity:
        raise WrongSlices(
            f"{called}: this is of another plan of the same run: give the plan that was carried out"
        )


def _refuse_other_hosts(plan: RolloutPlan, called: str, report: Report, names: set[str]) -> None:
    """Raise `WrongSlices` if a report has other hosts than these, or has them in another wave or zone."""
    wrong = names ^ {*report.hosts}
    wrong |= {
        name
        for name in names - wrong
        if (report.hosts[name].wave, report.hosts[name].zone)
        != (plan.hosts[name].wave, plan.hosts[name].zone)
    }
    if wrong:
        raise WrongSlices(
            f"{called}: {_named(sorted(wrong))}: not as the plan has them there, so the file was edited"
        )


def _lacking(plan: RolloutPlan, wave: int, missing: list[str], reports: Iterable[Report]) -> str:
    """The slices of hosts that no report has, as far as the other slices tell them."""
    # A report without hosts may tell of any number of shards: the hosts are numbered, and not the shards.
    divisions = dict.fromkeys(replace(_slice(plan, wave, one), shard=1) for one in reports)
    lacking: dict[Slice, None] = {}
    wanted = {*missing}
    for division in divisions:
        names = replace(division, shards=1).names(plan)
        lacking |= {
            replace(division, shard=index % division.shards + 1): None
            for index, name in enumerate(names)
            if name in wanted
        }
    some = [*map(str, lacking)][:_MOST_NAMED]
    return "; ".join(some) or f"the slices of wave {wave} with these hosts"


def _slice(plan: RolloutPlan, wave: int, report: Report) -> Slice:
    return slice_of(plan, wave, report.zone, report.shard)


def _called(report: Report) -> str:
    if report.wave is None:
        return "a run without slices"
    return f"{'all waves up to ' if report.is_merged else ''}wave {report.wave}"


def _named(names: list[str]) -> str:
    return some_names([*map(shown_name, names)])
