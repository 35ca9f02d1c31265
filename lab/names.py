"""Everything that belongs to a lab has the lab's number in its name, so that it can always be found again.

A lab claims its number (see `claim`). The number determines the lab's network and the names of its bridge,
interfaces, namespaces, mounts and cgroups. With the number and the lab's folder, the lab can be removed
completely, even if the program that made it died.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network

# Reserved for measurements between networks (RFC 2544), so nobody else uses these addresses.
_ALL = list(IPv4Network("198.18.0.0/15").subnets(new_prefix=24))

COUNT = len(_ALL)
FIRST_HOST = 10
LAST_HOST = 250


@dataclass(frozen=True)
class Names:
    """The names that contain a lab's number."""

    number: int

    @property
    def network(self) -> IPv4Network:
        """The lab's own /24."""
        return _ALL[self.number]

    @property
    def gateway(self) -> str:
        """The controller's address on the bridge, where DNS and the ACME authority listen too."""
        return str(self.network[1])

    def address(self, index: int) -> str:
        """A host's address."""
        return str(self.network[index])

    @property
    def bridge(self) -> str:
        """The bridge's name; also the source of the lab's mounts and the name of its cgroup."""
        return f"mlab{self.number}"

    def veth(self, index: int) -> str:
        """The controller's end of a host's cable; an interface's name has at most 15 characters."""
        return f"{self.bridge}h{index}"

    def tap(self, index: int) -> str:
        """The bridge's end of a host's cable while the cable is delayed (see `wire`)."""
        return f"{self.bridge}t{index}"

    def machine(self, index: int) -> str:
        """The name under which systemd-nspawn runs a host."""
        return f"{self.bridge}-{index}"

    def netns(self, host: str) -> str:
        """A host's network namespace."""
        return f"{self.bridge}-{host}"

    def cgroup(self, part: str) -> str:
        """The cgroup of a host, or of another part of the lab."""
        return f"{self.bridge}/{part}"
