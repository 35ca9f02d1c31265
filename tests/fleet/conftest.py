"""What the tests on real hosts share."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from bench.fleet import specs
from lab.fixtures import lab
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import Run, data_of, deploy, side_by_side, succeed

__all__ = ["lab"]

# One host of each Debian release.
RELEASES = ("mail1.example.jp", "mail2.example.jp")
FLEET = (*RELEASES, "mail1.example.net", "mail2.example.net")

# Which of the two is the first one.
ORDERS = {"Debian 12": slice(None), "Debian 13": slice(None, None, -1)}

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


@dataclass(frozen=True)
class Several:
    """Hosts of one lab, as before any deploy: the releases alternate. + data: see `data_of`"""

    hosts: list[LabHost]
    data: Mapping[str, Any]


@pytest.fixture(params=["four", pytest.param("twelve", marks=pytest.mark.every_case)])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    """The four hosts of the lab; or twelve, of a lab of their own."""
    if request.param == "four":
        usual: Lab = request.getfixturevalue("lab")
        hosts = [usual.hosts[name] for name in FLEET]
        side_by_side(LabHost.reset, hosts)
        yield Several(hosts, data_of(usual))
        return
    own = Lab(tmp_path_factory.mktemp("twelve"))
    try:
        own.up(specs(12))
        yield Several([own.hosts[spec.name] for spec in specs(12)], data_of(own))
    finally:
        own.down()


@pytest.fixture(scope="module")
def deployed(lab: Lab) -> Run:
    """One plain deploy to the whole stock fleet; what it printed."""
    for name in FLEET:
        lab.hosts[name].reset()
    return succeed(deploy([lab.hosts[name] for name in FLEET]))
