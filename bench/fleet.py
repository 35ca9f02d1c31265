"""The hosts that are measured: the benchmark's own lab, beside the checkout's."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.counts import make_countable
from lab import HostSpec, Lab, LabHost

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".bench"
# A virtual environment for Ansible, Mitogen and the plotting library: the deploy needs none of them.
BENCH_VENV = ROOT / ".venv-bench"
BENCH_PYTHON = BENCH_VENV / "bin" / "python"
DOMAIN = "example.jp"

# The guide's release first: a fleet of one is Debian 13.
_RELEASES = ("trixie", "bookworm")

# The states that are restored between runs.
STOCK, DEPLOYED = "bench-stock", "bench-deployed"


class Fleet:
    """Some hosts of the bench's lab, and the files by which each peer finds them.

    + count: how many hosts, the releases in turn
    + delay: milliseconds added to each round trip
    """

    def __init__(self, lab: Lab, count: int, delay: float) -> None:
        self.count = count
        self.delay = delay
        self.lab = lab
        self.hosts: list[LabHost] = [lab.hosts[spec.name] for spec in specs(count)]
        self.folder = SCRATCH / f"fleet-{count}"
        self.folder.mkdir(exist_ok=True)
        self._write_inventories()
        for host in self.hosts:
            lab.link(host.name).delay(delay)

    @property
    def ssh_config(self) -> Path:
        """The ssh configuration for every peer."""
        return self.lab.ssh_config

    @property
    def pyinfra_inventory(self) -> Path:
        """The hosts for pyinfra."""
        return self.folder / "inventory.py"

    @property
    def ansible_inventory(self) -> Path:
        """The hosts for Ansible."""
        return self.folder / "hosts.ini"

    def restore(self, state: str) -> None:
        """Restore a saved state of every host."""
        self.each(lambda host: host.restore(state))

    def save(self, state: str) -> None:
        """Save the present state of every host."""
        self.each(lambda host: host.save(state))

    def each(self, work: Callable[[LabHost], object]) -> None:
        """Do something to every host, a few at a time; the first failure is raised."""
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(work, self.hosts):
                pass

    def _write_inventories(self) -> None:
        data = {"mail_domain": DOMAIN, "ssh_config_file": str(self.ssh_config)}
        names = [host.name for host in self.hosts]
        self.pyinfra_inventory.write_text(f"bench = ({names!r}, {data!r})\n")
        lines = [f"{name} mail_domain={DOMAIN}\n" for name in names]
        self.ansible_inventory.write_text("".join(lines))


def specs(count: int) -> list[HostSpec]:
    """So many hosts, beginning with `mail1.example.jp`; the releases alternate."""
    return [
        HostSpec(f"mail{number}.{DOMAIN}", _RELEASES[(number - 1) % len(_RELEASES)], DOMAIN)
        for number in range(1, count + 1)
    ]


def boot(lab: Lab, count: int) -> Sequence[LabHost]:
    """Boot so many hosts, make them countable, and save their first state."""
    lab.up(specs(count))
    hosts = [lab.hosts[spec.name] for spec in specs(count)]
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(_prepare, hosts):
            pass
    return hosts


def _prepare(host: LabHost) -> None:
    if STOCK in host.saved():
        return
    make_countable(host)
    host.save(STOCK)
