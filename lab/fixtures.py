"""The lab for pytest: a test that needs real hosts asks for the fixture `lab`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.command import LabError
from lab.lab import Lab

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab of this checkout with the default fleet, booted unless it runs already.

    It is removed at the end only if it was booted for these tests. On a machine that cannot run it, the tests
    fail: a test that did not run has not passed.
    """
    lab = Lab(ROOT)
    was_up = lab.is_up()
    try:
        lab.up()
    except LabError as error:
        if not was_up:
            with contextlib.suppress(LabError):
                lab.down()
        pytest.fail(f"the lab cannot be booted: {error}", pytrace=False)
    yield lab
    if not was_up:
        lab.down()
