"""What is known of a fleet as JSON for programs: `{"version": 1, "hosts": {NAME: …}}`, one host per line."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from smtp_auth.facts.hold import Hold, HoldEvent
from smtp_auth.fleet.planning import HostPlan
from smtp_auth.plan.as_json import text_of

VERSION = 1

Found = TypeVar("Found")


def fleet_entry(found: HostPlan, name: str) -> dict[str, Any]:
    """What is known of a host before a change.

    `flags` has `edited`, `same_machine` and `closes_port_465` if they apply. `reasons` says why there is no
    plan: then `plan` and `digest` are null. `last_change` is the last live change, `edited` has the files of
    it that somebody has edited since, `same_machine` the other names of the same machine, `undone` the
    changes that are undone, `hold` the hold of a held host.
    """
    last = found.last_change
    others = [one for one in found.names if one != name]
    flags = {
        "edited": bool(found.edited),
        "same_machine": bool(others),
        "closes_port_465": found.closes_submissions,
    }
    return {
        "state": found.state.value,
        "flags": [flag for flag, applies in flags.items() if applies],
        "reasons": [*map(text_of, found.reasons)],
        "warnings": [*([found.hold_warning] if found.hold_warning else []), *map(text_of, found.warnings)],
        "last_change": {"id": last.id, "who": text_of(last.who), "began": last.began} if last else None,
        "edited": [*map(text_of, found.edited)],
        "same_machine": others,
        "undone": [*found.undone],
        "plan": json.loads(found.plan) if found.plan else None,
        "digest": found.digest or None,
        "hold": hold_as_json(found.hold),
    }


def hold_as_json(hold: Hold | HoldEvent | None) -> dict[str, str | None] | None:
    """A hold, or one in the log. What is empty is null: `until` without an end, all if it cannot be read."""
    return {key: value or None for key, value in asdict(hold).items()} if hold else None


def lines(found: Mapping[str, Found], entry: Callable[[Found, str], Mapping[str, Any]]) -> Iterator[str]:
    """The JSON of a fleet, line by line, without line ends.

    + found: by the names of the hosts
    + entry: makes the part of one host out of what was found, and the host's name
    """
    yield f'{{"version": {VERSION}, "hosts": {{'
    for index, (name, one) in enumerate(found.items(), 1):
        end = "," if index < len(found) else ""
        yield f"{json.dumps(name)}: {json.dumps(entry(one, name))}{end}"
    yield "}}"
