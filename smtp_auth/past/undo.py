"""The plan that restores what earlier changes of a host replaced."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from smtp_auth.facts.look import File, Look, ManagedFile, digest_of
from smtp_auth.facts.record import NO_BASELINE, Baseline, PastChange, Record
from smtp_auth.past.coming_back import plan_back
from smtp_auth.past.first_seen import first_seen
from smtp_auth.past.taking_back import taken_back
from smtp_auth.plan import readiness
from smtp_auth.plan.difference import changed_lines
from smtp_auth.plan.draft import Draft, is_for_everybody
from smtp_auth.plan.ours import ledger_now, ledger_undone
from smtp_auth.plan.plan import Plan, undo_of
from smtp_auth.plan.step import Part, Step, files_managed, services_of
from smtp_auth.settings import Settings

# All of an undo, in preview and record.
UNDO = Part("Undo", "everything is restored already")

# A refusal shows so many lines: an editor that changes all line ends edits the whole file.
_MOST_LINES = 6


def why_left_alone(record: Record, run: str) -> str:
    """Why the undo of a run leaves a host alone; empty if the host's own last live change is of that run.

    + record: the host's
    + run: its ID
    """
    if not any(change.id == run for change in record.live):
        return f"the record of this host has no live change of run {run}"
    last = record.live[-1]
    if last.id == run:
        return ""
    return (
        f"change {last.id} by {last.who} is newer on the record of this host: undo that first, or both with "
        f"--to {run}"
    )


def is_undone(record: Record, run: str) -> bool:
    """Whether a live change of a run was undone, and that undo was not.

    + record: the host's
    + run: its ID; a later attempt of it is another change
    """
    last = max((index for index, change in enumerate(record.live) if change.id == run), default=None)
    later = () if last is None else record.live[last + 1 :]
    return any(run in change.manifest["undone"] and not is_undone(record, change.id) for change in later)


def plan_of_undo(
    changes: Sequence[PastChange],
    settings: Settings,
    look: Look,
    steps: Sequence[Step],
    baseline: Baseline = NO_BASELINE,
) -> Plan:
    """The plan of an undo. If the host cannot be changed, the plan has refusals and no edits.

    Edits that somebody has made since, elsewhere in the files, stay. Edits that conflict with the undo refuse
    the host, and the refusal shows them.

    + changes: the oldest first, with their files
    + settings: those of the last of these changes
    + look: the host as it is
    + steps: those of the deploy, in their order
    + baseline: the copies in the record
    """
    refusals = [*readiness.unchangeable(look, files_managed(steps))]
    if refusals:
        return Plan(refusals=tuple(refusals))
    stepwise, draft = (_draft(settings, look, steps) for _ in range(2))
    for change in reversed(changes):
        draft.note(f"undoes change {change.id} by {change.who}: {change.about}")
        refusals += _take_back(stepwise, change, steps)
    # What comes back, and not what one change did and the next one reversed.
    for file in files_managed(steps):
        content = stepwise.content(file)
        if content is None:
            draft.remove(file)
        else:
            draft.write(file, content, mode=stepwise.mode(file))
    earlier = first_seen(baseline, draft.ledger)
    refusals += [] if refusals else [why for one in services_of(steps) for why in one.breaks(draft, earlier)]
    if refusals:
        return Plan(refusals=tuple(refusals))
    kind, first = undo_of(change.id for change in changes), changes[0]
    ledger = ledger_undone(first.ledger.before, _written(changes), draft, steps)
    return plan_back(draft, steps, kind, ledger, first)


def _draft(settings: Settings, look: Look, steps: Sequence[Step]) -> Draft:
    draft = Draft(settings, look, ledger=ledger_now(look, steps), discreet=True)
    draft.begin(UNDO.name)
    return draft


def _written(changes: Sequence[PastChange]) -> dict[str, str]:
    """Each file as the changes have written it last, by its key."""
    entries = [(change, entry) for change in changes for entry in change.manifest["files"]]
    return {entry["key"]: change.content_after(entry) or "" for change, entry in entries}


def _take_back(draft: Draft, change: PastChange, steps: Sequence[Step]) -> Iterator[str]:
    """Reverse one change in the draft. Yields the reasons why that is not possible."""
    services = {service.key: service for service in services_of(steps)}
    files = {file.key: file for file in files_managed(steps)}
    for entry in change.manifest["files"]:
        file = files.get(entry["key"])
        if file is None:
            yield (
                f"change {change.id} wrote {entry['path']}, which this version of the program does not know: "
                "use the version that made the change, or undo it by hand"
            )
            continue
        before, written = change.content_before(entry), change.content_after(entry)
        wanted = [change.digest_before(entry), entry["sha256"]["after"] or ""]
        if [digest_of(before), digest_of(written)] != wanted:
            yield (
                f"the record's copies of {entry['path']} from change {change.id} are missing or damaged: "
                "restore /var/lib/smtp-auth/changes from a backup, or undo the change by hand"
            )
            continue
        read = partial(services[file.service].definitions.read, file)
        yield from _restore(draft, change, file, read, (before, written), entry["mode"])


def _restore(
    draft: Draft,
    change: PastChange,
    file: ManagedFile,
    read: Callable[[str], Mapping[str, str]],
    versions: tuple[str | None, str | None],
    modes: Mapping[str, str | None],
) -> Iterator[str]:
    """Reverse a change of one file in the draft. Yields the reasons why that is not possible.

    + read: returns the definitions in the file, name to value
    + versions: the content before and after that change; `None` if there was no file
    + modes: the mode `before` and `after` it
    """
    before, written = versions
    present, path = draft.content(file), draft.look.files[file.key].path
    if present is None:
        if before is not None and written is not None:
            yield f"{path} was deleted after change {change.id}: restore the file, or undo the change by hand"
        elif before is not None:
            draft.write(file, before, mode=modes["before"] or "")
        return
    if written is None:
        if present != before:
            yield f"{path} was created again after change {change.id} had deleted it: move that file away"
        return
    if before is None and present == written:
        draft.remove(file)
        return
    found = taken_back(before or "", written, present)
    meaning = _Meaning(*map(read, (before or "", written, present, found.content)))
    reasons = [*meaning.set_since()] or ([] if found.edited else [*meaning.misread()])
    if found.edited or reasons:
        parts = found.edited or (changed_lines(written, present),)
        what = _told(draft.look.files[file.key], reasons, parts)
        yield (
            f"{path} was edited after change {change.id}, and these edits conflict with the undo{what}: "
            "restore what the change wrote there, or undo the change by hand"
        )
        return
    is_empty = before is None and not found.content.strip()
    mode = modes["before"] if modes["before"] and draft.mode(file) == modes["after"] else ""
    if is_empty:
        draft.remove(file)
    else:
        draft.write(file, found.content, mode=mode or "")


def _told(file: File, reasons: Sequence[str], parts: Sequence[Sequence[str]]) -> str:
    """The edits in parentheses, of many lines the first.

    They are hidden if not everybody may read the file, which may contain secrets.
    """
    if not is_for_everybody(file.mode):
        return " (not shown, because not everybody may read the file)"
    first = islice(chain.from_iterable(parts), _MOST_LINES)
    shown = [*reasons, *(line.rstrip() for line in first)]
    count = sum(map(len, parts))
    if count > _MOST_LINES:
        shown.append(f"… and {count - _MOST_LINES} more lines")
    return f" ({'; '.join(shown)})"


# -- what the service reads ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Meaning:
    """The definitions that a service reads in a file, name to value.

    + before, written: before and after a change
    + present: now
    + coming: after the change is reversed
    """

    before: Mapping[str, str]
    written: Mapping[str, str]
    present: Mapping[str, str]
    coming: Mapping[str, str]

    def set_since(self) -> Iterator[str]:
        """The definitions of the change that somebody has set to another value since, one sentence each."""
        for name in dict.fromkeys((*self.before, *self.written)):
            was, wrote, now = (one.get(name) for one in (self.before, self.written, self.present))
            if was != wrote and now not in (was, wrote):
                yield f"{name} is now {_value(now)} instead of {_value(wrote)}"

    def misread(self) -> Iterator[str]:
        """The definitions that would not get their earlier value, because another line overrides it."""
        for name in dict.fromkeys((*self.before, *self.written, *self.present, *self.coming)):
            was, wrote, now = (one.get(name) for one in (self.before, self.written, self.present))
            wanted = now if was == wrote else was
            if self.coming.get(name) != wanted:
                yield f"{name} would become {_value(self.coming.get(name))} instead of {_value(wanted)}"


def _value(value: str | None) -> str:
    if value is None:
        return "undefined"
    return "another text" if "\n" in value else value or "empty"
