"""The lab for pytest: a test that needs real hosts asks for the fixture `lab`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.command import LabError
from lab.lab import Lab
from lab.watch import watched

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab of this checkout with the default fleet, booted unless it runs already.

    It is removed at the end only if it was booted for these tests, and then also if the tests are killed. On
    a machine that cannot run it, the tests fail: a test that did not run has not passed.
    """
    lab = Lab(ROOT)
    if lab.is_up():
        _up(lab)
        yield lab
        return
    with watched(ROOT):
        _up(lab)
        yield lab
        lab.down()


def _up(lab: Lab) -> None:
    try:
        lab.up()
    except LabError as error:
        pytest.fail(f"the lab cannot be booted: {error}", pytrace=False)
