"""Manifests of another shape than this program writes: a real one with each of its values replaced."""

import copy
import json
from collections.abc import Iterator
from typing import Any

# What a value is replaced by, unless it is of the same kind: each as JSON.
_WRONG = {
    "null": "null",
    "true": "true",
    "a number": "7",
    "a huge number": "9" * 5_000,
    "no number": "NaN",
    "infinity": "1e999",
    "a text": '"x"',
    "half a character": '"\\ud800"',
    "a long text": json.dumps("x" * 10_000),
    "a list": "[]",
    "a list of lists": "[[[]]]",
    "a list of numbers": "[1]",
    "an object": "{}",
    "an object with an odd key": '{"\\udfff": 1}',
    "nested": "[" * 3_000 + "]" * 3_000,
}

_PLACE = '"the place of the value"'


def shaped_otherwise(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with a manifest, and its text. Nothing is said of those that happen to be right."""
    with_another_key: set[tuple[str | int, ...]] = set()
    for path in _paths(manifest):
        name = ".".join(map(str, path))
        template = _lines(_with(manifest, path, json.loads(_PLACE)))
        for what, value in _WRONG.items():
            yield f"{name}: {what}", template.replace(_PLACE, value)
        if isinstance(path[-1], str):
            yield f"{name}: missing", _lines(_with(manifest, path, None, delete=True))
        if isinstance(path[-1], str) and path[:-1] not in with_another_key:
            with_another_key.add(path[:-1])
            template = _lines(_with(manifest, (*path[:-1], "another key"), json.loads(_PLACE)))
            for what, value in _WRONG.items():
                yield f"another key beside {name}: {what}", template.replace(_PLACE, value)
    whole = _lines(manifest)
    for what, value in _WRONG.items():
        yield f"all of it: {what}", value
    yield "a key twice", '{\n"outcome": "live",\n"outcome": "refused",' + whole[1:]
    yield "an inner key twice", whole.replace('"plan": {', '"plan": {"edits": [], ', 1)
    yield "nothing", ""
    yield "NUL", "\0" * 100
    yield "cut off", whole[: len(whole) // 2]
    yield "more behind it", whole + "{}"
    yield "a byte order mark", "\xef\xbb\xbf" + whole
    yield "UTF-16", whole.encode("utf-16").decode("latin-1")
    yield "bytes that are no UTF-8", whole.replace('"about"', '"\xff\xfe": 1, "about"') + "\xff"
    yield "another change's", _lines({**manifest, "id": "2026-01-01T00:00:00Z-0000"})


def _lines(manifest: object) -> str:
    """As a host reads it: a line for each key."""
    return json.dumps(manifest, indent=0)


def _paths(value: object, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of each value in a manifest. Of a list, or of objects, the first one stands for all."""
    if before:
        yield before
    if isinstance(value, dict):
        are_alike = len(value) > 1 and all(isinstance(one, dict) for one in value.values())
        for key, one in [*value.items()][: 1 if are_alike else None]:
            yield from _paths(one, (*before, key))
    elif isinstance(value, list) and value:
        yield from _paths(value[0], (*before, 0))


def _with(
    manifest: dict[str, Any], path: tuple[str | int, ...], value: object, *, delete: bool = False
) -> Any:
    changed = copy.deepcopy(manifest)
    found: Any = changed
    for key in path[:-1]:
        found = found[key]
    if delete:
        del found[path[-1]]
    else:
        found[path[-1]] = value
    return changed
