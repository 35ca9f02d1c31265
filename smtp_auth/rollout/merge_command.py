"""`smtp-auth merge`: judges a wave that several processes have carried out, and the run so far."""

from collections import Counter
from collections.abc import Iterator, Sequence

from smtp_auth.fleet.console import Line
from smtp_auth.fleet.showing import show_to_people
from smtp_auth.fleet.written import Target, refuse_inputs
from smtp_auth.rollout import plan_file, report
from smtp_auth.rollout.judging import WrongSlices, merged, not_as_wanted, why_stopped
from smtp_auth.rollout.text import end_lines
from smtp_auth.runs.status import Status
from smtp_auth.shown import shown


def merge(plan: str, wave: int, earlier: str | None, files: Sequence[str], target: Target | None) -> int:
    """Say whether the next wave may begin.

    + plan: the file of the plan that is carried out
    + earlier: the merged report of the wave before, a file; `None` for the plan's first wave
    + files: the reports of all slices of the wave
    + target: gets the merged report; if it is standard output, nothing else is written there

    Returns the exit status: 0 to go on, or after the last wave, if every host of the plan is as wanted; else
    1. Raises `Mistake` if a file is wrong, or if a slice is missing, double, or of something else.
    """
    inputs = [("--plan", plan), *([("--earlier", earlier)] if earlier is not None else [])]
    refuse_inputs([target], [*inputs, *(("", file) for file in files)])
    approved = plan_file.read("--plan", plan)
    before = None if earlier is None else report.read("--earlier", earlier)
    twice = [file for file, count in Counter(files).items() if count > 1]
    if twice:
        raise WrongSlices(f"{shown(twice[0])}: this file is given twice: give the report of each slice once")
    found = merged(approved, wave, before, {shown(file): report.read("", file) for file in files})
    stopped = why_stopped(approved, found)
    later = next((one for one in approved.waves if one > wave), None)
    show_to_people([*end_lines(found.hosts, stopped), *_next_line(wave, later, stopped)], target)
    is_written = target is None or target.write(report.lines(found))
    # As of a run without slices: its end also tells of the hosts that had no wave.
    is_well = not stopped and (later is not None or not not_as_wanted(found))
    return 0 if is_written and is_well else Status.TROUBLE


def _next_line(wave: int, later: int | None, stopped: str) -> Iterator[Line]:
    if not stopped:
        yield Line(f"wave {wave} was the last one" if later is None else f"wave {later} may begin", under=4)
