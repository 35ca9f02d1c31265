"""What is measured on which fleet, and how often: usually, and in full."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from bench.peers import ANSIBLE, MITOGEN, Peer
from bench.works import FIRST, NOTHING, ONE, WORKS, Work

_SLOW = (ANSIBLE, MITOGEN)


@dataclass(frozen=True)
class Scenario:
    """A fleet, the works measured on it, and how often.

    + hosts: how many
    + delay: milliseconds added to each round trip
    + works: in the order in which they are measured
    + runs: counted runs of each peer, after one that warms up
    + slow_runs: the same for Ansible, with Mitogen and without
    """

    hosts: int
    delay: float
    works: tuple[Work, ...]
    runs: int
    slow_runs: int

    def counted_runs(self, peer: Peer) -> int:
        """How often this peer is timed."""
        return self.slow_runs if peer in _SLOW else self.runs


# What people compare, in less than half an hour. There are more runs where they differ more: the spread is
# widest on 4 hosts. Ansible on 16 hosts takes a minute a run, and such runs differ by a few per cent only.
_COMPARED = (NOTHING, FIRST, ONE)
USUAL = (
    Scenario(4, 0, _COMPARED, runs=5, slow_runs=2),
    Scenario(1, 0, _COMPARED, runs=3, slow_runs=2),
    Scenario(16, 0, _COMPARED, runs=3, slow_runs=1),
)

# Dry runs, verification and hosts that are far away, too; one and a half hours.
FULL = tuple(
    Scenario(hosts, delay, tuple(WORKS.values()), runs=5, slow_runs=5)
    for hosts, delay in ((4, 0), (1, 0), (4, 50), (16, 0))
)


def part(hosts: Collection[int], delays: Collection[float], works: Collection[str]) -> tuple[Scenario, ...]:
    """Some of what is measured in full.

    + hosts, delays, works: what it is limited to; nothing in one of them stands for everything
    """
    found = []
    for scenario in FULL:
        chosen = tuple(work for work in scenario.works if not works or work.name in works)
        fits = (not hosts or scenario.hosts in hosts) and (not delays or scenario.delay in delays)
        if fits and chosen:
            found.append(replace(scenario, works=chosen))
    return tuple(found)
