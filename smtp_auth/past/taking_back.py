"""Reverses an earlier change of a text, and keeps what others have edited since."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

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
    edited: list[tuple[str, ...]] = []
    told: list[Hunk] = []
    done = 0
    places = _Places(since)
    for back in hunks(new, old):
        touching = [edit for edit in places.near(back) if _touches(back, edit)]
        start, end = places.of(back.start), places.of(back.end, behind=True)
        if touching and now[start:end] != list(back.lines):
            # One edit may touch thousands of parts.
            edited.append(edited[-1] if touching == told else as_lines(new, touching))
            told = touching
            continue
        if touching:
            continue
        # Lines that were inserted directly before or after this part do not belong to it.
        start, end = places.of(back.start, behind=True), places.of(back.end)
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


class _Places:
    """Where the lines of a text are after edits.

    + edits: from top to bottom
    """

    def __init__(self, edits: Sequence[Hunk]) -> None:
        self._edits = edits
        self._starts = [edit.start for edit in edits]
        self._ends = [edit.end for edit in edits]
        # By how many lines the text has grown before each edit, and in all.
        self._grown = [0, *accumulate(edit.grows for edit in edits)]

    def near(self, back: Hunk) -> Sequence[Hunk]:
        """The edits that are in a part of the text or directly beside it."""
        return self._edits[bisect_left(self._ends, back.start) : bisect_right(self._starts, back.end)]

    def of(self, line: int, *, behind: bool = False) -> int:
        """The number of a line after the edits.

        + line: its number before them
        + behind: whether lines that were inserted directly before it count, too
        """
        before = bisect_right(self._ends, line)
        last = self._edits[before - 1] if before else None
        # Two edits never meet, so at most one inserts lines here.
        is_insertion_here = last is not None and last.start == last.end == line
        return line + self._grown[before - 1 if is_insertion_here and not behind else before]
