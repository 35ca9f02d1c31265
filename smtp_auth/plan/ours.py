"""Compares a look with its ledger: what is ours on the host, and what its owner has edited since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from smtp_auth.facts.ledger import NOTHING, Definition, Ledger, LedgerFile, Version
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.service import Definitions
from smtp_auth.plan.step import Step, files_of_services
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters

_POSTFIX = (MAIN_CF.key, MASTER_CF.key)


def ledger_now(look: Look, steps: Sequence[Step]) -> Ledger:
    """The ledger, with everything marked as the owner's that the owner has edited since the last change.

    If the owner has renamed a definition, it has its new name. A definition that the owner has restored as it
    was before us is not in the ledger any more.

    + steps: those of the deploy

    Raises `ValueError` if the definitions in a file cannot be read.
    """
    files, definitions = {}, {}
    for service, file in files_of_services(steps):
        entry = _file_now(look, file)
        if entry:
            files[file.key] = entry
        if service.definitions.covers(file):
            content = look.files[file.key].content or ""
            definitions[file.key] = _compared(look.ledgers, service.definitions, file, content)
    return _ledger(files, definitions)


def without_ours(look: Look, ledger: Ledger, steps: Sequence[Step]) -> Look:
    """The look without what we have written. The steps decide by this one.

    Parameters and options have the values that they would have without us. A service that we have added is
    still there, without our options, and `Look.own_services` names it. `Look.edited` and `Look.taken_over`
    say what else of ours is there. Files without definitions stay as they are.

    + ledger: from `ledger_now`
    + steps: those of the deploy
    """
    files, own = {**look.files}, set()
    referenced = _referenced(look, ledger, steps)
    for service, file in files_of_services(steps):
        ours = {name: one for name, one in ledger.ours(file.key).items() if name not in referenced}
        if not ours:
            continue
        whole = ours.keys() & parts_in(ours).keys()
        own |= whole
        rest = {name: one for name, one in ours.items() if name not in whole}
        content = service.definitions.restored(file, look.files[file.key].content or "", rest)
        files[file.key] = replace(look.files[file.key], content=content)
    known = {**look.parameters}
    parameters = {name: one for name, one in ledger.ours(MAIN_CF.key).items() if name not in referenced}
    for name, one in parameters.items():
        known.pop(name, None)
        if one.effective is not None:
            known[name] = one.effective
    # What a `$name` in an earlier value stands for may have changed since.
    definitions = {**known, **defined_parameters(files[MAIN_CF.key].content or "")}
    for name, one in parameters.items():
        value = expanded(one.before or "", definitions)
        if one.before is not None and name in known and "$" not in value:
            known[name] = value
    return replace(
        look,
        files=files,
        parameters=known,
        own_services=frozenset(own),
        ours={
            name: one.written
            for key in (MAIN_CF.key, MASTER_CF.key)
            for name, one in ledger.ours(key).items()
        },
        edited=referenced.union(name for name, one in ledger.of(MAIN_CF.key).items() if one.is_theirs),
        taken_over=_taken_over(ledger),
    )


def _referenced(look: Look, ledger: Ledger, steps: Sequence[Step]) -> frozenset[str]:
    """What we have taken over, and a setting of the owner refers to.

    If the owner has edited a service of ours, it is theirs, and so must its list in a `$name` be.
    """
    taken = {name for key in ledger.definitions for name, one in ledger.ours(key).items() if one.source}
    if not taken:
        return frozenset()
    theirs = [
        service.definitions.references(value)
        for service, file in files_of_services(steps)
        if service.definitions.covers(file)
        for ours in [ledger.ours(file.key)]
        for name, value in service.definitions.read(file, look.files[file.key].content or "").items()
        if name not in ours
    ]
    return frozenset(taken.intersection(set[str]().union(*theirs)))


def _taken_over(ledger: Ledger) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key in ledger.definitions:
        for name, one in ledger.ours(key).items():
            if one.source and one.written is not None:
                found.setdefault(one.source, {})[name] = one.written
    return found


def ledger_after(draft: Draft, steps: Sequence[Step]) -> Ledger:
    """The ledger after a deploy; empty if nothing will be ours.

    + draft: with the edits of the deploy
    + steps: those of the deploy
    """
    files, definitions = {}, {}
    for service, file in files_of_services(steps):
        files[file.key] = _file_after(draft, service.definitions, file)
        if service.definitions.covers(file):
            definitions[file.key] = _definitions_after(draft, service.definitions, file)
    ledger = _ledger(files, definitions)
    return NOTHING if ledger.is_empty else ledger


def ledger_undone(before: Ledger, written: Mapping[str, str], draft: Draft, steps: Sequence[Step]) -> Ledger:
    """The ledger after an undo: what was ours before the changes that are undone; empty if that is nothing.

    + before: the ledger from before the first of these changes
    + written: each file as these changes have written it last, by its key
    + draft: with the edits of the undo
    + steps: those of the deploy
    """
    files, definitions = {}, {}
    for service, file in files_of_services(steps):
        one, content = before.files.get(file.key), draft.content(file)
        if one:
            files[file.key] = one if one.written == _version(draft, file) else replace(one, is_edited=True)
        set_since = _set_since(written, service.definitions, file, draft)
        ones = _compared((before,), service.definitions, file, content or "")
        definitions[file.key] = {
            name: one for name, one in ones.items() if one.is_theirs or name not in set_since
        }
    ledger = _ledger(files, definitions)
    return NOTHING if ledger.is_empty else ledger


# A service of master.cf has two words, NAME/TYPE, and an option of it three.
_MOST_WORDS = 3


def parts_in(definitions: Iterable[str]) -> dict[str, list[str]]:
    """The definitions that have parts, each to their names.

    `submissions/inet/syslog_name` is a part of `submissions/inet`.
    """
    parts: dict[str, list[str]] = {}
    for name in definitions:
        words = name.split("/", _MOST_WORDS)
        for number in range(1, len(words)):
            parts.setdefault("/".join(words[:number]), []).append(name)
    return parts


def _ledger(files: Mapping[str, LedgerFile], definitions: Mapping[str, Mapping[str, Definition]]) -> Ledger:
    return Ledger(files, {key: ones for key, ones in definitions.items() if ones})


def _file_now(look: Look, file: ManagedFile) -> LedgerFile | None:
    found = [ledger.files[file.key] for ledger in look.ledgers if file.key in ledger.files]
    digest = look.files[file.key].digest
    for one in found:
        if one.written.sha256 == digest:
            return one
    return replace(found[-1], is_edited=True) if found else None


def _compared(
    ledgers: Sequence[Ledger], definitions: Definitions, file: ManagedFile, content: str
) -> dict[str, Definition]:
    """The definitions of a file in several ledgers, the likeliest first. Edited ones become the owner's."""
    present = definitions.read(file, content)
    found: dict[str, Definition] = {}
    were_ours = set()
    for ledger in ledgers:
        names = definitions.renamed(file, ledger.ours(file.key), present)
        for old, one in ledger.of(file.key).items():
            name = names.get(old, old)
            is_ours = not one.is_theirs and present.get(name) == one.written
            # What an unfinished change has not written yet is not edited.
            if name not in found and (is_ours or ledger is ledgers[-1]):
                were_ours |= set() if one.is_theirs else {name}
                found[name] = replace(one, is_theirs=not is_ours)
    parts_of = parts_in(found)
    for name in were_ours:
        parts = parts_of.get(name)
        if parts and any(found[part].is_theirs for part in (name, *parts)):
            found.update({part: replace(found[part], is_theirs=True) for part in (name, *parts)})
    return {
        name: one for name, one in found.items() if not (one.is_theirs and present.get(name) == one.before)
    }


def _set_since(
    written: Mapping[str, str], definitions: Definitions, file: ManagedFile, draft: Draft
) -> set[str]:
    """The definitions that the owner has set since, to what the undo would have restored."""
    if file.key not in written:
        return set()
    texts = (draft.look.files[file.key].content or "", draft.content(file) or "", written[file.key])
    present, coming, left = (definitions.read(file, text) for text in texts)
    return {name for name in present if present[name] == coming.get(name) and present[name] != left.get(name)}


def _definitions_after(draft: Draft, definitions: Definitions, file: ManagedFile) -> dict[str, Definition]:
    now, content = draft.ledger.of(file.key), draft.look.files[file.key].content or ""
    present = definitions.read(file, content)
    coming = definitions.read(file, draft.content(file) or "")
    steps = _steps_of(draft, file)
    found = {}
    names = dict.fromkeys((*now, *present, *coming))
    for name in [name for name in names if (file.key, name) not in draft.disowned]:
        one, value = now.get(name), coming.get(name)
        kept = one.source if one and (file.key, name) not in draft.claimed else ""
        source = draft.sources.get((file.key, name), kept)
        if value == present.get(name):
            if one:
                found[name] = one if one.is_theirs else replace(one, source=source)
            continue
        if one is None or one.is_theirs:
            effective = draft.look.parameters.get(name) if file == MAIN_CF else None
            theirs = definitions.restored(file, content, {name: one}) if one else content
            lines = definitions.lines(file, theirs, name)
            one = Definition(present.get(name), value, lines, effective)
        if value != one.before:
            found[name] = replace(
                one, written=value, step=_step_of(name, steps, one.step), source=source, is_theirs=False
            )
    return found


def _file_after(draft: Draft, definitions: Definitions, file: ManagedFile) -> LedgerFile:
    path, before, after = draft.look.files[file.key].real_path, _seen(draft, file), _version(draft, file)
    one = draft.ledger.files.get(file.key)
    # If its owner has edited a whole file of ours, that version counts as the one from before us.
    if one is None or (one.is_edited and not definitions.covers(file)):
        one = LedgerFile(path, before, before)
    steps = _steps_of(draft, file)
    return replace(one, written=after, step=next(reversed(steps.values()), one.step))


def _steps_of(draft: Draft, file: ManagedFile) -> dict[str, str]:
    """The name of each edited definition, to the name of the step that edited it last."""
    path = draft.look.files[file.key].path
    edits = [edit for edit in draft.edits if edit.path == path]
    return {name: edit.step for edit in edits for name in edit.parameters or ("",)}


def _step_of(name: str, steps: Mapping[str, str], otherwise: str) -> str:
    within = (step for part, step in steps.items() if part.startswith(f"{name}/"))
    return steps.get(name) or next(within, steps.get("", otherwise))


def _seen(draft: Draft, file: ManagedFile) -> Version:
    found = draft.look.files[file.key]
    return Version(found.digest, found.mode)


def _version(draft: Draft, file: ManagedFile) -> Version:
    return Version(draft.digest(file), draft.mode(file))
