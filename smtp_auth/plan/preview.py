"""A plan as text for people and as JSON for programs, and a digest by which equal ones are found."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from smtp_auth.facts.look import LastChange
from smtp_auth.plan.draft import Edit
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.step import Step
from smtp_auth.shown import shown

VERSION = 1


def step_lines(plan: Plan, step: Step) -> list[str]:
    """What a step does to the host: notes, and below each path the `-old` and `+new` lines."""
    return [*map(shown, plan.notes_of(step)), *_edit_lines(plan.edits_of(step))]


def reload_lines(plan: Plan) -> list[str]:
    """One line per service that is reloaded."""
    return [shown(f"+reload {reload.service}: {'; '.join(reload.reasons)}") for reload in plan.reloads]


def last_change_line(change: LastChange) -> str:
    """What the last change of a host was, and whether somebody has edited since."""
    since = f"edited since: {', '.join(change.edited)}" if change.edited else "nothing of it was edited since"
    return f"last change {change.id} by {change.who}; {since}"


def as_json(plans: Mapping[str, Plan]) -> dict[str, Any]:
    """The plans of a fleet for programs: `{"version": 1, "hosts": {NAME: …}}`.

    Bytes that are not UTF-8 are escaped (`\\xe9`).
    """
    return {"version": VERSION, "hosts": {name: host_as_json(plan) for name, plan in plans.items()}}


def difference(plan: Plan) -> str:
    """A digest of what changes on the host, whatever else its files hold.

    Hosts with the same digest lose and gain the same lines of the same files, and are reloaded for the
    same reasons. SHA-256 in hexadecimal.
    """
    what = {
        "refusals": plan.refusals,
        "edits": [(edit.path, edit.lines, edit.mode) for edit in plan.edits],
        "reloads": [(reload.service, reload.reasons) for reload in plan.reloads],
        "unfinished": plan.unfinished,
    }
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _edit_lines(edits: tuple[Edit, ...]) -> Iterator[str]:
    path = ""
    for edit in edits:
        if edit.path != path:
            path = edit.path
            yield shown(path)
        if edit.private:
            yield f"({len(edit.lines)} lines, not shown: not everybody may read the file)"
        else:
            yield from map(_line, edit.lines)
        if edit.mode:
            yield from (f"{sign}mode {mode}" for sign, mode in zip("-+", edit.mode, strict=True) if mode)


def _line(line: str) -> str:
    """A line of a file; a carriage return or a missing line end shows."""
    text = shown(line.removesuffix("\n"))
    return text if line.endswith("\n") else f"{text} (no line end)"


def host_as_json(plan: Plan) -> dict[str, Any]:
    """One host's part of it."""
    return {
        "refusals": [*map(text_of, plan.refusals)],
        "warnings": [*map(text_of, plan.warnings)],
        "notes": [{"step": note.step, "text": text_of(note.text)} for note in plan.notes],
        "edits": [_edit(edit) for edit in plan.edits],
        "files": [
            {
                "path": text_of(planned.file.path),
                "service": planned.service,
                "sha256": {"before": planned.file.digest or None, "after": planned.digest or None},
                "mode": {"before": planned.file.mode or None, "after": planned.mode or None},
            }
            for planned in plan.files
        ],
        "reloads": [
            {"service": reload.service, "reasons": [*map(text_of, reload.reasons)]} for reload in plan.reloads
        ],
        "unfinished": [*plan.unfinished],
        "postconf": {name: text_of(value) for name, value in plan.expected},
        "difference": None if plan.is_empty and not plan.refusals else difference(plan),
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "step": edit.step,
        "path": text_of(edit.path),
        "lines": [] if edit.private else [text_of(line) for line in edit.lines],
        "mode": {"before": edit.mode[0] or None, "after": edit.mode[1] or None} if edit.mode else None,
        "parameters": [*edit.parameters],
        "reason": edit.reason or edit.step,
    }


def text_of(text: str) -> str:
    """A file's text, which is held as latin-1, as the text that its bytes stand for."""
    return text.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")
