"""The differences between two texts, line by line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from smtp_auth.postfix.logical_lines import split_lines

# Lines. The configuration of a mail host has some hundred.
_LONG = 2_000


@dataclass(frozen=True)
class Hunk:
    """Lines of a text that are replaced by `lines`: from `start` on, up to but not including `end`."""

    start: int
    end: int
    lines: tuple[str, ...]

    @property
    def grows(self) -> int:
        """How many lines longer the text becomes; negative if it becomes shorter."""
        return len(self.lines) - (self.end - self.start)


def hunks(one: Sequence[str], other: Sequence[str]) -> list[Hunk]:
    """The changes that turn the lines of one text into those of another, from top to bottom."""
    # Equal lines at the start and the end are skipped first, because most of a file is equal: this stays fast
    # for long files.
    shorter = min(len(one), len(other))
    same = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    shorter -= same
    end = next((index for index in range(shorter) if one[-1 - index] != other[-1 - index]), shorter)
    old, new = one[same : len(one) - end], other[same : len(other) - end]
    # In long texts, lines that are repeated often would be compared each with each.
    is_long = len(new) > _LONG
    return [
        Hunk(same + start, same + stop, tuple(new[new_start:new_stop]))
        for tag, start, stop, new_start, new_stop in SequenceMatcher(
            None, old, new, autojunk=is_long
        ).get_opcodes()
        if tag != "equal"
    ]


def as_lines(one: Sequence[str], changes: Iterable[Hunk]) -> tuple[str, ...]:
    """The lines of a text that are deleted (`-`) and added (`+`), in order, with their line ends."""
    lines: list[str] = []
    for change in changes:
        lines += [f"-{line}" for line in one[change.start : change.end]]
        lines += [f"+{line}" for line in change.lines]
    return tuple(lines)


def changed_lines(before: str, after: str) -> tuple[str, ...]:
    """The lines that are deleted (`-`) and added (`+`), in order, with their line ends."""
    lines = split_lines(before)
    return as_lines(lines, hunks(lines, split_lines(after)))
