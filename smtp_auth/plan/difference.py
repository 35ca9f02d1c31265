"""The differences between two texts, line by line."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from smtp_auth.postfix.logical_lines import split_lines

# The configuration of a mail host has some hundred lines, for which this is more than enough. The time that a
# comparison takes grows with the third power of their number if the same lines are in a text again and again.
_MOST_STEPS = 10_000_000


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
    found: list[Hunk] = []
    budget = _MOST_STEPS
    for (start, end), (new_start, new_end) in _differing(one, other):
        old, new = one[start:end], other[new_start:new_end]
        steps = _most_steps(old, new)
        if steps > budget:
            found.append(Hunk(start, end, tuple(new)))
            continue
        budget -= steps
        found += [
            Hunk(start + first, start + behind, tuple(new[new_first:new_behind]))
            for tag, first, behind, new_first, new_behind in SequenceMatcher(
                None, old, new, autojunk=False
            ).get_opcodes()
            if tag != "equal"
        ]
    return found


# Lines of a text, from the first on, up to but not including the last number.
_Span = tuple[int, int]


def _differing(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[_Span, _Span]]:
    """The parts of two texts that are to be compared line by line: one part, if that does not take too long.

    In texts that are too long for that, the lines that are in both of them once are the same ones, unless
    their order differs: only what is between them is compared.
    """
    whole = ((0, len(one)), (0, len(other)))
    trimmed = _without_equal_ends(one, other, whole)
    (start, end), (new_start, new_end) = trimmed
    if _most_steps(one[start:end], other[new_start:new_end]) <= _MOST_STEPS:
        yield trimmed
        return
    for place, new_place in (*_anchors(one, other, trimmed), (end, new_end)):
        part = _without_equal_ends(one, other, ((start, place), (new_start, new_place)))
        if part[0][0] < part[0][1] or part[1][0] < part[1][1]:
            yield part
        start, new_start = place, new_place


def _without_equal_ends(
    one: Sequence[str], other: Sequence[str], part: tuple[_Span, _Span]
) -> tuple[_Span, _Span]:
    """Two parts without the lines that are equal at their start and end: most of a file is equal."""
    (start, end), (new_start, new_end) = part
    while start < end and new_start < new_end and one[start] == other[new_start]:
        start, new_start = start + 1, new_start + 1
    while start < end and new_start < new_end and one[end - 1] == other[new_end - 1]:
        end, new_end = end - 1, new_end - 1
    return (start, end), (new_start, new_end)


def _most_steps(old: Sequence[str], new: Sequence[str]) -> int:
    """An upper bound for the work of a comparison: each pair of equal lines, for each of the equal parts."""
    count = Counter(new)
    return (len(old) + sum(count[line] for line in old)) * min(len(old), len(new))


def _anchors(one: Sequence[str], other: Sequence[str], part: tuple[_Span, _Span]) -> list[tuple[int, int]]:
    """The places of lines that are once in each of two parts, as many as are in the same order in both."""
    (start, end), (new_start, new_end) = part
    count, new_count = Counter(one[start:end]), Counter(other[new_start:new_end])
    places = {line: new_start + index for index, line in enumerate(other[new_start:new_end])}
    pairs = [
        (start + index, places[line])
        for index, line in enumerate(one[start:end])
        if count[line] == 1 and new_count[line] == 1
    ]
    # The longest sequence that increases: for each length, the pair with the smallest place that ends one.
    last: list[int] = []
    ends: list[int] = []
    before: dict[int, int] = {}
    for index, (_, place) in enumerate(pairs):
        length = bisect_left(last, place)
        last[length : length + 1], ends[length : length + 1] = [place], [index]
        if length:
            before[index] = ends[length - 1]
    found = []
    chosen = ends[-1] if ends else None
    while chosen is not None:
        found.append(pairs[chosen])
        chosen = before.get(chosen)
    return found[::-1]


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


def rewritten(lines: Sequence[str]) -> frozenset[int]:
    """Which of these lines are deleted and added again, with another line end or byte order mark.

    + lines: as from `changed_lines`

    Returns their indices.
    """
    texts = [line[1:].removeprefix("\xef\xbb\xbf").rstrip("\r\n") for line in lines]
    signs: dict[str, set[str]] = {}
    for line, text in zip(lines, texts, strict=True):
        signs.setdefault(text, set()).add(line[0])
    return frozenset(index for index, text in enumerate(texts) if len(signs[text]) > 1)
