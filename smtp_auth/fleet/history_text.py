"""The history of a fleet as lines for people."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain

from smtp_auth.facts.record import PastChange
from smtp_auth.fleet.console import Line, Style
from smtp_auth.fleet.events import Row, rows_of
from smtp_auth.fleet.history import Histories, machines
from smtp_auth.fleet.text import MARGIN, difference_line, grouped, held_lines, some_hosts
from smtp_auth.local_time import local_time
from smtp_auth.past.runs import PastRun
from smtp_auth.plan.draft import are_for_everybody
from smtp_auth.plan.same_machine import note
from smtp_auth.shown import counted, shown, shown_name, shown_words

_STYLES = {"live": Style.PLAIN, "released": Style.PLAIN, "held": Style.WARNING}

# So many reasons are shown for one row.
_SOME_REASONS = 3


def table(found: Histories, *, is_all: bool = True, named: Collection[str] = ()) -> Iterator[Line]:
    """A line for each thing that has happened, the newest first, with its hosts; then which hosts are held.

    The last lines say what is in trouble.

    + is_all: whether this is the whole history, and not a part of it
    + named: of these hosts it is said whether they are held; empty: of all
    """
    rows = rows_of(found)
    width = max((len(row.first.what) for row in rows), default=0)
    for row in rows:
        yield _row(row, width, len(found))
        yield from _reasons(row)
    if not rows:
        yield Line(f"no {'' if is_all else 'such '}change is on record")
    held = {
        name: history.record.hold
        for name, history in found.items()
        if history.record.hold and (name in named or not named)
    }
    yield from chain.from_iterable(held_lines(held))
    yield from troubles(found)


def _row(row: Row, width: int, of: int) -> Line:
    event = row.first
    run_id = f"{shown(event.run_id)} " if event.run_id else ""
    # The reason for a hold may be in any language.
    about = shown(event.about) if event.run_id else shown_words(event.about)
    return Line(
        f"{shown(local_time(row.when))}  {shown(event.what):<{width}}  {run_id}"
        f"on {_hosts(row.hosts, of)}, by {shown(event.who)}{': ' if about else ''}{about}",
        _STYLES.get(event.what, Style.TROUBLE),
        under=len(MARGIN),
    )


def _reasons(row: Row) -> Iterator[Line]:
    """Why the changes did not stay, one line each: the host says more in the lines below it."""
    said = {event.host: event.said.partition("\n")[0] for event in row.events if event.said}
    reasons = grouped(said)
    for names, reason in reasons[:_SOME_REASONS]:
        on = f"{some_hosts(names)}: " if len(names) < len(row.hosts) else ""
        yield Line(f"{MARGIN}{on}{shown(reason)}", under=len(MARGIN) + 2)
    if len(reasons) > _SOME_REASONS:
        more = counted(len(reasons) - _SOME_REASONS, "more reason")
        yield Line(f"{MARGIN}{more}: --show {shown(row.first.run_id)} has all", under=len(MARGIN) + 2)


def details(found: Histories, run: PastRun) -> Iterator[Line]:
    """The lines that a run deleted and added; hosts with the same difference are shown together."""
    yield Line(
        shown(f"{run.id}, {local_time(run.began)}: {' / '.join(run.about)}"), Style.TITLE, under=len(MARGIN)
    )
    groups: dict[tuple[str, ...], list[tuple[str, PastChange]]] = {}
    for name, history in found.items():
        for change in history.record.changes:
            if change.id == run.id:
                manifest = change.manifest
                key = (str(manifest["plan"]["difference"]), change.outcome, change.who, manifest["said"])
                groups.setdefault(key, []).append((name, change))
    for (_, outcome, who, said), ones in groups.items():
        names = _hosts([name for name, _ in ones], len(found))
        yield Line(f"{names}: {shown(outcome)}, by {shown(who)}", Style.TITLE, under=len(MARGIN))
        yield from (Line(MARGIN + shown(line), under=len(MARGIN) + 2) for line in said.splitlines())
        yield from map(difference_line, _lines(ones[0][1]))
    yield from troubles(found)


def _hosts(names: Sequence[str], of: int) -> str:
    return f"all {of} hosts" if len(names) == of and of > 1 else some_hosts(names)


def _lines(change: PastChange) -> Iterator[str]:
    private = private_files(change)
    path = ""
    for edit in change.manifest["plan"]["edits"]:
        if edit["path"] != path:
            path = edit["path"]
            yield shown(path)
        if path in private:
            yield "(not shown: not everybody may read the file)"
        else:
            yield from (shown(line.removesuffix("\n")) for line in edit["lines"])


def private_files(change: PastChange) -> set[str]:
    """The files of a change that not everybody may read: they may contain secrets."""
    return {
        entry["path"] for entry in change.manifest["files"] if not are_for_everybody(entry["mode"].values())
    }


def troubles(found: Histories) -> Iterator[Line]:
    """The names of one machine, and what could not be read."""
    for names in machines(found):
        yield Line(shown(note(names)), Style.WARNING, under=len(MARGIN))
    for name, history in found.items():
        reasons = [history.error] if history.error else []
        reasons += [f"the manifest of change {change} cannot be read" for change in history.record.unreadable]
        for reason in reasons:
            yield Line(f"{shown_name(name)}: {shown(reason)}", Style.TROUBLE, under=len(MARGIN))
