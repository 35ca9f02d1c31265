"""Gives definitions that are ours the values that they had before us."""

from collections.abc import Collection, Mapping, Sequence

from smtp_auth.plan.draft import Draft, is_for_everybody
from smtp_auth.plan.ours import parts_of
from smtp_auth.plan.step import Step, files_of_services


def give_back(
    draft: Draft, steps: Sequence[Step], chosen: Mapping[str, Collection[str]], reason: str = ""
) -> None:
    """Let definitions be as they were when we first wrote them; a definition goes with its parts.

    What an owner has added to a definition that is deleted stays as a comment, and a note says so.

    + steps: in the order in which what they have written is given back
    + chosen: the key of a file to the names of definitions on the draft's ledger
    + reason: why; the preview says it, too
    """
    known = {step.name for step in steps}
    for step in steps:
        draft.begin(step.name)
        # master.cf before main.cf, to which it refers.
        for service, file in reversed(files_of_services(steps)):
            all_of_it, ours = draft.ledger.of(file.key), draft.ledger.ours(file.key)
            names = dict.fromkeys(
                part for name in chosen.get(file.key, ()) for part in (name, *parts_of(name, ours))
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
            for name, value in service.definitions.read(file, before).items():
                if name not in its and name not in service.definitions.read(file, content):
                    told = f"{name} = {value}" if is_for_everybody(draft.mode(file)) else name
                    draft.note(f"{told} stays as a comment: its owner has added it")
            if reason:
                draft.note(f"{', '.join(its)}: {reason}")
            draft.write(file, content, parameters=tuple(its), reason=reason)
