"""Zones: network namespaces on the lab's bridge that reach some of its hosts, and no others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from lab import network
from lab.host import LabHost
from lab.lab import Lab
from lab.names import LAST_HOST, Names


@contextmanager
def zones(lab: Lab, hosts: Mapping[str, Sequence[LabHost]]) -> Iterator[dict[str, list[str]]]:
    """Two zones or more, inside the `with`.

    + hosts: those that each zone reaches, by its name; all others are those of other zones

    Yields the words before a command that run it in a zone, by the zone's name.
    """
    names, every = Names(lab.number), [host for them in hosts.values() for host in them]
    with ExitStack() as made:
        # The lab's hosts leave these addresses free.
        for index, zone in enumerate(hosts, LAST_HOST + 1):
            made.callback(network.remove_host, names, f"zone-{zone}", index)
            others = [host.address for host in every if host not in hosts[zone]]
            network.make_zone(names, f"zone-{zone}", index, others)
        yield {zone: ["nsenter", f"--net=/run/netns/{names.netns(f'zone-{zone}')}", "--"] for zone in hosts}
