"""The queue over booted hosts: two zones, of which neither reaches the other's hosts, two workers each."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.host import LabHost
from lab.lab import Lab
from lab.zones import zones
from tests.fleet.commands import smtp_auth
from tests.fleet.conftest import FLEET, ORDERS
from tests.fleet.deploying import LEFTOVERS, data_of, inventory_of, side_by_side
from tests.fleet.test_in_the_middle import CHANGE_BEGUN, DPKG, HELD, locked
from tests.fleet.test_undo import live
from tests.postgresql import PostgreSQL
from tests.processes import wait_for
from tests.queues import Queue, Worker, queue_of

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Zones:
    """Two zones with the lab's hosts: one of each release.

    + inside: the words before a command that run it in a zone, by its name
    + data: that of all hosts; + per_host: by their names
    """

    hosts: Mapping[str, Sequence[LabHost]]
    inside: Mapping[str, list[str]]
    queue: Queue
    data: Mapping[str, Any]
    per_host: Mapping[str, Mapping[str, Any]]
    folder: Path

    @property
    def all(self) -> list[LabHost]:
        return [host for them in self.hosts.values() for host in them]

    @property
    def canary(self) -> LabHost:
        """The host of the first wave in the zone whose workers are disturbed."""
        return self.hosts["tokyo"][0]

    def put_in(self) -> str:
        """Plan both releases of both zones in two waves, and put that in the queue. Returns the run's ID."""
        plan, first = self.folder / "plan.json", [them[0].name for them in self.hosts.values()]
        canaries = [word for one in first for word in ("--first", one)]
        options = ["--out", str(plan), "--waves", "2,100%", *canaries]
        done = smtp_auth("plan", self.all, *options, data=self.data, per_host=self.per_host)
        assert done.status == 0, done.progress
        put = self.queue("rollout", "--plan", str(plan), "--yes")
        assert put.returncode == 0, put.stderr
        ((run,),) = self.queue.server.rows("SELECT run FROM smtp_auth_rollouts")
        return str(run)

    def worker(self, zone: str) -> Worker:
        """Start a worker, with the inventory of its zone alone."""
        inventory = self.folder / f"{zone}.py"
        inventory.write_text(inventory_of(self.hosts[zone], self.data, self.per_host))
        return self.queue.worker("--zone", zone, "--inventory", str(inventory), before=self.inside[zone])

    def of_tokyo(self) -> Worker:
        """The worker that has the disturbed zone's slice."""
        query = "SELECT worker FROM smtp_auth_slices WHERE zone = 'tokyo' AND state = 'under way'"
        wait_for(lambda: self.queue.server.rows(query), "no worker takes the slice")
        ((name,),) = self.queue.server.rows(query)
        return next(one for one in self.queue.workers if str(name).endswith(f" {one.process.pid}"))


@pytest.fixture
def two_zones(
    request: pytest.FixtureRequest, lab: Lab, server: PostgreSQL, tmp_path: Path
) -> Iterator[Zones]:
    side_by_side(LabHost.reset, [lab.hosts[name] for name in FLEET])
    order = ORDERS[request.param]
    hosts = {
        "tokyo": [lab.hosts[name] for name in FLEET[:2][order]],
        "osaka": [lab.hosts[name] for name in FLEET[2:][order]],
    }
    data = data_of(lab)
    per_host = {host.name: {"zone": zone} for zone, them in hosts.items() for host in them}
    with zones(lab, hosts) as inside, queue_of(server, tmp_path, {}) as queue:
        yield Zones(hosts, inside, queue, data, per_host, tmp_path)


def _undisturbed(zones: Zones) -> None:
    for zone in zones.hosts:
        others = [host.address for host in zones.all if host not in zones.hosts[zone]]
        own = [host.address for host in zones.hosts[zone]]
        assert [_is_reached(zones.inside[zone], address) for address in (*own, *others)] == [True] * 2 + [
            False
        ] * 2


def _is_reached(inside: Sequence[str], address: str) -> bool:
    program = f"import socket; socket.create_connection(('{address}', 22), 5)"
    return subprocess.run([*inside, sys.executable, "-c", program], stderr=subprocess.DEVNULL).returncode == 0


def _killed_before_the_change(zones: Zones) -> None:
    zones.of_tokyo().kill()


def _killed_in_the_change(zones: Zones) -> None:
    with locked(zones.canary, DPKG):
        worker = zones.of_tokyo()
        _wait_for_the_change(zones)
        worker.kill()


def _wait_for_the_change(zones: Zones) -> None:
    wait_for(lambda: zones.canary.run(CHANGE_BEGUN, check=False).returncode == 0, "no change begins")


def _killed_after_the_change(zones: Zones) -> None:
    worker = zones.of_tokyo()
    wait_for(lambda: live(zones.canary), "no change is made")
    worker.kill()


def _hung_in_the_change(zones: Zones) -> None:
    with locked(zones.canary, DPKG):
        worker = zones.of_tokyo()
        _wait_for_the_change(zones)
        # What it has started goes on, and nobody hears of either.
        worker.process.send_signal(signal.SIGSTOP)
        connections = _connections(zones.canary)
        wait_for(lambda: zones.of_tokyo() is not worker, "no other worker takes the slice")
        worker.process.send_signal(signal.SIGCONT)
        wait_for(lambda: _connections(zones.canary) > connections, "the other worker does not come")


def _connections(host: LabHost) -> int:
    return len(host.run("pgrep -f '^sshd.*: root'", check=False).stdout.split())


def _database_stopped_in_the_change(zones: Zones) -> None:
    with locked(zones.canary, DPKG):
        zones.of_tokyo()
        _wait_for_the_change(zones)
        zones.queue.server.stop()
        zones.canary.run(f"rm {HELD}")
        wait_for(lambda: live(zones.canary), "the change under way does not end")
    zones.queue.server.start()


def _same_slice_twice(zones: Zones) -> None:
    for _ in range(2):
        zones.queue.copy_a_job()


_DISTURBED = (
    _undisturbed,
    _killed_before_the_change,
    _killed_in_the_change,
    _killed_after_the_change,
    _hung_in_the_change,
    _database_stopped_in_the_change,
    _same_slice_twice,
)


@pytest.mark.parametrize(
    ("disturb", "two_zones"),
    [
        pytest.param(disturb, release, id=f"{disturb.__name__.strip('_').replace('_', ' ')}, {release}")
        for disturb in _DISTURBED
        for release in ORDERS
    ],
    indirect=["two_zones"],
)
def test_every_host_is_changed_once(two_zones: Zones, disturb: Callable[[Zones], None]) -> None:
    run = two_zones.put_in()
    for zone in two_zones.hosts:
        for _ in range(2):
            two_zones.worker(zone)
    disturb(two_zones)
    two_zones.queue.wait_until("done")
    assert two_zones.queue("status").returncode == 0
    assert [live(host) for host in two_zones.all] == [[run]] * 4
    assert [host.run(LEFTOVERS).stdout for host in two_zones.all] == [""] * 4
    # Nothing is left to do, for whoever reaches them all.
    checked = smtp_auth("plan", two_zones.all, "--check", data=two_zones.data, per_host=two_zones.per_host)
    assert checked.status == 0, checked.output
