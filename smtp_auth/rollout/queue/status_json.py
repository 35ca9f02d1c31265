"""`smtp-auth queue status` for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from smtp_auth.fleet import as_json
from smtp_auth.rollout.queue.status import CheckStatus, RolloutStatus


def json_lines(found: Sequence[RolloutStatus], checked: Sequence[CheckStatus]) -> Iterator[str]:
    """The status as JSON, line by line: a rollout a line."""
    yield f'{{"version": {as_json.VERSION}, "rollouts": {{'
    yield from _members({one.run: _without(one, "run") for one in found})
    yield '}, "checks": {'
    yield from _members({one.zone: _without(one, "zone") for one in checked})
    yield "}}"


def _without(one: RolloutStatus | CheckStatus, key: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != key}


def _members(found: Mapping[str, Any]) -> Iterator[str]:
    for index, (name, one) in enumerate(found.items(), 1):
        yield f"{json.dumps(name)}: {json.dumps(one)}{',' if index < len(found) else ''}"
