"""The report at the end: a table of hosts and checks for people, and the same as JSON for programs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from smtp_auth.fleet.console import EMPTY, Line, Style, wrapped
from smtp_auth.local_time import in_utc
from smtp_auth.shown import counted, shown, shown_name

# The outcome of a check that was chosen, and that the run did not come to.
NOT_MADE = "not made"

# Of a host with outcomes of several kinds, the first one counts; and how such a host is called.
_WORST_FIRST = {"failed": "failed", NOT_MADE: "not checked", "warned": "warned", "passed": "passed"}

_STYLES = {"failed": Style.TROUBLE, "warned": Style.WARNING}

# In columns: a mark; the names of checks, at least; a table in a file.
_MARK, _NARROWEST, _USUAL = 5, 20, 80

MARKS = {"passed": "ok", "warned": "warn", "failed": "FAIL", "skipped": "-", NOT_MADE: "?"}

# Above a reason.
_TITLES = {"failed": "FAILED", "warned": "warning", "skipped": "not checked"}

# How many hosts of a group are named, unless all are asked for.
_NAMES = 3


@dataclass(frozen=True)
class Outcome:
    """One check of one host.

    + outcome: `passed`, `warned` (passed, with something that an administrator should know), `failed`,
      `skipped`, or `NOT_MADE`
    + reason: why it failed or was skipped
    + warnings: what an administrator should know
    + seconds: how long the check's observers took
    + measured: what the check measured on the host: name to seconds
    + not_after: when certificates expire that the check saw: the name asked for, to seconds since 1970
    + reported_by: for a check that was skipped, the check that fails for the same reason, if there must be
      one
    + limited: whether it was skipped because the server admits this machine no more for a while
    """

    host: str
    check: str
    outcome: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    measured: Mapping[str, float] = field(default_factory=dict)
    not_after: Mapping[str, float] = field(default_factory=dict)
    reported_by: str = ""
    limited: bool = False


def settled(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The final outcomes, once those of all checks are known.

    A check that passed with warnings becomes `warned`. A check that was skipped for a reason that another
    check has to report becomes `failed` if that other check was not chosen or has passed. So no problem is
    missed silently.
    """
    all_of_them = {(one.host, one.check): one for one in outcomes}
    found = []
    for one in all_of_them.values():
        if one.outcome == "passed" and one.warnings:
            found.append(replace(one, outcome="warned"))
        elif one.outcome == "skipped" and one.reported_by and not _is_reported(all_of_them, one):
            found.append(replace(one, outcome="failed"))
        else:
            found.append(one)
    return found


def _is_reported(outcomes: Mapping[tuple[str, str], Outcome], skipped: Outcome) -> bool:
    """Whether the check that has to report the reason failed, or was skipped and a third one reports it."""
    telling = outcomes.get((skipped.host, skipped.reported_by))
    if telling is None or telling.outcome == "passed":
        return False
    return telling.outcome == "failed" or _is_reported(outcomes, telling)


@dataclass
class Group:
    """Hosts with equal outcomes. + outcomes: by the checks"""

    outcomes: dict[str, str]
    hosts: list[str] = field(default_factory=list)


@dataclass
class Told:
    """Why checks failed, warned or were skipped, with all hosts and checks that say so.

    + outcome: `failed`, `warned` or `skipped`
    + reason: may have several lines
    """

    outcome: str
    reason: str
    hosts: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)


def table(outcomes: list[Outcome], width: int | None, *, everything: bool = False) -> Iterator[Line]:
    """One row per check that failed or warned on some host and one column per group of hosts with equal
    outcomes, then each reason once, with its hosts.

    + width: of the terminal, in columns; groups that do not fit get a table of their own. `None`: it is none,
      and wraps no line
    + everything: also show all other checks, and the names of all hosts
    """
    if not outcomes:
        return
    groups = groups_of(outcomes)
    checks = checks_of(outcomes)
    kinds = {check: {group.outcomes.get(check, NOT_MADE) for group in groups} for check in checks}
    rows = [check for check in checks if everything or kinds[check] & {*_STYLES}]
    if rows:
        yield from _tables(rows, groups, width, everything)
    passed = sum(found == {"passed"} for check, found in kinds.items() if check not in rows)
    if passed == len(checks):
        yield Line(f"all {passed} checks pass" if passed > 1 else "the check passes")
    elif passed:
        yield Line(f"{counted(passed, 'check')} passed by every host (-v shows them)")
    yield from _not_made(outcomes, everything)
    yield from _reasons(outcomes, everything)
    yield from _measured(outcomes, everything)
    yield EMPTY


def _tables(
    checks: Sequence[str], groups: Sequence[Group], width: int | None, everything: bool
) -> Iterator[Line]:
    most = width or _USUAL
    first = max(map(len, checks)) + 1
    if width is not None:
        # A name of a check may be in several lines; a mark has to be in that of its group.
        first = min(first, max(_NARROWEST, most - _MARK * len(groups)))
    columns = max(1, (most - first) // _MARK)
    for start in range(0, len(groups), columns):
        block = groups[start : start + columns]
        for number, group in enumerate(block, start + 1):
            yield Line(f"{number:>4}  {_named(group.hosts, everything)}", under=6)
        yield Line(
            " " * first + "".join(f"{number:>{_MARK}}" for number in range(start + 1, start + len(block) + 1))
        )
        for check in checks:
            outcomes = [group.outcomes.get(check, NOT_MADE) for group in block]
            marks = "".join(f"{MARKS[outcome]:>{_MARK}}" for outcome in outcomes)
            style = next((style for outcome, style in _STYLES.items() if outcome in outcomes), Style.PLAIN)
            name, *rest = wrapped(check, first, under=2)
            yield Line(f"{name:<{first}}{marks}", style)
            yield from (Line(part, style) for part in rest)
        yield EMPTY


def counts_line(outcomes: Sequence[Outcome], hosts: int) -> Line:
    """How many hosts have which outcome, each by its worst. + hosts: how many there are"""
    counts = host_counts(outcomes, hosts)
    titles = (title for title in ("passed", "warned", "failed", "not checked") if counts[title])
    words = ", ".join(f"{counts[title]} {title}" for title in titles)
    return Line(f"{counted(hosts, 'host')}: {words}", Style.TITLE, under=4)


def host_counts(outcomes: Iterable[Outcome], hosts: int) -> Counter[str]:
    """How many hosts are `failed`, `not checked`, `warned` and `passed`. + hosts: how many there are"""
    counts = Counter(
        worst_of(NOT_MADE if one.limited else one.outcome for one in ones)
        for ones in by_host(outcomes).values()
    )
    counts[_WORST_FIRST[NOT_MADE]] += hosts - counts.total()
    return counts


def worst_of(outcomes: Iterable[str]) -> str:
    """What a host with these outcomes is called."""
    found = {*outcomes}
    return next((title for kind, title in _WORST_FIRST.items() if kind in found), _WORST_FIRST[NOT_MADE])


def checks_of(outcomes: Iterable[Outcome]) -> list[str]:
    """The names of the checks, in their order."""
    return [*dict.fromkeys(outcome.check for outcome in outcomes)]


def by_host(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes by the names of the hosts."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.host, []).append(outcome)
    return found


def host_as_json(outcomes: Iterable[Outcome], _host: str) -> dict[str, dict[str, object]]:
    """The outcomes of a host as JSON: `{CHECK: ENTRY}`; an entry has the other fields of `Outcome`."""
    return {
        outcome.check: {
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "warnings": [*outcome.warnings],
            "seconds": round(outcome.seconds, 3),
            "measured": {part: round(seconds, 3) for part, seconds in outcome.measured.items()},
            "not_after": {
                name: in_utc(datetime.fromtimestamp(end, UTC)) for name, end in outcome.not_after.items()
            },
            "reported_by": outcome.reported_by,
            "limited": outcome.limited,
        }
        for outcome in outcomes
    }


def groups_of(outcomes: Iterable[Outcome]) -> list[Group]:
    """Hosts with equal outcomes together."""
    groups: dict[tuple[tuple[str, str], ...], Group] = {}
    for host, ones in by_host(outcomes).items():
        found = {one.check: one.outcome for one in ones}
        groups.setdefault(tuple(found.items()), Group(found)).hosts.append(host)
    return list(groups.values())


def told_by(outcomes: Iterable[Outcome]) -> list[Told]:
    """Each reason once: why checks failed, then warnings, then why checks were skipped."""
    told: dict[tuple[str, str], Told] = {}
    for outcome in outcomes:
        reasons = [("warned", warning) for warning in outcome.warnings]
        reasons += [(outcome.outcome, outcome.reason)] if outcome.outcome in ("failed", "skipped") else []
        for kind, reason in reasons:
            one = told.setdefault((kind, reason), Told(kind, reason))
            one.hosts += [outcome.host] if outcome.host not in one.hosts else []
            one.checks += [outcome.check] if outcome.check not in one.checks else []
    return sorted(told.values(), key=lambda one: [*_TITLES].index(one.outcome))


def _named(hosts: list[str], everything: bool) -> str:
    names = [*map(shown_name, hosts)]
    if everything or len(names) <= _NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMES])} and {len(names) - _NAMES} more"


def _not_made(outcomes: list[Outcome], everything: bool) -> Iterator[Line]:
    found = by_host(one for one in outcomes if one.outcome == NOT_MADE)
    if found:
        what = counted(sum(map(len, found.values())), "check")
        yield Line(
            f"not made  {_named([*found], everything)}: {what}; the run ended before", Style.WARNING, under=8
        )


def _reasons(outcomes: list[Outcome], everything: bool) -> Iterator[Line]:
    """One entry per reason, for all hosts and checks that have it."""
    for one in told_by(outcomes):
        named = everything or len(one.checks) <= _NAMES
        what = ", ".join(one.checks) if named else f"{len(one.checks)} checks"
        title = f"{_TITLES[one.outcome]}  {_named(one.hosts, everything)}: {what}"
        yield Line(title, _STYLES.get(one.outcome, Style.PLAIN), under=8)
        yield from (Line(f"        {shown(line)}", under=10) for line in one.reason.split("\n"))


def _measured(outcomes: list[Outcome], everything: bool) -> Iterator[Line]:
    """One line per check that measured something: the slowest host, or every host."""
    by_check: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.measured:
            by_check.setdefault(outcome.check, []).append(outcome)
    for check, found in by_check.items():
        slowest_first = sorted(found, key=lambda one: -sum(one.measured.values()))
        for one in slowest_first if everything else slowest_first[:1]:
            parts = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in one.measured.items())
            slowest = "" if everything or len(found) == 1 else f", the slowest of {len(found)}"
            yield Line(f"{check}: {parts} ({shown_name(one.host)}{slowest})", under=4)
