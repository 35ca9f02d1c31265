"""Takes an earlier change of a text back out of it, and leaves what others have edited since as it is."""

from dataclasses import dataclass

from smtp_auth.plan.difference import Hunk, as_lines, hunks
from smtp_auth.postfix.logical_lines import WHITE, ended, split_lines


@dataclass(frozen=True)
class TakenBack:
    """A text without an earlier change of it.

    + content: what it becomes; parts that cannot be taken back are as they are
    + edited: those parts, as what somebody has made of them since: lines `-old` and `+new`
    """

    content: str
    edited: tuple[tuple[str, ...], ...] = ()


def taken_back(before: str, written: str, present: str) -> TakenBack:
    """What `present` is without the change from `before` to `written`.

    What was written and stands in `present` as it was becomes what was there before. A part in which somebody
    has edited since stays, and so does one that an inserted line may belong to: a line that begins with white
    space continues the one above it.
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
        # An insertion at either end is not of this part.
        start, end = _place(since, back.start, behind=True), _place(since, back.end)
        lines += now[done:start] + list(back.lines)
        done = max(end, start)
    lines += now[done:]
    # Lines are compared as if the last one had an end, too.
    had, wrote, has = (ended(text) == text for text in (before, written, present))
    has_end = has if had == wrote or wrote != has else (had or lines[-1:] != old[-1:])
    content = "".join(lines)
    return TakenBack(content if has_end else content.removesuffix("\n").removesuffix("\r"), tuple(edited))


def _touches(back: Hunk, edit: Hunk) -> bool:
    """Whether an edit is in what would go, or on a side of what would come back that nobody can tell."""
    if edit.start == edit.end and back.start != back.end:
        return back.start < edit.start < back.end or (edit.start == back.end and _continues(edit.lines))
    if back.start == back.end:
        return edit.start <= back.start <= edit.end
    return edit.start < back.end and back.start < edit.end


def _continues(lines: tuple[str, ...]) -> bool:
    """Whether lines continue what stands above: the first but for comments and empty ones is indented."""
    for line in lines:
        text = line.strip(WHITE)
        if text and not text.startswith("#"):
            return line[0] in WHITE
    return False


def _place(edits: list[Hunk], line: int, *, behind: bool = False) -> int:
    """Where a line of the text before the edits is after them.

    + behind: behind what was inserted in front of it
    """
    place = line
    for edit in edits:
        is_insertion_here = edit.start == edit.end == line
        if (edit.end <= line and not is_insertion_here) or (is_insertion_here and behind):
            place += edit.grows
    return place
