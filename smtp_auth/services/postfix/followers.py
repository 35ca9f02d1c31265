"""Which settings of the owner change their values because they refer to a parameter that a plan changes."""

from collections import ChainMap
from collections.abc import Iterator

from smtp_auth.facts.look import MASTER_CF
from smtp_auth.plan.draft import Draft
from smtp_auth.postfix.lists import expanded, references
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services
from smtp_auth.services.postfix.references import settings_in


def follow(draft: Draft) -> None:
    """Note each setting of the owner whose value changes with a parameter of main.cf."""
    present, coming = (defined_parameters(text) for text in (draft.look.main_cf.content or "", draft.main_cf))
    changed = {name for name in {*present, *coming} if present.get(name) != coming.get(name)}
    if not changed:
        return
    known = {name: value for name, value in draft.look.parameters.items() if name not in changed}
    ours = {*draft.ledger.ours(MASTER_CF.key)} | {name for key, name in draft.claimed if key == MASTER_CF.key}
    # As these have thousands of entries, they are not made again for each setting.
    before, after = ({**dict.fromkeys(changed, ""), **known, **one} for one in (present, coming))
    unchanged = {key: text for key, text in {**known, **coming}.items() if key not in changed}
    for name, value, own in _settings(draft, changed, ours):
        others = {key: text for key, text in own.items() if key not in changed}
        reached = sorted(changed & references(expanded(value, ChainMap(others, unchanged))))
        if reached and expanded(value, ChainMap(own, before)) != expanded(value, ChainMap(own, after)):
            text = f"{name} refers to {', '.join(reached)}, so it changes, too"
            draft.note_beside(reached[0], text)


def _settings(draft: Draft, changed: set[str], ours: set[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The owner's settings that are not edited: name, value, and the options that override main.cf."""
    look = draft.look
    before = settings_in(look.main_cf.content or "", look.master_cf.content or "")
    options = {one.label: one.effective_options for one in services(draft.master_cf)}
    for name, value in settings_in(draft.main_cf, draft.master_cf).items():
        if name not in changed and name not in ours and before.get(name) == value:
            yield name, value, options.get(name.rpartition("/")[0], {})
