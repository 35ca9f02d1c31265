"""The plan that removes everything that we have written on a host and that is still ours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from smtp_auth.facts.ledger import NOTHING, Ledger
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.past.coming_back import plan_back
from smtp_auth.past.first_seen import first_seen
from smtp_auth.plan import readiness
from smtp_auth.plan.draft import Draft, is_for_everybody
from smtp_auth.plan.giving_back import give_back
from smtp_auth.plan.ours import ledger_now, parts_in
from smtp_auth.plan.plan import REMOVAL, Plan
from smtp_auth.plan.service import Definitions, Needed
from smtp_auth.plan.step import Part, Step, files_managed, files_of_services, services_of
from smtp_auth.settings import Settings

# Files that are restored as a whole, in preview and record.
AS_FIRST_SEEN = Part("As first seen", "no file is restored as a whole")


def plan_of_removal(record: Record, settings: Settings, look: Look, steps: Sequence[Step]) -> Plan:
    """The plan of a removal. If the host cannot be changed, the plan has refusals and no edits.

    A file that nobody but us has edited gets the bytes that it had before us. In other files, each definition
    of ours gets its earlier value. What the owner has edited stays, with everything that it needs.

    + record: with the baseline
    + settings: those of the last change
    + look: the host as it is
    + steps: those of the deploy, in their order
    """
    refusals = readiness.unchangeable(look, files_managed(steps))
    if refusals:
        return Plan(refusals=refusals)
    ledger = ledger_now(look, steps)
    earlier = first_seen(record.baseline, ledger)
    needed = _needed(look, ledger, earlier, steps)
    whole = _restored_whole(look, ledger, earlier, needed, steps)
    refusals = tuple(_without_copy(look, whole, ledger, earlier))
    if refusals:
        return Plan(refusals=refusals)
    draft = Draft(settings, look, ledger=ledger, discreet=True)
    draft.begin(AS_FIRST_SEEN.name)
    stays = (*_notes(look, ledger, steps), *needed.notes)
    for note in stays:
        draft.note(note)
    for file in whole:
        _restore(draft, ledger, earlier, file)
    rest = {
        file.key: [name for name in ledger.of(file.key) if (file.key, name) not in needed.definitions]
        for _, file in files_of_services(steps)
        if file not in whole
    }
    give_back(draft, steps[::-1], rest)
    _restore_modes(draft, ledger, whole, needed, steps)
    _delete_empty(draft, ledger, steps)
    return replace(plan_back(draft, steps, REMOVAL, NOTHING, _first_change(record, ledger)), stays=stays)


def _needed(look: Look, ledger: Ledger, earlier: Mapping[str, str], steps: Sequence[Step]) -> Needed:
    found = [service.needs(look, ledger, earlier) for service in services_of(steps)]
    return Needed(
        frozenset(one for needed in found for one in needed.definitions),
        frozenset(key for needed in found for key in needed.files),
        tuple(note for needed in found for note in needed.notes),
    )


def _restored_whole(
    look: Look, ledger: Ledger, earlier: Mapping[str, str], needed: Needed, steps: Sequence[Step]
) -> list[ManagedFile]:
    """The files that are restored as a whole, as they were before us."""
    found = []
    for service, file in files_of_services(steps):
        one = ledger.files.get(file.key)
        if one is None or not one.is_ours or one.is_edited or file.key in needed.in_files:
            continue
        # If the copy is missing, the definitions in the file are restored one by one.
        if file.key in earlier or not one.before.sha256 or not service.definitions.covers(file):
            found.append(file)
    if MASTER_CF not in found and MAIN_CF in found and ledger.files[MASTER_CF.key].is_edited:
        # master.cf stays in part, and may refer to parameters of main.cf.
        found.remove(MAIN_CF)
    return found


def _without_copy(
    look: Look, whole: Sequence[ManagedFile], ledger: Ledger, earlier: Mapping[str, str]
) -> Iterator[str]:
    for file in whole:
        if ledger.files[file.key].before.sha256 and file.key not in earlier:
            yield (
                f"the record's copy of {look.files[file.key].path} from before the first change is missing "
                "or damaged: restore /var/lib/smtp-auth/baseline from a backup, or move the file itself away"
            )


def _restore(draft: Draft, ledger: Ledger, earlier: Mapping[str, str], file: ManagedFile) -> None:
    one = ledger.files[file.key]
    if not one.before.sha256:
        draft.remove(file)
        return
    # If the owner has changed the file's mode since, it stays.
    mode = one.before.mode if draft.mode(file) == one.written.mode else ""
    draft.write(file, earlier[file.key], mode=mode)


def _restore_modes(
    draft: Draft, ledger: Ledger, whole: Sequence[ManagedFile], needed: Needed, steps: Sequence[Step]
) -> None:
    """Restore the mode of files that were there before us and are restored in part."""
    for service, file in files_of_services(steps):
        one, content = ledger.files.get(file.key), draft.content(file)
        if one is None or content is None or file in whole or not service.definitions.covers(file):
            continue
        if one.before.mode and draft.mode(file) == one.written.mode and file.key not in needed.in_files:
            draft.begin(one.step)
            draft.write(file, content, mode=one.before.mode)


def _delete_empty(draft: Draft, ledger: Ledger, steps: Sequence[Step]) -> None:
    """Delete files that we have added, if nothing of their owner's is left in them."""
    for service, file in files_of_services(steps):
        one, content = ledger.files.get(file.key), draft.content(file)
        if one is None or content is None or not one.is_ours or one.before.sha256:
            continue
        if service.definitions.is_empty(file, content):
            draft.begin(one.step)
            draft.remove(file)


def _notes(look: Look, ledger: Ledger, steps: Sequence[Step]) -> Iterator[str]:
    """A sentence for each file and definition that stays because its owner has edited it."""
    for service, file in files_of_services(steps):
        if service.definitions.covers(file):
            yield from _notes_of(look, ledger, service.definitions, file)
        elif look.files[file.key].content is not None and _is_edited(ledger, file):
            yield f"{look.files[file.key].path} stays, because its owner has edited it"


def _is_edited(ledger: Ledger, file: ManagedFile) -> bool:
    return file.key in ledger.files and ledger.files[file.key].is_edited


def _notes_of(look: Look, ledger: Ledger, definitions: Definitions, file: ManagedFile) -> Iterator[str]:
    present = definitions.read(file, look.files[file.key].content or "")
    theirs = {name: one for name, one in ledger.of(file.key).items() if one.is_theirs}
    parts_of = parts_in(theirs)
    within = {part for name in theirs for part in parts_of.get(name, ())}
    for name in theirs:
        if name in within:
            continue
        is_secret = not is_for_everybody(look.files[file.key].mode)
        if name in parts_of or is_secret or "\n" in present.get(name, ""):
            yield f"{name} stays, because its owner has edited it"
        elif name in present:
            yield f"{name} = {present[name]} stays, because its owner has edited it"
        elif name.rpartition("/")[0] in {"", *present}:
            yield f"{name} stays undefined, because its owner has deleted it"


def _first_change(record: Record, ledger: Ledger) -> PastChange:
    """The first live change of those whose definitions are ours now, if it is still in the record."""
    kept_by = {one.kept_by for one in ledger.files.values()}
    return next((change for change in record.live if change.name in kept_by), record.live[0])
