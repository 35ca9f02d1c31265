"""What the tests on real hosts share."""

import pytest

from tests.fleet.deploying import Run, deploy, succeed
from tests.lab.host import LabHost
from tests.lab.lab import Lab

# One host of each Debian release.
RELEASES = ("mail1.example.jp", "mail2.example.jp")
FLEET = (*RELEASES, "mail1.example.net", "mail2.example.net")


@pytest.fixture
def stock(lab: Lab) -> list[LabHost]:
    """A host of each release as it was before any deploy."""
    hosts = [lab.hosts[name] for name in RELEASES]
    for host in hosts:
        host.reset()
    return hosts


@pytest.fixture(scope="module")
def deployed(lab: Lab) -> Run:
    """The whole fleet, stock before, after one plain deploy; what that printed."""
    for name in FLEET:
        lab.hosts[name].reset()
    return succeed(deploy([lab.hosts[name] for name in FLEET]))
