"""Takes back what a deploy has ever written: parameter by parameter, option by option, or a file of ours.

What an owner has edited since stays, and is named.
"""

from collections.abc import Callable, Iterable

from smtp_auth.facts.look import MAIN_CF, MASTER_CF, ManagedFile
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.original import Original
from smtp_auth.postfix.main_cf import defined_parameters, give_back
from smtp_auth.postfix.master_cf import Service, options_by_label, remove_service, services


def take_back_parameters(draft: Draft, original: Original, names: Iterable[str]) -> None:
    """Let parameters of main.cf be defined as they were before the first change."""
    before, wrote = (defined_parameters(text) for text in (original.before(MAIN_CF), original.after(MAIN_CF)))
    for name in names:
        now = defined_parameters(draft.main_cf).get(name)
        if before.get(name) == wrote.get(name) or now == before.get(name):
            continue
        if now != wrote.get(name):
            _tell(draft, name, now)
        elif f"${name}" in draft.master_cf or f"${{{name}}}" in draft.master_cf:
            draft.note(f"{name} stays: {draft.look.master_cf.path} refers to it")
        else:
            content = give_back(draft.main_cf, name, original.before(MAIN_CF))
            draft.write(MAIN_CF, content, parameters=(name,))


def take_back_options(
    draft: Draft, original: Original, concerns: Callable[[Service], bool], names: Iterable[str] = ()
) -> None:
    """Let options of services in master.cf be as they were before the first change.

    A service that a change has brought goes; what an owner has added to it since stays as a comment.

    + concerns: which services
    + names: which of their options; none: all
    """
    before, wrote = options_by_label(original.before(MASTER_CF)), options_by_label(original.after(MASTER_CF))
    for service in [service for service in services(draft.master_cf) if concerns(service)]:
        label, now = service.label, service.effective_options
        if label not in wrote:
            continue
        if label not in before:
            theirs = {name: value for name, value in now.items() if wrote[label].get(name) != value}
            for name, value in theirs.items():
                draft.note(f"{label}/{name} = {value} stays as a comment: it was edited since")
            draft.write(MASTER_CF, remove_service(draft.master_cf, label, theirs), parameters=(label,))
            continue
        wanted: dict[str, str | None] = {}
        for name in dict.fromkeys((*before[label], *wrote[label])):
            was, ours = before[label].get(name), wrote[label].get(name)
            if (names and name not in names) or was == ours or now.get(name) == was:
                continue
            if now.get(name) == ours:
                wanted[name] = was
            else:
                _tell(draft, f"{label}/{name}", now.get(name))
        if wanted:
            draft.set_options({label: wanted})


def take_back_file(draft: Draft, original: Original, file: ManagedFile) -> None:
    """Let a file of ours be as it was before the first change."""
    before, now = original.baseline.get(file.key), draft.content(file)
    wrote = original.written.get(file.key)
    if wrote == before or now in (None, before):
        return
    if now != wrote:
        draft.note(f"{draft.look.files[file.key].path} stays: it was edited since")
    elif before is None:
        draft.remove(file)
    else:
        draft.write(file, before)


def _tell(draft: Draft, name: str, value: str | None) -> None:
    draft.note(f"{name} stays {'unset' if value is None else f'= {value}'.rstrip()}: it was edited since")
