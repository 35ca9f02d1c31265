"""`smtp-auth undo`: restores what the last run replaced, or all runs from one on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from gevent.pool import Pool
from pyinfra.api import Host

from smtp_auth.facts.record import Record
from smtp_auth.fleet.change_command import Plans, Results, Words, change
from smtp_auth.fleet.channels import Channels
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import EMPTY, Line, Style
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import Asking, HostPlan, State, Task, answer_of, held_by, last_change_in, tried
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.text import MARGIN, closing_lines, took_line
from smtp_auth.fleet.written import Target
from smtp_auth.local_time import local_time
from smtp_auth.on_host.asking import ask_to_undo, read_record
from smtp_auth.past.runs import NoSuchRun, PastRun, live_runs, order_of, past_runs, run_called
from smtp_auth.past.undo import UNDO, why_left_alone
from smtp_auth.plan.step import Step
from smtp_auth.plan.text import plan_blocks
from smtp_auth.runs.channel import disconnect
from smtp_auth.runs.host_settings import even_held_of
from smtp_auth.runs.interruption import heed_interruptions
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import counted, shown

Records = Mapping[str, Record]


def undo_runs(
    chosen: Chosen,
    steps: Sequence[Step],
    manner: Manner,
    target: Target | None,
    to: str | None,
    *,
    asks: bool,
) -> int:
    """Undo the run that went live last, by the hosts' own clocks; or go back to before an earlier one.

    A host that had no part in that run is left alone. So is one that has a later change on record, unless
    that is to be undone, too.

    + steps: those of the deploy, in their order
    + target: gets plans and outcomes as JSON, if that is wanted; standard output then gets nothing else
    + to: the beginning or the end of the ID of the earliest run to undo; `None`: only the last one
    + asks: whether somebody is asked, below the plans

    Returns the exit status. Raises `Mistake` if the ID is not on record, or nobody can be asked; `Declined`
    if the answer is another one.
    """
    _check_data(chosen)
    records, known = _records(chosen, manner)
    runs = live_runs(records)
    run = _last(records, runs) if to is None else _called(to, past_runs(records), runs, len(known))
    if to is None:
        known |= _left_alone(chosen, records, run)
    words = Words(
        "undone",
        above=lambda plans: heading(plans, run, runs, is_last=to is None),
        left=lambda results: _what_is_left(results, run),
    )
    return change(
        chosen,
        undo(steps, run.id if run else None, only_last=to is None),
        words,
        manner,
        target,
        asks=asks,
        known=known,
    )


def undo_each_last(
    chosen: Chosen, steps: Sequence[Step], manner: Manner, target: Target | None, *, asks: bool
) -> int:
    """Undo the last live change of each host, whatever run it is of.

    + steps, target, asks: as for `undo_runs`

    Returns the exit status. Raises `Mistake` if nobody can be asked; `Declined` if the answer is another one.
    """
    _check_data(chosen)
    words = Words("undone", above=heading_of_each)
    return change(chosen, undo(steps, None), words, manner, target, asks=asks)


def undo(steps: Sequence[Step], run: str | None, *, only_last: bool = False) -> Task:
    """The task of an undo.

    + steps: those of the deploy, in their order
    + run: the ID of the earliest run that is undone; `None`: the last one of each host
    + only_last: whether a host with a later change on record is left alone
    """

    def asking(host: Host) -> Asking:
        even_held = even_held_of(host)
        return lambda channel, rehearsing: ask_to_undo(
            channel, steps, run, only_last=only_last, even_held=even_held, rehearsing=rehearsing
        )

    return Task(asking, ("record", "look", "rehearsal"), lambda plan: plan_blocks(plan, (UNDO,)))


def _check_data(chosen: Chosen) -> None:
    """Raise `Mistake` if the data says what undo.py shall undo."""
    for host in chosen.hosts:
        if host.data.get("undo_to") is not None:
            raise Mistake(f"{host.name}: undo_to is the data key of undo.py: give --to ID instead")


def _left_alone(chosen: Chosen, records: Records, run: PastRun | None) -> dict[str, HostPlan]:
    """The plans of hosts that the undo of the last run leaves alone.

    + run: that run; `None` if there is none
    """
    found: dict[str, HostPlan] = {}
    for host in (host for host in chosen.hosts if host.name in records):
        plan = tried(partial(_plan_of_nothing, host, records[host.name], run))
        if plan:
            found[host.name] = plan
    return found


def _plan_of_nothing(host: Host, record: Record, run: PastRun | None) -> HostPlan | None:
    """The plan of a host that is left alone; `None` if it is not, or if its record is in doubt."""
    nothing = "the record of this host has no change that could be undone"
    why = why_left_alone(record, run.id) if run else nothing
    if not why or record.in_doubt:
        return None
    if record.hold and not even_held_of(host):
        return held_by(record.hold)
    is_named = bool(run and host.name in run.hosts)
    return HostPlan(State.CONVERGED, (why,), is_named=is_named, last_change=last_change_in(record))


# -- which run ----------------------------------------------------------------------------------------


def _records(chosen: Chosen, manner: Manner) -> tuple[dict[str, Record], dict[str, HostPlan]]:
    """The records of the hosts, and the plans of those whose record could not be read."""
    records: dict[str, Record] = {}
    others: dict[str, HostPlan] = {}
    with Progress("read", len(chosen.hosts)) as progress:
        heed_interruptions(progress.hide, progress.say_text)
        channels = Channels(progress.say if manner.shows_programs else None)

        def read(host: Host) -> None:
            progress.begins(host.name)
            found, took = answer_of(host, channels(host), ("record",), read_record)
            disconnect(host)
            if isinstance(found, Record):
                records[host.name], word = found, "read"
            else:
                others[host.name], word = replace(found, took=took), found.state.value
            progress.ends(host.name, word, [took_line(host.name, took)] if manner.is_verbose else ())

        for _ in Pool(chosen.at_once).imap_unordered(read, chosen.hosts):
            pass
    names = [host.name for host in chosen.hosts]
    return {name: records[name] for name in names if name in records}, others


def _last(records: Records, runs: Sequence[PastRun]) -> PastRun | None:
    """The run that went live last, by the hosts' own clocks; `None` if there is none.

    On each host, its last change is the one with the highest number, whatever the clocks say.
    """
    last = [record.live[-1] for record in records.values() if record.live]
    if not last:
        return None
    newest = max(last, key=lambda change: (order_of(change.began), change.id)).id
    return next(run for run in runs if run.id == newest)


def _called(word: str, on_record: Sequence[PastRun], live: Sequence[PastRun], unread: int) -> PastRun:
    """The run that a word means.

    + on_record, live: all runs, and those with a live change
    + unread: how many hosts could not be read
    """
    try:
        run = run_called(word, on_record, unread)
    except NoSuchRun as error:
        raise Mistake(f"--to {shown(word)}: {error}") from None
    found = next((one for one in live if one.id == run.id), None)
    if found is None:
        raise Mistake(f"--to {shown(word)}: no change of run {run.id} went live, so none can be undone")
    return found


def _what_is_left(results: Results, run: PastRun | None) -> Iterator[Line]:
    """How to undo the run where that was not possible now: another undo would take this one back."""
    left = [name for name, one in results.items() if one.state is not State.CONVERGED]
    if run and left:
        text = f"to undo it on the other hosts later: smtp-auth undo --to {run.id}"
        yield Line(shown(text), under=len(MARGIN))


# -- what stands above the plans ----------------------------------------------------------------------


def heading(plans: Plans, run: PastRun | None, runs: Sequence[PastRun], *, is_last: bool) -> Iterator[Line]:
    """What is undone on how many hosts.

    + run: the earliest run that is undone; `None` if there is none
    + runs: all that are known
    + is_last: whether that one alone is undone
    """
    if run is None:
        return
    undone = _undone(plans)
    if is_last:
        count, total = len(undone.get(run.id, ())), len(run.hosts)
        yield _title(f"undo of the last run, {run.id}")
        yield _detail(f"{_told(run)}; it will be undone on {count} of its {counted(total, 'host')}")
    else:
        yield _title(f"back to before run {run.id}: undoes {counted(len(undone), 'run')}, the last one first")
        by_id = {one.id: one for one in runs}
        # One may have gone live since the records were read.
        newest = [one for one in undone if one not in by_id]
        for one in (*newest, *(one for one in by_id if one in undone)):
            told = f" {_told(by_id[one])}" if one in by_id else ""
            yield _detail(f"{one}{told}, on {counted(len(undone[one]), 'host')}")
    yield from [*closing_lines(plans)] or [EMPTY]


def _told(run: PastRun) -> str:
    return f"of {local_time(run.began)}, by {', '.join(run.who)}"


def _title(text: str) -> Line:
    return Line(shown(text), Style.TITLE, under=len(MARGIN))


def _detail(text: str) -> Line:
    return Line(MARGIN + shown(text), under=len(MARGIN) + 2)


def _undone(plans: Plans) -> dict[str, list[str]]:
    """The names of the hosts on which each change is undone, by its ID."""
    found: dict[str, list[str]] = {}
    for name, one in plans.items():
        for run in dict.fromkeys(one.undone):
            found.setdefault(run, []).append(name)
    return found


def heading_of_each(plans: Plans) -> Iterator[Line]:
    """The same if the last change of each host is undone."""
    undone = _undone(plans)
    if not undone:
        return
    differ = f", which are of {len(undone)} runs" if len(undone) > 1 else ""
    yield _title(f"undo of the last change of each host{differ}")
    for run, names in undone.items():
        last = next(one for name in names if (one := plans[name].last_change))
        when = local_time(last.began)
        yield _detail(f"{run} of {when}, by {last.who}, on {counted(len(names), 'host')}")
    yield from [*closing_lines(plans)] or [EMPTY]
