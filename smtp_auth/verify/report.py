"""The report at the end: a table of hosts and checks for people, and the same as JSON for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from smtp_auth.shown import counted, shown

VERSION = 1

_MARKS = {"passed": "ok", "warned": "warn", "failed": "FAIL", "skipped": "-"}

# How many hosts of a group are named, unless all are asked for.
_NAMES = 3


@dataclass(frozen=True)
class Outcome:
    """One check of one host.

    + outcome: `passed`, `warned` (passed, with something that an administrator should know), `failed` or
      `skipped`
    + reason: why it failed or was skipped
    + warnings: what an administrator should know
    + seconds: how long the check's observers took
    + measured: what the check measured on the host: name to seconds
    + reported_by: for a check that was skipped, the check that fails for the same reason, if there must be
      one
    """

    host: str
    check: str
    outcome: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    measured: Mapping[str, float] = field(default_factory=dict)
    reported_by: str = ""


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
class _Group:
    """Hosts with equal outcomes."""

    outcomes: dict[str, str]
    hosts: list[str] = field(default_factory=list)


def table(outcomes: list[Outcome], width: int, *, everything: bool = False) -> Iterator[str]:
    """Lines with one row per check that some host did not pass and one column per group of hosts with equal
    outcomes, then each reason once, with its hosts.

    + width: of the terminal, in characters; groups that do not fit get a table of their own
    + everything: also show the checks that all hosts passed, and the names of all hosts
    """
    groups = _groups(outcomes)
    checks = list(dict.fromkeys(outcome.check for outcome in outcomes))
    rows = [check for check in checks if everything or not all(_passed(group, check) for group in groups)]
    if not rows:
        hosts = counted(sum(len(group.hosts) for group in groups), "host")
        yield f"{hosts}: {f'all {len(checks)} checks pass' if len(checks) > 1 else 'the check passes'}"
        yield from _measured(outcomes, everything)
        return
    first = max(map(len, rows)) + 2
    columns = max(1, (width - first) // 5)
    for start in range(0, len(groups), columns):
        block = groups[start : start + columns]
        for number, group in enumerate(block, start + 1):
            yield f"{number:>4}  {_named(group.hosts, everything)}"
        yield " " * first + "".join(f"{number:>5}" for number in range(start + 1, start + len(block) + 1))
        for check in rows:
            marks = (_MARKS.get(group.outcomes.get(check, ""), "") for group in block)
            yield f"{check:<{first}}" + "".join(f"{mark:>5}" for mark in marks)
        yield ""
    passed = len(checks) - len(rows)
    if passed:
        yield f"{counted(passed, 'check')} passed by every host (-v shows them)"
    yield from _reasons(outcomes, everything)
    yield from _measured(outcomes, everything)


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many hosts have a failed check, and how many have only warnings."""
    hosts: dict[str, set[str]] = {"failed": set(), "warned": set()}
    for outcome in outcomes:
        if outcome.outcome in hosts:
            hosts[outcome.outcome].add(outcome.host)
    return {"failed": len(hosts["failed"]), "warned": len(hosts["warned"] - hosts["failed"])}


def write_json(outcomes: list[Outcome], path: Path) -> None:
    """Write `{"version": 1, "hosts": {HOST: {CHECK: ENTRY}}}`; an entry has the other fields of `Outcome`."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.host, {})[outcome.check] = {
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "warnings": [*outcome.warnings],
            "seconds": round(outcome.seconds, 3),
            "measured": {part: round(seconds, 3) for part, seconds in outcome.measured.items()},
            "reported_by": outcome.reported_by,
        }
    path.write_text(json.dumps({"version": VERSION, "hosts": found}, indent=2) + "\n")


def _groups(outcomes: list[Outcome]) -> list[_Group]:
    by_host: dict[str, dict[str, str]] = {}
    for outcome in outcomes:
        by_host.setdefault(outcome.host, {})[outcome.check] = outcome.outcome
    groups: dict[tuple[tuple[str, str], ...], _Group] = {}
    for host, found in by_host.items():
        groups.setdefault(tuple(found.items()), _Group(found)).hosts.append(host)
    return list(groups.values())


def _passed(group: _Group, check: str) -> bool:
    return group.outcomes.get(check, "passed") == "passed"


def _named(hosts: list[str], everything: bool) -> str:
    if everything or len(hosts) <= _NAMES:
        return ", ".join(hosts)
    return f"{', '.join(hosts[:_NAMES])} and {len(hosts) - _NAMES} more"


def _reasons(outcomes: list[Outcome], everything: bool) -> Iterator[str]:
    """One entry per reason, for all hosts and checks that have it."""
    kinds = {"failed": "FAILED", "warned": "warning", "skipped": "not checked"}
    for kind, title in kinds.items():
        told: dict[str, tuple[list[str], list[str]]] = {}
        for outcome in outcomes:
            for reason in outcome.warnings if kind == "warned" else [outcome.reason]:
                if kind == "warned" or outcome.outcome == kind:
                    hosts, checks = told.setdefault(reason, ([], []))
                    hosts += [outcome.host] if outcome.host not in hosts else []
                    checks += [outcome.check] if outcome.check not in checks else []
        for reason, (hosts, checks) in told.items():
            what = checks[0] if len(checks) == 1 else f"{len(checks)} checks"
            yield f"{title}  {_named(hosts, everything)}: {what}"
            yield from (f"        {shown(line)}" for line in reason.split("\n"))


def _measured(outcomes: list[Outcome], everything: bool) -> Iterator[str]:
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
            yield f"{check}: {parts} ({one.host}{slowest})"
