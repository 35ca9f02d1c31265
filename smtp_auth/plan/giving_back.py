"""Restores the values that definitions had before we wrote them."""

from collections.abc import Collection, Mapping, Sequence

from smtp_auth.plan.draft import Draft, is_for_everybody
from smtp_auth.plan.ours import parts_in
from smtp_auth.plan.step import Step, files_of_services


def give_back(
    draft: Draft, steps: Sequence[Step], chosen: Mapping[str, Collection[str]], reason: str = ""
) -> None:
    """Restore definitions, with their parts, as they were before we first wrote them.

    If a definition is deleted, what its owner has added to it remains as comments, and a note says so.

    + steps: in the order in which their definitions are restored
    + chosen: the key of a file to the names of definitions in the draft's ledger
    + reason: the reason for the edits, which the preview shows, too
    """
    known = {step.name for step in steps}
    for step in steps:
        draft.begin(step.name)
        # master.cf first, because it refers to parameters of main.cf.
        for service, file in reversed(files_of_services(steps)):
            all_of_it, parts_of = draft.ledger.of(file.key), parts_in(draft.ledger.ours(file.key))
            names = dict.fromkeys(
                part for name in chosen.get(file.key, ()) for part in (name, *parts_of.get(name, ()))
            )
            its = {
                name: one
                for name, one in ((name, all_of_it[name]) for name in names)
                if one.step == step.name or (step is steps[0] and one.step not in known)
            }
            if not its:
                continue
            before = draft.content(file) or ""
            content = service.definitions.restored(file, before, its)
            left = service.definitions.read(file, content)
            for name, value in service.definitions.read(file, before).items():
                if name not in its and name not in left:
                    told = f"{name} = {value}" if is_for_everybody(draft.mode(file)) else name
                    draft.note(f"{told} remains as a comment, because its owner has added it")
            if reason:
                draft.note(f"{', '.join(its)}: {reason}")
            draft.write(file, content, parameters=tuple(its), reason=reason)
