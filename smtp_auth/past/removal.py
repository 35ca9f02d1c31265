"""The plan that takes back all that the deploy has ever written on a host."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile, digest_of
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.past.coming_back import plan_back
from smtp_auth.past.original import Past
from smtp_auth.plan import readiness
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.step import Step, files_managed
from smtp_auth.settings import Settings

# What preview and record call it where a file comes back as a whole.
AS_FIRST_SEEN = "As first seen"


def plan_of_removal(record: Record, settings: Settings, look: Look, steps: Sequence[Step]) -> Plan:
    """What takes back all that is on record.

    A file that nobody else has edited gets the bytes that were first seen. Of the others each step takes back
    what it has written, the last step first; what an owner has edited since stays.

    + record: with the newest version of each file, and the baseline
    + settings: those of the last change
    """
    refusals = readiness.unchangeable(look)
    if refusals:
        return Plan(refusals=refusals)
    managed = files_managed(steps)
    past = _past(record, look, managed)
    draft = Draft(settings, look, discreet=True)
    draft.begin(AS_FIRST_SEEN)
    unedited = {file for file in managed if _is_unedited(record, look, past, file)}
    if MASTER_CF not in unedited:
        # It may still refer to what main.cf defines.
        unedited -= {MAIN_CF}
    for file in managed:
        if file in unedited:
            _give_back(draft, record, past, file)
    return _taken_back(draft, past, steps, record.live[0])


def _taken_back(draft: Draft, past: Past, steps: Sequence[Step], first: PastChange) -> Plan:
    for step in reversed(steps):
        draft.begin(step.name)
        step.take_back(draft, past)
    return replace(plan_back(draft, files_managed(steps), first), removes=True)


def _past(record: Record, look: Look, managed: Sequence[ManagedFile]) -> Past:
    baseline = {file.key: record.baseline.get(_path(look, file)) for file in managed}
    written = dict(baseline)
    for change in record.live:
        for entry in change.manifest["files"]:
            if entry["key"] in written:
                written[entry["key"]] = change.content_after(entry)
    return Past(baseline, written)


def _is_unedited(record: Record, look: Look, past: Past, file: ManagedFile) -> bool:
    """Whether each change found the file as the one before had left it, and it still is so."""
    digest = digest_of(past.baseline[file.key])
    for before, after in _digests(record, file):
        if before != digest:
            return False
        digest = after
    return look.files[file.key].digest == digest


def _give_back(draft: Draft, record: Record, past: Past, file: ManagedFile) -> None:
    content = past.baseline[file.key]
    if content is None:
        draft.remove(file)
        return
    written = [entry["mode"]["after"] for entry in _entries(record, file)]
    is_ours = bool(written) and draft.mode(file) == written[-1]
    mode = record.baseline_modes.get(_path(draft.look, file), "") if is_ours else ""
    draft.write(file, content, mode=mode)


def _digests(record: Record, file: ManagedFile) -> Iterator[tuple[str, str]]:
    for entry in _entries(record, file):
        yield entry["sha256"]["before"] or "", entry["sha256"]["after"] or ""


def _entries(record: Record, file: ManagedFile) -> Iterator[dict[str, Any]]:
    """What the live changes have on record of a file, the oldest first."""
    for change in record.live:
        yield from (entry for entry in change.manifest["files"] if entry["key"] == file.key)


def _path(look: Look, file: ManagedFile) -> str:
    return look.files[file.key].real_path or look.files[file.key].path
