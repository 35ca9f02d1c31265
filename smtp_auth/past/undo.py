"""The plan that puts back what earlier changes of a host have replaced."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from smtp_auth.facts.look import File, Look, ManagedFile, digest_of
from smtp_auth.facts.record import NO_BASELINE, Baseline, PastChange
from smtp_auth.past.coming_back import plan_back
from smtp_auth.past.first_seen import first_seen
from smtp_auth.past.taking_back import taken_back
from smtp_auth.plan import readiness
from smtp_auth.plan.difference import changed_lines
from smtp_auth.plan.draft import Draft, is_for_everybody
from smtp_auth.plan.ours import ledger_now, ledger_undone
from smtp_auth.plan.plan import Plan, undo_of
from smtp_auth.plan.step import Step, files_managed, services_of
from smtp_auth.settings import Settings

# What preview and record call it.
NAME = "Undo"


def plan_of_undo(
    changes: Sequence[PastChange],
    settings: Settings,
    look: Look,
    steps: Sequence[Step],
    baseline: Baseline = NO_BASELINE,
) -> Plan:
    """What takes changes back out of a host's files.

    Edits that somebody has made since, elsewhere in these files, stay. A host on which they were made where
    something would come back gets a plan of refusals that shows them.

    + changes: the oldest first, with their files
    + settings: those of the last of them
    + steps: those of the deploy, in its order
    + baseline: that of the record
    """
    refusals = [*readiness.unchangeable(look)]
    if refusals:
        return Plan(refusals=tuple(refusals))
    draft = Draft(settings, look, ledger=ledger_now(look, steps), discreet=True)
    draft.begin(NAME)
    for change in reversed(changes):
        draft.note(f"takes back change {change.id} by {change.who}: {change.about}")
        refusals += _take_back(draft, change, steps)
    earlier = first_seen(baseline, draft.ledger)
    refusals += [] if refusals else [why for one in services_of(steps) for why in one.breaks(draft, earlier)]
    if refusals:
        return Plan(refusals=tuple(refusals))
    kind, first = undo_of(change.id for change in changes), changes[0]
    return plan_back(draft, steps, kind, ledger_undone(first.ledger.before, draft, steps), first)


def _take_back(draft: Draft, change: PastChange, steps: Sequence[Step]) -> Iterator[str]:
    """Take one change out of the draft; why that cannot be."""
    services = {service.key: service for service in services_of(steps)}
    files = {file.key: file for file in files_managed(steps)}
    for entry in change.manifest["files"]:
        file = files.get(entry["key"])
        if file is None:
            yield f"change {change.id} wrote {entry['path']}, which this version of the program does not know"
            continue
        before, written = change.content_before(entry), change.content_after(entry)
        wanted = [entry["sha256"][when] or "" for when in ("before", "after")]
        if [digest_of(before), digest_of(written)] != wanted:
            yield f"the record of change {change.id} does not hold {entry['path']} as it was"
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
    """Make of a file of the draft what it was before a change; why that cannot be.

    + read: what the file's service reads in it: name to value
    + versions: the file before that change, and as it was written; `None` where there was none
    """
    before, written = versions
    present, path = draft.content(file), draft.look.files[file.key].path
    since = f"since change {change.id}"
    if present is None:
        if before is not None and written is not None:
            yield f"{path} was removed {since}: put a file there, or take the change out by hand"
        elif before is not None:
            draft.write(file, before, mode=modes["before"] or "")
        return
    if written is None:
        if present != before:
            yield f"{path} was made {since}, which had removed it: move that file away"
        return
    if before is None and present == written:
        draft.remove(file)
        return
    found = taken_back(before or "", written, present)
    meaning = _Meaning(*map(read, (before or "", written, present, found.content)))
    reasons = [*meaning.set_since()] or ([] if found.edited else [*meaning.misread()])
    if found.edited or reasons:
        lines = [line for part in found.edited for line in part] or [*changed_lines(written, present)]
        what = _told(draft.look.files[file.key], reasons, lines)
        yield (
            f"{path} was edited {since}, where something would come back{what}: undo that edit, or take the "
            "change out by hand"
        )
        return
    is_empty = before is None and not found.content.strip()
    mode = modes["before"] if modes["before"] and draft.mode(file) == modes["after"] else ""
    if is_empty:
        draft.remove(file)
    else:
        draft.write(file, found.content, mode=mode or "")


def _told(file: File, reasons: Sequence[str], lines: Sequence[str]) -> str:
    """What was edited. Of a file that is not for everybody nothing is shown: it may hold a secret."""
    if not is_for_everybody(file.mode):
        return " (not shown, for not everybody may read it)"
    return f" ({'; '.join([*reasons, *(line.rstrip() for line in lines)])})"


# -- what it means to the service ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Meaning:
    """What a service reads in a file before and after a change, now, and as it would become.

    Each is name to value.
    """

    before: Mapping[str, str]
    written: Mapping[str, str]
    present: Mapping[str, str]
    coming: Mapping[str, str]

    def set_since(self) -> Iterator[str]:
        """What somebody has set to something else since."""
        for name in dict.fromkeys((*self.before, *self.written)):
            was, wrote, now = (one.get(name) for one in (self.before, self.written, self.present))
            if was != wrote and now not in (was, wrote):
                yield f"{name} is {_value(now)} and no longer {_value(wrote)}"

    def misread(self) -> Iterator[str]:
        """What would not become what it was: a definition elsewhere wins."""
        for name in dict.fromkeys((*self.before, *self.written, *self.present, *self.coming)):
            was, wrote, now = (one.get(name) for one in (self.before, self.written, self.present))
            wanted = now if was == wrote else was
            if self.coming.get(name) != wanted:
                yield f"{name} would become {_value(self.coming.get(name))} and not {_value(wanted)}"


def _value(value: str | None) -> str:
    if value is None:
        return "unset"
    return "another text" if "\n" in value else value or "empty"
