"""An inventory with many entries over the lab's few hosts.

    python -m tests.fleet.many_entries COUNT FOLDER     writes FOLDER/inventory.py; the lab has to be up

Ask no more than `AT_ONCE` of them at the same time: sshd turns connections away at random if a host has more
than ten that have not logged in yet (MaxStartups).
"""

import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import Lab
from lab.host import LabHost
from tests.fleet.deploying import ROOT

# With the lab's four hosts.
AT_ONCE = 40


def write_inventory(
    hosts: Sequence[LabHost],
    count: int,
    folder: Path,
    further: Mapping[str, Any] | None = None,
    only: Container[str] | None = None,
) -> Path:
    """An inventory with so many names, of the hosts in turn. The first names are the hosts' own.

    + folder: gets the inventory and its SSH configuration
    + further: data of all hosts
    + only: of these names alone
    """
    hosts_of = {host.name: host for host in hosts}
    for number in range(len(hosts), count):
        host = hosts[number % len(hosts)]
        hosts_of[f"mx{number:04}.{host.name}"] = host
    config = (ROOT / ".lab" / "ssh_config").read_text()
    for host in hosts:
        config = config.replace(f"Host {host.name}\n", f"Host {host.name} *.{host.name}\n")
    (folder / "ssh_config").write_text(config)
    entries = [
        (name, {"mail_domain": host.domain, "mail_hostname": host.name})
        for name, host in hosts_of.items()
        if only is None or name in only
    ]
    data = {**(further or {}), "ssh_config_file": str(folder / "ssh_config")}
    inventory = folder / "inventory.py"
    inventory.write_text(f"entries = ({entries!r}, {data!r})\n")
    return inventory


@contextmanager
def as_many_machines(hosts: Sequence[LabHost]) -> Iterator[None]:
    """Inside the `with`, no host says which machine it is, so that each of its names counts as one."""
    for host in hosts:
        host.run("mount --bind /dev/null /etc/machine-id")
    try:
        yield
    finally:
        for host in hosts:
            host.run("umount /etc/machine-id")


def main() -> None:
    """Write an inventory for the checkout's lab."""
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    print(write_inventory([*Lab.load(ROOT).hosts.values()], count, folder))


if __name__ == "__main__":
    main()
