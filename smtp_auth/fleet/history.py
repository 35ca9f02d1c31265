"""The record of a fleet's changes: who changed what, when, with which outcome.

"Who" is what the controller says about itself, and the account on the host. Nobody has checked that.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gevent.pool import Pool
from pyinfra.api import Host

from smtp_auth.facts.machine import machines_with_names
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.on_host.asking import read_record
from smtp_auth.on_host.channel import NoAnswer
from smtp_auth.plan.draft import are_for_everybody
from smtp_auth.plan.same_machine import note
from smtp_auth.runs.channel import channel_to, disconnect
from smtp_auth.shown import shown, some_names

VERSION = 1


@dataclass(frozen=True)
class HostHistory:
    """A host's record, or why it could not be read."""

    record: Record = field(default_factory=Record)
    error: str = ""


def records(hosts: Sequence[Host], at_once: int, tell: Callable[[str], None]) -> dict[str, HostHistory]:
    """Each host's record, by its name.

    + at_once: how many hosts are asked at the same time
    + tell: is called with the name of each host that has answered
    """
    found: dict[str, HostHistory] = {}
    # After Ctrl-C, nothing waits for greenlets; for threads, Python does.
    for host, history in zip(hosts, Pool(at_once).imap(_history, hosts), strict=True):
        found[host.name] = history
        tell(host.name)
    return found


def _history(host: Host) -> HostHistory:
    try:
        return HostHistory(read_record(channel_to(host)))
    except NoAnswer as error:
        return HostHistory(error=str(error))
    except Exception as error:
        # An error on one host is reported for that host only.
        return HostHistory(error=f"{type(error).__name__}: {error}")
    finally:
        disconnect(host)


# -- for people ---------------------------------------------------------------------------------------


def table(found: Mapping[str, HostHistory]) -> Iterator[str]:
    """One line per change and outcome, the newest first, with its hosts; then the unreadable records."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for name, history in found.items():
        for change in history.record.changes:
            key = (change.id, change.who, change.outcome, change.about)
            rows.setdefault(key, []).append(name)
    cells = [
        (*key[:3], _hosts(names, len(found)), key[3]) for key, names in sorted(rows.items(), reverse=True)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield shown("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))).rstrip()
    if not cells:
        yield "no change is on record"
    yield from _troubles(found)


def details(found: Mapping[str, HostHistory], change_id: str) -> Iterator[str]:
    """The lines that a change deleted and added; hosts with the same difference are shown together."""
    groups: dict[tuple[str, str], list[tuple[str, PastChange]]] = {}
    for name, history in found.items():
        for change in history.record.changes:
            if change.id == change_id:
                key = (str(change.manifest["plan"]["difference"]), change.outcome)
                groups.setdefault(key, []).append((name, change))
    for ones in groups.values():
        _, change = ones[0]
        yield shown(f"{_hosts([name for name, _ in ones], len(found))}: {change.outcome}, by {change.who}")
        yield from (f"    {shown(line)}" for line in str(change.manifest["said"]).splitlines())
        yield from (f"    {line}" for line in _lines(change))
    if not groups:
        yield f"no host has a change {shown(change_id)} on record"
    yield from _troubles(found)


def _hosts(names: Sequence[str], of: int) -> str:
    return f"all {of} hosts" if len(names) == of and of > 1 else some_names(names)


def _lines(change: PastChange) -> Iterator[str]:
    private = _private(change)
    path = ""
    for edit in change.manifest["plan"]["edits"]:
        if edit["path"] != path:
            path = edit["path"]
            yield shown(path)
        if path in private:
            yield "(not shown: not everybody may read the file)"
        else:
            yield from (shown(line.removesuffix("\n")) for line in edit["lines"])


def _private(change: PastChange) -> set[str]:
    """The files of a change that not everybody may read: they may contain secrets."""
    return {
        entry["path"] for entry in change.manifest["files"] if not are_for_everybody(entry["mode"].values())
    }


def _troubles(found: Mapping[str, HostHistory]) -> Iterator[str]:
    for names in _machines(found):
        yield shown(note(names))
    for name, history in found.items():
        if history.error:
            yield shown(f"{name}: {history.error}")
        for change in history.record.unreadable:
            yield shown(f"{name}: the manifest of change {change} cannot be read")


def _machines(found: Mapping[str, HostHistory]) -> list[tuple[str, ...]]:
    return machines_with_names({name: history.record.machine for name, history in found.items()})


# -- for programs -------------------------------------------------------------------------------------


def as_json(found: Mapping[str, HostHistory], change_id: str | None = None) -> dict[str, Any]:
    """`{"version": 1, "hosts": {NAME: {"error": …, "changes": […], …}}}`, the oldest change first.

    `unreadable` has the IDs of changes, `same_machine` the other names of the same machine.

    + change_id: only this change, with the lines that it changed
    """
    machines = {name: names for names in _machines(found) for name in names}
    return {
        "version": VERSION,
        "hosts": {
            name: {
                "error": history.error or None,
                "same_machine": [one for one in machines.get(name, ()) if one != name],
                "unreadable": [*history.record.unreadable],
                "changes": [
                    _entry(change) if change_id is None else {**_entry(change), "edits": _edits(change)}
                    for change in history.record.changes
                    if change_id in (None, change.id)
                ],
            }
            for name, history in found.items()
        },
    }


def _edits(change: PastChange) -> list[dict[str, Any]]:
    private = _private(change)
    return [
        {**edit, "lines": None if edit["path"] in private else edit["lines"]}
        for edit in change.manifest["plan"]["edits"]
    ]


def _entry(change: PastChange) -> dict[str, Any]:
    manifest = change.manifest
    return {
        "id": change.id,
        "began": manifest["began"],
        "controller": manifest["controller"],
        "ssh_user": manifest["ssh_user"],
        "commit": manifest["commit"],
        "outcome": change.outcome,
        "said": manifest["said"],
        "about": change.about,
        "undone": manifest["undone"],
        "files": [{key: entry[key] for key in ("path", "sha256", "mode")} for entry in manifest["files"]],
        "difference": manifest["plan"]["difference"],
    }
