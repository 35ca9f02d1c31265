"""What a person and a program read at the end: a table of hosts and checks, and the same as JSON."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shown import shown

_MARKS = {"passed": "ok", "failed": "FAIL", "skipped": "-"}


@dataclass(frozen=True)
class Outcome:
    """One check of one host: `passed`, `failed` or `skipped`, and why."""

    host: str
    check: str
    outcome: str
    reason: str


def table(outcomes: list[Outcome], width: int) -> Iterator[str]:
    """Lines with one row per check and one column per host, then each failed or skipped check's reason.

    + width: of the terminal, in characters; hosts that do not fit get a table of their own
    """
    hosts = list(dict.fromkeys(outcome.host for outcome in outcomes))
    checks = list(dict.fromkeys(outcome.check for outcome in outcomes))
    found = {(outcome.check, outcome.host): outcome.outcome for outcome in outcomes}
    first = max(map(len, checks), default=0) + 2
    columns = max(1, (width - first) // 5)
    for start in range(0, len(hosts), columns):
        block = hosts[start : start + columns]
        for number, host in enumerate(block, start + 1):
            yield f"{number:>4}  {host}"
        yield " " * first + "".join(f"{number:>5}" for number in range(start + 1, start + len(block) + 1))
        for check in checks:
            marks = (_MARKS.get(found.get((check, host), ""), "") for host in block)
            yield f"{check:<{first}}" + "".join(f"{mark:>5}" for mark in marks)
        yield ""
    yield from _reasons(outcomes, "failed", "FAILED")
    yield from _reasons(outcomes, "skipped", "not looked at")


def write_json(outcomes: list[Outcome], path: Path) -> None:
    """Host to check to outcome and reason."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for outcome in outcomes:
        entry = {"outcome": outcome.outcome, "reason": outcome.reason}
        found.setdefault(outcome.host, {})[outcome.check] = entry
    path.write_text(json.dumps({"hosts": found}, indent=2) + "\n")


def _reasons(outcomes: list[Outcome], kind: str, title: str) -> Iterator[str]:
    """One entry per host and reason, for all checks with this reason."""
    told: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.outcome == kind:
            told.setdefault((outcome.host, outcome.reason), []).append(outcome.check)
    for (host, reason), checks in told.items():
        what = checks[0] if len(checks) == 1 else f"{len(checks)} checks"
        yield f"{title}  {host}: {what}"
        yield from (f"        {shown(line)}" for line in reason.split("\n"))
