"""Reverses an earlier change of a text, and keeps what others have edited since."""

from dataclasses import dataclass

from smtp_auth.plan.difference import Hunk, as_lines, hunks
from smtp_auth.postfix.logical_lines import WHITE, ended, split_lines


@dataclass(frozen=True)
class TakenBack:
    """A text after an earlier change of it was reversed.

    + content: the text; parts that could not be reversed stay
    + edited: these parts, as the edits that somebody has made in them since: lines `-old` and `+new`
    """

    content: str
    edited: tuple[tuple[str, ...], ...] = ()


def taken_back(before: str, written: str, present: str) -> TakenBack:
    """Reverse the change from `before` to `written` in `present`.

    Each part of the change that nobody has edited since gets its earlier lines. A part stays if somebody has
    edited in it since, or has inserted a line behind it that may belong to it: a line that begins with white
    space continues the line above it.

    + before, written: the text before and after the change
    + present: the text now
    """
    old, new, now = (split_lines(ended(text)) for text in (before, written, present))
    since = hunks(new, now)
    lines: list[str] = []
    edited = []
    done = 0
    for back in hunks(new, old):
        touching = [edit for edit in since if _touches(back, edit)]
        start, end = _place(since, back.start), _place(since, back.end, behind=True)
        if touching and now[start:end] != list(back.lines):
            edited.append(as_lines(new, touching))
            continue
        if touching:
            continue
        # Lines that were inserted directly before or after this part do not belong to it.
        start, end = _place(since, back.start, behind=True), _place(since, back.end)
        lines += now[done:start] + list(back.lines)
        done = max(end, start)
    lines += now[done:]
    # The comparison above added a line end to each text that has none.
    had, wrote, has = (ended(text) == text for text in (before, written, present))
    has_end = has if had == wrote or wrote != has else (had or lines[-1:] != old[-1:])
    content = "".join(lines)
    return TakenBack(content if has_end else content.removesuffix("\n").removesuffix("\r"), tuple(edited))


def _touches(back: Hunk, edit: Hunk) -> bool:
    """Whether an edit is in lines that would be deleted, or directly beside the place of lines to restore.

    In the second case it is unknown on which side of the edit these lines belong.
    """
    if edit.start == edit.end and back.start != back.end:
        return back.start < edit.start < back.end or (edit.start == back.end and _continues(edit.lines))
    if back.start == back.end:
        return edit.start <= back.start <= edit.end
    return edit.start < back.end and back.start < edit.end


def _continues(lines: tuple[str, ...]) -> bool:
    """Whether lines continue the line above: the first that is no comment and not empty is indented."""
    for line in lines:
        text = line.strip(WHITE)
        if text and not text.startswith("#"):
            return line[0] in WHITE
    return False


def _place(edits: list[Hunk], line: int, *, behind: bool = False) -> int:
    """The number of a line after the edits.

    + line: its number before them
    + behind: whether lines that were inserted directly before it count, too
    """
    place = line
    for edit in edits:
        is_insertion_here = edit.start == edit.end == line
        if (edit.end <= line and not is_insertion_here) or (is_insertion_here and behind):
            place += edit.grows
    return place
