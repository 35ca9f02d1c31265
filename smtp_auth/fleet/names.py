"""The order of hosts for people."""

import re
from collections.abc import Iterable


def in_order(names: Iterable[str]) -> list[str]:
    """Names sorted as people do: mail2 is before mail10."""
    return sorted(names, key=_key)


def _key(name: str) -> list[tuple[int, str]]:
    # Every other part is a number.
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts)]
