"""Hosts that an earlier version of this program has deployed, without a record: what it has left on them.

Version 0.1 kept a file as it was before its last change, which may have been its first: `File.previous`.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.past.original import Past
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step, files_managed
from smtp_auth.postfix.main_cf import defined_parameters, give_back
from smtp_auth.postfix.master_cf import (
    is_submissions,
    options_by_label,
    remove_service,
    services,
    set_options,
)
from smtp_auth.services.postfix.submissions_options import ASKS_DOVECOT, SAFE_RESTRICTIONS, all_options
from smtp_auth.settings import Settings

# In the first lines of the drop-in, of the table and of the hook's lines, of every version.
_MARK = re.compile(r"^# .*\bmanaged[:,] changes\b.* lost", re.MULTILINE | re.IGNORECASE)

# As the guide calls it.
_OURS = "submissions/inet"


def bears_marks(look: Look) -> bool:
    """Whether this program has been there."""
    return any(_MARK.search(file.content or "") for file in look.files.values())


def past_of(settings: Settings, look: Look, steps: Sequence[Step]) -> Past:
    """What was there before, as far as that can be told without a record.

    A parameter with the value that a deploy with these settings would write, a service with exactly its
    options and a file with our mark are taken for ours. What was there in their place is read of what was
    kept of the file, if that is from before the first change; else they are taken to have been absent.
    """
    present = {key: file.content for key, file in look.files.items()}
    bare = _bare(look, steps)
    draft = Draft(settings, bare)
    for step in steps:
        draft.begin(step.name)
        step.edit(draft)
    before = dict(present)
    before[MAIN_CF.key] = _main_cf(look, _written(steps), defined_parameters(draft.main_cf))
    before[MASTER_CF.key] = _master_cf(look, bare, settings, draft)
    for file in files_managed(steps):
        if _MARK.search(present[file.key] or ""):
            before[file.key] = None
    return Past(before, present)


def taken_for_ours(past: Past, look: Look) -> Iterator[str]:
    """What would be taken back, with its values: one line per thing."""
    before, now = (defined_parameters(one) for one in (past.before(MAIN_CF), past.after(MAIN_CF)))
    yield from _differences("", before, now)
    options = options_by_label(past.before(MASTER_CF))
    for label, its in options_by_label(past.after(MASTER_CF)).items():
        if label in options:
            yield from _differences(f"{label}/", options[label], its)
        else:
            yield f"{label} with {', '.join(f'{name}={value}' for name, value in its.items())}"
    for key, content in past.written.items():
        if content is not None and past.baseline[key] is None:
            yield look.files[key].path


def _differences(prefix: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*now, *before)):
        if before.get(name) != now.get(name):
            was = f"; before: {before[name]}" if name in before else ""
            is_now = f" = {now[name]}".rstrip() if name in now else " is not set"
            yield f"{prefix}{name}{is_now}{was}"


def _main_cf(look: Look, written: Collection[str], wrote: Mapping[str, str]) -> str:
    """main.cf before, where `wrote` is what a deploy makes of a host without ours."""
    content, earlier = look.main_cf.content or "", look.main_cf.previous or ""
    now, was = defined_parameters(content), defined_parameters(earlier)
    ours = [name for name, value in now.items() if name in written and wrote.get(name) == value]
    if _is_from_before(was, now, ours):
        # Version 0.1 commented out what it had no use for.
        ours += [name for name in was if name in written and name not in {*now, *wrote}]
    else:
        earlier = ""
    for name in ours:
        content = give_back(content, name, earlier)
    return content


def _master_cf(look: Look, bare: Look, settings: Settings, draft: Draft) -> str:
    content = look.master_cf.content or ""
    earlier = options_by_label(look.master_cf.previous or "")
    others, ours = options_by_label(bare.master_cf.content or ""), options_by_label(draft.master_cf)
    wrote = {**all_options(settings), **ASKS_DOVECOT}
    for service in [service for service in services(content) if is_submissions(service)]:
        label, now = service.label, service.effective_options
        was = earlier.get(label, {})
        names = [name for name, value in now.items() if wrote.get(name) == value]
        if label in earlier and _is_from_before(was, now, names):
            content = set_options(content, {label: {name: was.get(name) for name in names}})
        elif label not in others and now == ours.get(label):
            content = remove_service(content, label, {})
    return content


def _is_from_before(was: Mapping[str, str], now: Mapping[str, str], ours: Collection[str]) -> bool:
    """Whether a version of a file is from before our first change: most of what is ours is not in it."""
    return 2 * sum(was.get(name) == now[name] for name in ours) < len(ours)


def _written(steps: Sequence[Step]) -> frozenset[str]:
    return frozenset(name for step in steps for name in step.writes)


def _bare(look: Look, steps: Sequence[Step]) -> Look:
    """The host without anything that a deploy may write, so that its steps write all of it."""
    names = _written(steps)
    main_cf, master_cf = look.main_cf.content or "", look.master_cf.content or ""
    for name in names & defined_parameters(main_cf).keys():
        main_cf = give_back(main_cf, name, "")
    # An owner's service has a name of its own, or options that are not ours.
    if any(service.label == _OURS for service in services(master_cf)):
        master_cf = remove_service(master_cf, _OURS, {})
    files = {
        key: replace(file, content=None, mode="") if _MARK.search(file.content or "") else file
        for key, file in look.files.items()
    }
    files[MAIN_CF.key] = replace(look.main_cf, content=main_cf)
    files[MASTER_CF.key] = replace(look.master_cf, content=master_cf)
    # What Postfix itself does not know has no value unless it is defined.
    parameters = {
        name: "" if name in names else value
        for name, value in look.parameters.items()
        if name not in SAFE_RESTRICTIONS
    }
    return replace(look, files=files, parameters=parameters, listener=None)
