"""What changed since an earlier verification, of which there is the JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from smtp_auth.fleet.as_json import VERSION
from smtp_auth.local_time import in_utc
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.report import NOT_MADE, Outcome

# In bytes: the JSON of 5,000 hosts.
_MOST = 128 * 1024 * 1024

# A file may have anything in their place, also what no set can have.
_OUTCOMES = ("passed", "warned", "failed", "skipped", NOT_MADE)

_WELL = {"passed", "warned"}


@dataclass(frozen=True)
class Earlier:
    """An earlier verification.

    + file: its JSON
    + written: when the file was written, such as `2026-11-22T10:15:00Z`
    + outcomes: by the names of the hosts: check to outcome
    """

    file: str
    written: str
    outcomes: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Changed:
    """Checks whose outcomes changed in the same way on the same hosts."""

    hosts: tuple[str, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """What changed since an earlier verification.

    + failing: what fails, and did not fail then: also checks and hosts that there were not
    + mended: what failed then, and passes
    + unknown: what failed then, and was not checked
    + warned: what passed then, and warns
    + as_before: how many checks of hosts fail as they did then
    """

    failing: Sequence[Changed]
    mended: Sequence[Changed]
    unknown: Sequence[Changed]
    warned: Sequence[Changed]
    as_before: int
    new_hosts: Sequence[str]
    gone_hosts: Sequence[str]
    new_checks: Sequence[str]
    gone_checks: Sequence[str]


def earlier_in(file: str) -> Earlier:
    """What a file has that `--json` has written. Raises `Mistake` if it is no such file."""
    path = Path(file)
    if not file or "\0" in file:
        raise Mistake(f"--since {file!r}: this is no name of a file")
    try:
        with path.open("rb") as opened:
            content = opened.read(_MOST + 1)
        written = in_utc(datetime.fromtimestamp(path.stat().st_mtime).astimezone())
    except OSError as error:
        raise Mistake(f"--since {file}: {error.strerror}") from None
    if len(content) > _MOST:
        raise Mistake(f"--since {file}: it has more than {_MOST >> 20} MiB: give what --json has written")
    return Earlier(file, written, _outcomes(file, content))


def _outcomes(file: str, content: bytes) -> dict[str, dict[str, str]]:
    what = "a verification has written with --json"
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Mistake(f"--since {file}: it is no JSON: give a file that {what}") from None
    match found:
        case {"version": int(version), "hosts": dict()} if version != VERSION:
            raise Mistake(
                f"--since {file}: it is JSON of version {version}, and this program reads version {VERSION}: "
                f"give a file that {what} of this release"
            )
        case {"version": int(), "hosts": dict(hosts)} if all(map(_is_host, hosts.values())):
            return {
                name: {check: entry["outcome"] for check, entry in entries.items()}
                for name, entries in hosts.items()
            }
    raise Mistake(f"--since {file}: it has no outcomes of checks: give a file that {what}")


def _is_host(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(entry, dict) and entry.get("outcome") in _OUTCOMES for entry in found.values()
    )


def changes_since(
    earlier: Mapping[str, Mapping[str, str]], outcomes: Iterable[Outcome], names: Iterable[str]
) -> Changes:
    """What changed. + earlier: the outcomes then; + names: those of all hosts, also without an outcome"""
    pairs: dict[str, list[tuple[str, str]]] = {"failing": [], "mended": [], "unknown": [], "warned": []}
    as_before = 0
    now: dict[str, None] = {}
    for one in outcomes:
        now.setdefault(one.check)
        kind = _kind(earlier.get(one.host, {}).get(one.check, ""), one.outcome)
        as_before += kind == "as before"
        if kind in pairs:
            pairs[kind].append((one.host, one.check))
    then = dict.fromkeys(check for found in earlier.values() for check in found)
    asked = dict.fromkeys(names)
    return Changes(
        **{kind: _together(found) for kind, found in pairs.items()},
        as_before=as_before,
        new_hosts=[name for name in asked if name not in earlier],
        gone_hosts=[name for name in earlier if name not in asked],
        new_checks=[check for check in now if check not in then],
        gone_checks=[check for check in then if check not in now],
    )


def _kind(then: str, now: str) -> str:
    """How an outcome changed; empty if nothing has to be said. + then: empty if there was none"""
    if now == "failed":
        return "as before" if then == "failed" else "failing"
    if then == "failed":
        return "mended" if now in _WELL else "unknown"
    return "warned" if (then, now) == ("passed", "warned") else ""


def _together(pairs: Iterable[tuple[str, str]]) -> list[Changed]:
    """Checks with the same hosts together. + pairs: hosts and checks"""
    by_check: dict[str, list[str]] = {}
    for host, check in pairs:
        by_check.setdefault(check, []).append(host)
    by_hosts: dict[tuple[str, ...], list[str]] = {}
    for check, hosts in by_check.items():
        by_hosts.setdefault(tuple(hosts), []).append(check)
    return [Changed(hosts, tuple(checks)) for hosts, checks in by_hosts.items()]
