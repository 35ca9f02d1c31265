"""`smtp-auth history`: shows who changed what, when, with which outcome."""

from collections.abc import Sequence
from dataclasses import dataclass

from smtp_auth.fleet import as_json
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import show_beside, show_results
from smtp_auth.fleet.events import since, with_a_part
from smtp_auth.fleet.history import Histories, HostHistory, histories_of
from smtp_auth.fleet.history_json import entries_of
from smtp_auth.fleet.history_text import details, table, troubles
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.typed_times import time_since
from smtp_auth.fleet.written import Target
from smtp_auth.past.runs import NoSuchRun, PastRun, past_runs, run_called
from smtp_auth.runs.interruption import heed_interruptions
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.status import Status
from smtp_auth.shown import shown, some_names


@dataclass(frozen=True)
class Asked:
    """What of the history is wanted.

    + run: the ID of the only run that is shown, with its lines; or a beginning or an end of it
    + since: when the oldest change that is shown may have begun
    + hosts: only what one of these had a part in
    """

    run: str | None = None
    since: str | None = None
    hosts: Sequence[str] = ()


def history(chosen: Chosen, asked: Asked, json: str | None) -> int:
    """Show the history of the hosts.

    + json: a file that gets it as JSON; `-` is standard output, which then gets nothing else

    Returns the exit status. Raises `Mistake` if something else is asked for than there is, or if the file
    cannot be written.
    """
    if asked.run is not None and (asked.since or asked.hosts):
        raise Mistake("--show shows one run, on all its hosts: give it without --since and --host")
    earliest = "" if asked.since is None else time_since("--since", asked.since)
    _check_names(asked.hosts, [host.name for host in chosen.hosts])
    target = None if json is None else Target("--json", json)
    found = _read(chosen)
    run = None if asked.run is None else _called(asked.run, found)
    told = since(found, earliest) if earliest else found
    told = with_a_part(told, asked.hosts) if asked.hosts else told
    if not (target and target.is_standard_output):
        show_results(details(told, run) if run else table(told, is_all=told is found, named=asked.hosts))
    entry = entries_of(told, run.id if run else None)
    is_written = target is None or target.write(as_json.lines(told, entry))
    is_read = not any(one.error for one in found.values())
    return 0 if is_read and is_written else Status.TROUBLE


def _read(chosen: Chosen) -> Histories:
    """The records of the hosts, with progress on standard error."""
    with Progress("asked", len(chosen.hosts)) as progress:

        def ends(name: str, found: HostHistory) -> None:
            progress.ends(name, "not read" if found.error else "read")

        heed_interruptions(progress.hide, progress.say_text)
        return histories_of(chosen.hosts, chosen.at_once, progress.begins, ends)


def _check_names(wanted: Sequence[str], names: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            raise Mistake(
                f"--host {name}: this is none of the hosts that are asked ({some_names(names)}): give a name "
                "as the inventory has it"
            )


def _called(word: str, found: Histories) -> PastRun:
    """The run that a word means. If there is none, what could not be read is said, too: it may be there."""
    try:
        return run_called(word, past_runs({name: history.record for name, history in found.items()}))
    except NoSuchRun as error:
        show_beside(troubles(found))
        raise Mistake(f"--show {shown(word)}: {error}") from None
