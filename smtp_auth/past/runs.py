"""The runs on record: what hosts changed together, under one ID."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from smtp_auth.facts.record import PastChange, Record
from smtp_auth.local_time import is_time, local_time
from smtp_auth.shown import counted, shown, some_names

# How many runs an error names.
_NAMED = 5


@dataclass(frozen=True)
class PastRun:
    """A run, as the records of the hosts have it.

    + began: when its last change began, by the hosts' own clocks, such as `2026-11-22T10:15:00Z`
    + who: the controllers and the accounts, as they were given, each once
    + about: its changes in a few words, each once
    + hosts: those whose record has a change of it, in the inventory's order
    """

    id: str
    began: str
    who: tuple[str, ...]
    about: tuple[str, ...]
    hosts: tuple[str, ...]


class NoSuchRun(Exception):
    """A word does not say which run is meant.

    `str()` of it is a sentence that goes on after the word; then a line for each run on record, or for some.
    """


def past_runs(records: Mapping[str, Record]) -> list[PastRun]:
    """All runs on record, the newest first. A run whose changes were all refused is one, too.

    + records: by the names of the hosts, in the inventory's order
    """
    found: dict[str, list[tuple[str, PastChange]]] = {}
    for name, record in records.items():
        for change in record.changes:
            found.setdefault(change.id, []).append((name, change))
    runs = [_run(run_id, ones) for run_id, ones in found.items()]
    return sorted(runs, key=lambda run: (order_of(run.began), run.id), reverse=True)


def live_runs(records: Mapping[str, Record]) -> list[PastRun]:
    """The runs with a live change, the newest first. + records: as for `past_runs`"""
    return past_runs({name: replace(record, changes=record.live) for name, record in records.items()})


def _run(run_id: str, ones: Sequence[tuple[str, PastChange]]) -> PastRun:
    changes = [change for _, change in ones]
    return PastRun(
        run_id,
        max((change.began for change in changes), key=order_of),
        tuple(dict.fromkeys(change.who for change in changes)),
        tuple(dict.fromkeys(change.about for change in changes)),
        tuple(dict.fromkeys(name for name, _ in ones)),
    )


def order_of(began: str) -> str:
    """What orders times. A text that is none, because somebody has edited the record, is before all."""
    return began if is_time(began) else ""


def run_called(word: str, runs: Sequence[PastRun], unread: int = 0) -> PastRun:
    """The run that is meant. Raises `NoSuchRun` if it is none of them, or may be several.

    + word: its ID, or a beginning or an end of it that no other run has
    + runs: from `past_runs`
    + unread: how many hosts may have other runs on record, because their records could not be read
    """
    same = [run for run in runs if run.id == word]
    found = same or [run for run in runs if word and (run.id.startswith(word) or run.id.endswith(word))]
    if len(found) == 1:
        return found[0]
    if found:
        raise NoSuchRun(_told(f"{len(found)} runs on record have an ID that begins or ends with this", found))
    others = f" ({counted(unread, 'host')} could not be read)" if unread else ""
    if not runs:
        raise NoSuchRun(f"no change is on record{others}")
    none = f"no run on record has an ID that begins or ends with this{others}"
    raise NoSuchRun(_told(f"{none}; on record are", runs))


def _told(sentence: str, runs: Sequence[PastRun]) -> str:
    told = [f"{run.id}  {local_time(run.began)}, by {some_names(run.who)}" for run in runs[:_NAMED]]
    more = [f"{len(runs) - _NAMED} more"] if len(runs) > _NAMED else []
    return "\n".join([f"{sentence}:", *(f"    {shown(line)}" for line in [*told, *more])])
