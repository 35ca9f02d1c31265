"""A plan as text for people, as a preview shows it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from smtp_auth.facts.look import LastChange, Look
from smtp_auth.plan.draft import Edit
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.step import Part
from smtp_auth.shown import shown


@dataclass(frozen=True)
class Block:
    """Lines of a preview that belong together.

    + path: the file that they are about; empty for what is said of no file
    + lines: `-old` and `+new` lines of the file, or sentences
    """

    path: str
    lines: tuple[str, ...]


def plan_blocks(plan: Plan, parts: Iterable[Part]) -> tuple[Block, ...]:
    """All of a plan, in the order of its steps; the reloads are the last block.

    + parts: the steps of a deploy, in their order; or the parts of another kind of change
    """
    blocks = [block for part in parts for block in _blocks_of(plan, part)]
    reloads = tuple(reload_lines(plan))
    return (*blocks, Block("", reloads)) if reloads else tuple(blocks)


def step_lines(plan: Plan, part: Part) -> list[str]:
    """The notes and edits of a step: below each path, the `-old` and `+new` lines."""
    return [line for block in _blocks_of(plan, part) for line in (block.path, *block.lines) if line]


def reload_lines(plan: Plan) -> list[str]:
    """One line per service that is reloaded."""
    return [shown(f"+reload {reload.service.name}: {'; '.join(reload.reasons)}") for reload in plan.reloads]


def last_change_line(change: LastChange) -> str:
    """The last change of a host, and whether somebody has edited its files since."""
    since = (
        f"edited since: {', '.join(change.edited)}" if change.edited else "none of its files was edited since"
    )
    return f"last change {change.id} by {change.who}; {since}"


def proof_due_line(plan: Plan, look: Look) -> str:
    """What a deploy proves once although it changes nothing (`Plan.to_prove`); empty if it proves nothing."""
    services = " and ".join(service.name for service in plan.to_prove(look))
    return (
        f"nothing would change; a deploy proves once that {services} work, which was not proved since they "
        "were started or changed"
        if services
        else ""
    )


def _blocks_of(plan: Plan, part: Part) -> Iterator[Block]:
    notes = tuple(map(shown, plan.notes_of(part)))
    if notes:
        yield Block("", notes)
    for path, edits in groupby(plan.edits_of(part), lambda edit: edit.path):
        yield Block(shown(path), tuple(_edit_lines(edits)))


def _edit_lines(edits: Iterable[Edit]) -> Iterator[str]:
    for edit in edits:
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
