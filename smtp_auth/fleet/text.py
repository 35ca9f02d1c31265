"""Plans of a fleet as lines for people: each different plan once, with the names of its hosts."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

from smtp_auth.facts.hold import Hold, hold_line, without_time
from smtp_auth.fleet.console import EMPTY, Line, Style, rows
from smtp_auth.fleet.names import in_order
from smtp_auth.fleet.planning import TROUBLE, WITHOUT_PLAN, HostPlan, State, Took
from smtp_auth.plan.text import Block, last_change_line
from smtp_auth.shown import counted, shown, shown_name, shown_words, some_names

Key = TypeVar("Key", bound=Hashable)

# From so many hosts on, a plan may be an overview of at most so many lines.
_MANY_HOSTS, _MOST_LINES = 20, 60

# If nothing else helps, so many of them are for plans, for warnings, and for what is wrong.
_SHARES = (22, 10, 18)

# How many lines in a row that a file gets are shown in an overview.
_SOME_ADDED = 4

# Of last changes that nobody has edited since, so many are shown for one plan.
_SOME_CHANGES = 3

MARGIN = "    "
_HANGING = len(MARGIN) + 2

_LEFT_OUT = Line("Lines are left out: -v shows all of them, and --json FILE has them, too.")

Shorten = Callable[[Iterable[Block]], Iterator[Line]]


def plan_lines(
    found: Mapping[str, HostPlan], *, is_whole: bool, width: int | None = None, beside: int = 0
) -> list[Line]:
    """The plans of a fleet, the warnings, and which hosts have no plan, and why.

    + found: the plans by the names of the hosts
    + is_whole: whether every line is shown; if not, and there are many hosts, the plans are an overview
    + width: of the terminal that shows them, in columns; `None`: it is none, and wraps no line
    + beside: how many lines of an overview are needed for something else
    """
    ways = (_whole,) if is_whole or len(found) < _MANY_HOSTS else (_whole, _with_few_added, _counted)
    for shorten in ways:
        kinds = _kinds(found, shorten)
        lines = [line for groups in kinds for group in groups for line in group]
        lines += () if shorten is _whole else (_LEFT_OUT, EMPTY)
        if len(ways) == 1 or height(lines, width) + beside <= _MOST_LINES:
            return lines
    shares = zip(kinds, _SHARES, strict=True)
    return [
        *(line for groups, share in shares for line in _some(groups, share - beside // len(kinds), width)),
        _LEFT_OUT,
        EMPTY,
    ]


def height(lines: Iterable[Line], width: int | None) -> int:
    """How many lines of a terminal these are. + width: its columns; `None`: it wraps no line"""
    return sum(1 if width is None else len([*rows(line, width)]) for line in lines)


def _some(groups: Sequence[Sequence[Line]], most: int, width: int | None) -> Iterator[Line]:
    """The first groups, in at most so many lines, and how many groups there are besides."""
    # For the line about the others, and the one below it.
    most -= 2
    for index, group in enumerate(groups):
        if height(group, width) > most:
            yield from _first_lines(group, most, width) if not index else ()
            others = len(groups) - max(index, 1)
            yield from [Line(f"{others} more like this on other hosts"), EMPTY] if others else [EMPTY]
            return
        most -= height(group, width)
        yield from group


def _first_lines(lines: Sequence[Line], most: int, width: int | None) -> Iterator[Line]:
    for line in lines:
        most -= height([line], width)
        if most < 0:
            return
        yield line


def counts_line(found: Mapping[str, HostPlan]) -> Line:
    """How many hosts have which state."""
    states = [one.state for one in found.values()]
    words = ", ".join(f"{states.count(state)} {state.value}" for state in State if state in states)
    return Line(f"{counted(len(found), 'host')}: {words}", Style.TITLE, under=len(MARGIN))


def grouped(values: Mapping[str, Key]) -> list[tuple[list[str], Key]]:
    """Hosts with the same value together, the largest group first; each with its names, sorted.

    + values: by the names of the hosts
    """
    groups: dict[Key, list[str]] = {}
    for name in in_order(values):
        groups.setdefault(values[name], []).append(name)
    return sorted(((names, key) for key, names in groups.items()), key=lambda group: -len(group[0]))


def titled(what: str, names: Sequence[str], style: Style = Style.TITLE) -> Line:
    """The line above what some hosts have in common."""
    many = f" on {counted(len(names), 'host')}" if len(names) > 1 else ""
    return Line(f"{what}{many}: {some_hosts(names)}", style, under=len(MARGIN))


def some_hosts(names: Sequence[str]) -> str:
    """The names of hosts in a sentence: at most two, and how many more there are."""
    return some_names([*map(shown_name, names)])


def _sentences(texts: Iterable[str]) -> Iterator[Line]:
    """Sentences below a title, escaped."""
    yield from (Line(MARGIN + shown(text), under=_HANGING) for text in texts)


def _kinds(found: Mapping[str, HostPlan], shorten: Shorten) -> tuple[list[list[Line]], ...]:
    """Groups of lines, each about some hosts: plans, warnings, and why hosts have no plan: held ones last."""
    return [*_plans(found, shorten)], [*_warnings(found)], [*_troubles(found), *_held(found)]


def _troubles(found: Mapping[str, HostPlan]) -> Iterator[list[Line]]:
    for state in TROUBLE:
        reasons = {name: one.reasons for name, one in found.items() if one.state is state}
        for names, ones in grouped(reasons):
            yield [titled(state.value, names, Style.TROUBLE), *_sentences(ones), EMPTY]


def _held(found: Mapping[str, HostPlan]) -> Iterator[list[Line]]:
    for lines in held_lines({name: one.hold for name, one in found.items() if one.hold}):
        yield [*lines, EMPTY]


def held_lines(holds: Mapping[str, Hold]) -> Iterator[list[Line]]:
    """The holds that are in force, the same ones of several hosts together. + holds: by the hosts' names"""
    for names, _ in grouped({name: without_time(hold) for name, hold in holds.items()}):
        # The reason may be in any language.
        line = shown_words(hold_line(*(holds[name] for name in names)))
        yield [titled(State.HELD.value, names), Line(MARGIN + line, under=_HANGING)]


def _plans(found: Mapping[str, HostPlan], shorten: Shorten) -> Iterator[list[Line]]:
    planned = {
        name: (
            (one.state, one.is_named),
            one.proof_due,
            one.blocks,
            one.reasons,
            one.state is State.CONVERGED and one.edited,
        )
        for name, one in found.items()
        if one.state not in WITHOUT_PLAN
    }
    # What would change is first.
    groups = sorted(grouped(planned), key=lambda group: group[1][0][0] is not State.PENDING)
    for names, ((state, is_named), proof_due, blocks, reasons, _) in groups:
        lines = [
            *_last_changes({name: found[name] for name in names}),
            *_sentences([*reasons, proof_due] if proof_due else reasons),
            *shorten(blocks),
        ]
        if lines:
            yield [_title_of_plan(state, names, is_named=is_named), *lines, EMPTY]


def _title_of_plan(state: State, names: Sequence[str], *, is_named: bool) -> Line:
    if is_named:
        all_names = ", ".join(map(shown_name, names))
        return Line(f"left alone: {all_names}", Style.WARNING, under=len(MARGIN))
    if state is State.CONVERGED:
        return titled("nothing would change", names)
    return titled("the same", names) if len(names) > 1 else Line(f"{some_hosts(names)}:", Style.TITLE)


# -- the lines of a plan ------------------------------------------------------------------------------


def _whole(blocks: Iterable[Block]) -> Iterator[Line]:
    for block in blocks:
        yield from _path(block)
        yield from map(difference_line, block.lines)


def _with_few_added(blocks: Iterable[Block]) -> Iterator[Line]:
    """The same, but of many lines that a file gets only the first ones."""
    for block in blocks:
        yield from _path(block)
        for is_added, lines in groupby(block.lines, lambda line: line.startswith("+")):
            run = [*lines]
            is_long = block.path and is_added and len(run) > _SOME_ADDED + 1
            yield from map(difference_line, run[:_SOME_ADDED] if is_long else run)
            if is_long:
                yield Line(f"{MARGIN}... {len(run) - _SOME_ADDED} more lines")


def _counted(blocks: Iterable[Block]) -> Iterator[Line]:
    """How many lines of each file are deleted and added, and what is reloaded."""
    lines_of: dict[str, list[str]] = {}
    for block in blocks:
        lines_of.setdefault(block.path, []).extend(block.lines)
    reloads = [line for line in lines_of.pop("", []) if line.startswith("+")]
    for path, lines in lines_of.items():
        added, deleted = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        yield Line(f"{MARGIN}{path}: lines deleted: {deleted}, added: {added}", under=_HANGING)
    yield from map(difference_line, reloads)


def _path(block: Block) -> Iterator[Line]:
    if block.path:
        yield Line(MARGIN + block.path, under=_HANGING)


def difference_line(line: str) -> Line:
    """A line of a difference, below a title. + line: begins with `+` or `-` if it is added or deleted"""
    style = {"+": Style.ADDED, "-": Style.DELETED}.get(line[:1], Style.PLAIN)
    return Line(MARGIN + line, style, under=_HANGING)


def _last_changes(found: Mapping[str, HostPlan]) -> Iterator[Line]:
    """The last changes of hosts with the same plan. Those that were edited since are the first."""
    told = {
        name: (not one.edited, last_change_line(one.last_change))
        for name, one in found.items()
        # What was edited since all changes stands below a removal.
        if one.last_change and (one.edited or (one.state is State.PENDING and not one.is_removal))
    }
    groups = sorted(grouped(told), key=lambda group: group[1][0])
    unedited = [line for _, (is_unedited, line) in groups if is_unedited]
    for names, (is_unedited, line) in groups:
        if is_unedited and line in unedited[_SOME_CHANGES:]:
            continue
        yield from _sentences([line])
        if len(names) < len(found):
            yield Line(f"{MARGIN}  on {some_hosts(names)}", under=_HANGING)
    if len(unedited) > _SOME_CHANGES:
        more = f"{len(unedited) - _SOME_CHANGES} other last changes, and nobody has edited their files since"
        yield from _sentences([more])


def _warnings(found: Mapping[str, HostPlan]) -> Iterator[list[Line]]:
    names_of: dict[str, list[str]] = {}
    for name in in_order(found):
        one = found[name]
        hold_warning = [shown_words(one.hold_warning)] if one.hold_warning else []
        for warning in (*hold_warning, *map(shown, one.warnings)):
            names_of.setdefault(warning, []).append(name)
    together: dict[tuple[str, ...], list[str]] = {}
    for warning, names in names_of.items():
        together.setdefault(tuple(names), []).append(warning)
    for ones, warnings in together.items():
        lines = (Line(MARGIN + warning, Style.WARNING, under=_HANGING) for warning in warnings)
        yield [titled("warning", ones, Style.WARNING), *lines, EMPTY]


# -- what a removal or an undo says of all hosts together ----------------------------------------------


def closing_lines(found: Mapping[str, HostPlan]) -> list[Line]:
    """That port 465 closes, and on how many hosts; nothing if it closes on none."""
    closing = sum(one.closes_submissions for one in found.values())
    text = f"Port 465 will close on {counted(closing, 'host')}"
    return [Line(text, Style.TROUBLE, under=len(MARGIN)), EMPTY] if closing else []


def staying_lines(found: Mapping[str, HostPlan]) -> Iterator[Line]:
    """What stays on which hosts, each different list once."""
    stays = {name: one.stays for name, one in found.items() if one.stays}
    for names, ones in grouped(stays):
        yield titled("what stays", names, Style.WARNING)
        yield from [*_sentences(ones), EMPTY]


# -- what was done ------------------------------------------------------------------------------------


def words_line(words: Iterable[str]) -> Line:
    """How many hosts have which outcome. + words: the outcome of each host"""
    found = Counter(words)
    counts = ", ".join(f"{count} {word}" for word, count in sorted(found.items()))
    number = counted(found.total(), "host")
    return Line(f"{number}: {counts}" if counts else number, Style.TITLE, under=len(MARGIN))


def took_line(name: str, took: Took) -> Line:
    """How long each part of the work on a host took."""
    parts = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in took)
    return Line(f"{shown_name(name)}: {parts or 'not connected to'}", under=len(MARGIN))
