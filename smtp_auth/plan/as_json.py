"""Plans as JSON for programs, and a digest that is equal for equal plans."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from smtp_auth.plan.draft import Edit
from smtp_auth.plan.plan import Plan

VERSION = 1


def as_json(plans: Mapping[str, Plan]) -> dict[str, Any]:
    """The plans of a fleet: `{"version": 1, "hosts": {NAME: …}}`.

    + plans: by the names of their hosts

    Bytes that are not UTF-8 are escaped (`\\xe9`).
    """
    return {"version": VERSION, "hosts": {name: host_as_json(plan) for name, plan in plans.items()}}


def difference(plan: Plan) -> str:
    """A digest of a host's changes: SHA-256 in hexadecimal.

    On hosts with the same digest, the same lines of the same files are deleted and added, and the same
    services are reloaded for the same reasons. The rest of their files may differ.
    """
    what = {
        "refusals": plan.refusals,
        "edits": [(edit.path, edit.lines, edit.mode) for edit in plan.edits],
        "reloads": [(reload.service.name, reload.reasons) for reload in plan.reloads],
        "unfinished": [service.name for service in plan.unfinished],
    }
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def digest(plan: Plan) -> str:
    """What an approval of a plan approves, as a digest: SHA-256 in hexadecimal.

    It covers the edits and the reloads that they cause: neither reloads that a renewal has made due, nor
    warnings or what is on record. So a plan that was approved is the same plan an hour later, unless the host
    or its data have changed.
    """
    what = {
        "edits": [(edit.path, edit.lines, edit.mode) for edit in plan.edits],
        "reloads": [reload.service.name for reload in plan.reloads if reload.changes],
    }
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def host_as_json(plan: Plan) -> dict[str, Any]:
    """The plan of one host: its part of `as_json`."""
    return {
        "refusals": [*map(text_of, plan.refusals)],
        "warnings": [*map(text_of, plan.warnings)],
        "notes": [{"step": note.step, "text": text_of(note.text)} for note in plan.notes],
        "edits": [_edit(edit) for edit in plan.edits],
        "files": [
            {
                "path": text_of(planned.file.path),
                "service": planned.service.name,
                "sha256": {"before": planned.file.digest or None, "after": planned.digest or None},
                "mode": {"before": planned.file.mode or None, "after": planned.mode or None},
            }
            for planned in plan.files
        ],
        "reloads": [
            {"service": reload.service.name, "reasons": [*map(text_of, reload.reasons)]}
            for reload in plan.reloads
        ],
        "unfinished": [service.name for service in plan.unfinished],
        "postconf": {name: text_of(value) for name, value in plan.expected},
        "difference": None if plan.is_empty and not plan.refusals else difference(plan),
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "step": edit.step,
        "path": text_of(edit.path),
        "lines": [text_of(line) for line in edit.lines_shown],
        "mode": {"before": edit.mode[0] or None, "after": edit.mode[1] or None} if edit.mode else None,
        "parameters": [*edit.parameters],
        "reason": edit.reason or edit.step,
    }


def text_of(text: str) -> str:
    """The text of a file, decoded as UTF-8.

    + text: the file's bytes, decoded as latin-1
    """
    return text.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")
