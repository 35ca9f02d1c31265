"""A plan as text for people, as a preview shows it."""

from collections.abc import Iterator

from smtp_auth.facts.look import LastChange
from smtp_auth.plan.draft import Edit
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.step import Part
from smtp_auth.shown import shown


def step_lines(plan: Plan, part: Part) -> list[str]:
    """The notes and edits of a step: below each path, the `-old` and `+new` lines."""
    return [*map(shown, plan.notes_of(part)), *_edit_lines(plan.edits_of(part))]


def reload_lines(plan: Plan) -> list[str]:
    """One line per service that is reloaded."""
    return [shown(f"+reload {reload.service.name}: {'; '.join(reload.reasons)}") for reload in plan.reloads]


def last_change_line(change: LastChange) -> str:
    """The last change of a host, and whether somebody has edited its files since."""
    since = (
        f"edited since: {', '.join(change.edited)}" if change.edited else "none of its files was edited since"
    )
    return f"last change {change.id} by {change.who}; {since}"


def _edit_lines(edits: tuple[Edit, ...]) -> Iterator[str]:
    path = ""
    for edit in edits:
        if edit.path != path:
            path = edit.path
            yield shown(path)
        hidden = len(edit.lines) - len(edit.lines_shown)
        if hidden:
            yield f"({hidden} lines, not shown: not everybody may read the file)"
        yield from map(_line, edit.lines_shown)
        if edit.mode:
            yield from (f"{sign}mode {mode}" for sign, mode in zip("-+", edit.mode, strict=True) if mode)


def _line(line: str) -> str:
    """A line of a file; a carriage return or a missing line end is made visible."""
    text = shown(line.removesuffix("\n"))
    return text if line.endswith("\n") else f"{text} (no line end)"
