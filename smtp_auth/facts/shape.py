"""JSON from a host's record: read, and compared with the shape that this program has written.

Somebody may have edited it, and a host may answer anything. So a value that has passed holds what its readers
expect of it, and nothing that cannot be shown or written.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A shape is a type; `None`; a function that says whether a value has the shape; several of these, of which
# one has to fit; a list of one shape for all elements; or a dictionary of keys that must be there. A key may
# be `ANY`, for whatever the keys are, and the shape of a key `Maybe`.
Shape = Any

ANY = object()


@dataclass(frozen=True)
class Maybe:
    """The shape of a key that may be missing."""

    shape: Shape


def parsed(json_text: str, shape: Shape) -> Any:
    """Read JSON. Raises `ValueError` if it is none, or has another shape."""
    try:
        found = json.loads(json_text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite)
        _check(found, shape, "it")
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return found


def text(value: object) -> bool:
    """Whether a value is a text that can be written as UTF-8: JSON may have halves of characters."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


# In a table, all lines become as long as the longest.
_LONGEST = 4_000


def line(value: object) -> bool:
    """Whether a value is a text for a column of a table."""
    return text(value) and len(str(value)) <= _LONGEST


def mode(value: object) -> bool:
    """Whether a value is the mode of a file, such as `0644`; or empty."""
    return isinstance(value, str) and re.fullmatch("[0-7]{0,4}", value) is not None


def _check(value: object, shape: Shape, what: str) -> None:
    """Raise `ValueError` if a value has another shape. + what: what it is called"""
    if isinstance(shape, tuple):
        if not any(_fits(value, one) for one in shape):
            raise ValueError(f"{what} is of another kind")
    elif isinstance(shape, list) and isinstance(value, list):
        for one in value:
            _check(one, shape[0], f"a part of {what}")
    elif isinstance(shape, Mapping) and isinstance(value, Mapping):
        for key, inner in shape.items():
            for name in value if key is ANY else (key,):
                _check_key(value, name, inner, what)
    elif not _fits(value, shape):
        raise ValueError(f"{what} is of another kind")


def _check_key(value: Mapping[str, object], key: str, shape: Shape, what: str) -> None:
    if key in value and text(key):
        _check(value[key], shape.shape if isinstance(shape, Maybe) else shape, f"{what}.{key}")
    elif key in value or not isinstance(shape, Maybe):
        raise ValueError(f"{what} has no {key!r}")


def _fits(value: object, shape: Shape) -> bool:
    if isinstance(shape, type):
        return type(value) is shape
    if callable(shape):
        return bool(shape(value))
    return value is shape


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # The host reads the first, and Python the last.
        raise ValueError("it has a key twice")
    return found


def _finite(number: str) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise ValueError(f"{number} is no number of JSON")
    return found
