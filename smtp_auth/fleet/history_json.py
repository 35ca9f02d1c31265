"""The history of a fleet as JSON for programs."""

from collections.abc import Callable, Mapping
from typing import Any

from smtp_auth.facts.record import PastChange
from smtp_auth.fleet.as_json import hold_as_json
from smtp_auth.fleet.history import Histories, HostHistory, machines
from smtp_auth.fleet.history_text import private_files


def entries_of(
    found: Histories, run_id: str | None = None
) -> Callable[[HostHistory, str], Mapping[str, Any]]:
    """What makes the part of a host: `{"error": …, "changes": […], …}`, the oldest change first.

    `unreadable` has the IDs of changes, `same_machine` the other names of the same machine, `hold` the one
    that is in force, and `holds` the last holds and releases, the oldest first.

    + run_id: only the changes of this run, with the lines that they changed
    """
    named = {name: names for names in machines(found) for name in names}

    def entry(history: HostHistory, name: str) -> Mapping[str, Any]:
        return {
            "error": history.error or None,
            "same_machine": [one for one in named.get(name, ()) if one != name],
            "unreadable": [*history.record.unreadable],
            "changes": [
                _change(one) if run_id is None else {**_change(one), "edits": _edits(one)}
                for one in history.record.changes
                if run_id in (None, one.id)
            ],
            "hold": hold_as_json(history.record.hold),
            "holds": [hold_as_json(one) for one in history.record.holds],
        }

    return entry


def _edits(change: PastChange) -> list[dict[str, Any]]:
    private = private_files(change)
    return [
        {**edit, "lines": None if edit["path"] in private else edit["lines"]}
        for edit in change.manifest["plan"]["edits"]
    ]


def _change(change: PastChange) -> dict[str, Any]:
    manifest = change.manifest
    return {
        "id": change.id,
        "began": change.began,
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
