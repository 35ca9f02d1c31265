"""Runs a test in another time zone than that of this machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """Inside the `with`, local time is that of a zone. + name: as in the variable `TZ`, such as `CET-1`"""
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("TZ", name)
            time.tzset()
            yield
    finally:
        time.tzset()
