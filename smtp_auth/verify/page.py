"""The page of a verification: one file of HTML that needs nothing else, for `--html`.

What it shows of hosts is escaped twice: for people by `shown` and `shown_name`, and for HTML by the template.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from math import ceil
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from smtp_auth.fleet.names import in_order
from smtp_auth.fleet.written import Target
from smtp_auth.local_time import in_utc, local_time
from smtp_auth.shown import counted, shown, shown_name
from smtp_auth.verify.report import (
    MARKS,
    NOT_MADE,
    Group,
    Outcome,
    by_host,
    checks_of,
    groups_of,
    host_counts,
    told_by,
)
from smtp_auth.verify.since import Earlier, changes_since, earlier_in

# So many groups fit on paper beside the names of the checks; more get a table of their own.
_COLUMNS = 12

# In the order in which people want to know of them.
_COUNTED = ("failed", "not checked", "warned", "passed")


class Page:
    """The outcomes as a page for people.

    + file: a file, or `-` for standard output
    + since: a file with the JSON of an earlier verification, if any

    Raises `Mistake` if one cannot be written, or the other cannot be read.
    """

    def __init__(self, file: str, since: str | None) -> None:
        self.target = Target("--html", file)
        self._earlier = None if since is None else earlier_in(since)
        self._began = datetime.now(UTC)

    def write(self, outcomes: Sequence[Outcome], names: Sequence[str]) -> bool:
        """As `Output.write`."""
        page = page_of(outcomes, names, self._began, datetime.now(UTC), self._earlier)
        return self.target.write(iter(page.split("\n")))


@dataclass(frozen=True)
class _Block:
    """A part of the table. + groups: with their numbers; + rows: a check, and its outcome for each of them"""

    groups: Sequence[tuple[int, Group]]
    rows: Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class _Certificate:
    """When the certificate for a name expires. + left: in seconds"""

    name: str
    hosts: Sequence[str]
    not_after: str
    left: float


@dataclass(frozen=True)
class _Times:
    """What a check measured: the slowest host first."""

    check: str
    parts: Sequence[str]
    rows: Sequence[Outcome]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The titles of the columns, and their classes."""
        return [("Host", ""), *((part, "number") for part in self.parts)]


def page_of(
    outcomes: Sequence[Outcome],
    names: Sequence[str],
    began: datetime,
    ended: datetime,
    earlier: Earlier | None = None,
) -> str:
    """The page, in ASCII, so that it is the same in each encoding.

    + outcomes: those of all checks
    + names: those of all hosts, also of those without an outcome
    + began: when the verification began
    + earlier: what to compare it with
    """
    groups = groups_of(outcomes)
    checks = checks_of(outcomes)
    kinds = {check: {one.outcomes.get(check, NOT_MADE) for one in groups} for check in checks}
    telling = [check for check, found in kinds.items() if found & {"failed", "warned"}]
    passed = [check for check, found in kinds.items() if found == {"passed"}]
    counts, told = host_counts(outcomes, len(names)), told_by(outcomes)
    by_name = by_host(outcomes)
    page = _environment().get_template("page.html.j2").render(
        counts={title: counts[title] for title in _COUNTED},
        hosts=len(names),
        began=in_utc(began),
        ended=in_utc(ended),
        seconds=(ended - began).total_seconds(),
        earlier=earlier,
        changes=changes_since(earlier.outcomes, outcomes, names) if earlier else None,
        groups=groups,
        checks=checks,
        telling=[*_blocks(groups, telling)],
        quiet=[*_blocks(groups, [check for check in checks if check not in (*telling, *passed)])],
        passed=passed,
        told={
            kind: [one for one in told if one.outcome == kind] for kind in ("failed", "warned", "skipped")
        },
        not_made=by_host(one for one in outcomes if one.outcome == NOT_MADE),
        without=[name for name in names if name not in by_name],
        times=[*_times(outcomes)],
        certificates=_certificates(outcomes, ended),
    )  # fmt: skip
    return page.encode("ascii", "xmlcharrefreplace").decode()


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "counted": counted,
        "hash": lambda text: b64encode(sha256(text.encode()).digest()).decode(),
        "in_order": in_order,
        "local": local_time,
        "mark": lambda outcome: MARKS[outcome],
        "shown": lambda text: "\n".join(map(shown, text.split("\n"))),
        "shown_name": shown_name,
    }
    return environment


def _blocks(groups: Sequence[Group], checks: Sequence[str]) -> Iterator[_Block]:
    if not checks:
        return
    numbered = [*enumerate(groups, 1)]
    # All blocks about as wide.
    columns = ceil(len(groups) / ceil(len(groups) / _COLUMNS))
    for start in range(0, len(groups), columns):
        block = numbered[start : start + columns]
        rows = [(check, [group.outcomes.get(check, NOT_MADE) for _, group in block]) for check in checks]
        yield _Block(block, rows)


def _times(outcomes: Iterable[Outcome]) -> Iterator[_Times]:
    measured = [one for one in outcomes if one.measured]
    for check in checks_of(measured):
        rows = sorted(
            (one for one in measured if one.check == check), key=lambda one: -sum(one.measured.values())
        )
        yield _Times(check, [*dict.fromkeys(part for one in rows for part in one.measured)], rows)


def _certificates(outcomes: Iterable[Outcome], now: datetime) -> list[_Certificate]:
    """The first to expire is the first."""
    hosts: dict[tuple[float, str], list[str]] = {}
    for one in outcomes:
        for name, end in one.not_after.items():
            found = hosts.setdefault((end, name), [])
            found += [one.host] if one.host not in found else []
    return [
        _Certificate(name, found, in_utc(datetime.fromtimestamp(end, UTC)), end - now.timestamp())
        for (end, name), found in sorted(hosts.items())
    ]
