"""What the tests on real hosts share."""

from collections.abc import Callable
from typing import Any

import pytest

from lab.fixtures import lab
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import Run, deploy, succeed

__all__ = ["lab"]

# One host of each Debian release.
RELEASES = ("mail1.example.jp", "mail2.example.jp")
FLEET = (*RELEASES, "mail1.example.net", "mail2.example.net")

_MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keeps a line of a test's figures, to be printed at the end of the run."""
    return pytestconfig.stash.setdefault(_MEASURED, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the lines of `measured`."""
    lines = config.stash.get(_MEASURED, [])
    if lines:
        terminalreporter.section("measured")
    for line in lines:
        terminalreporter.write_line(line)


@pytest.fixture
def stock(lab: Lab) -> list[LabHost]:
    """One host per release, as before any deploy."""
    hosts = [lab.hosts[name] for name in RELEASES]
    for host in hosts:
        host.reset()
    return hosts


@pytest.fixture(scope="module")
def deployed(lab: Lab) -> Run:
    """One plain deploy to the whole stock fleet; what it printed."""
    for name in FLEET:
        lab.hosts[name].reset()
    return succeed(deploy([lab.hosts[name] for name in FLEET]))
