"""How people and programs reach the hosts: `.lab/ssh_config` and `.lab/known_hosts`."""

from collections.abc import Iterable
from pathlib import Path

from lab.host import LabHost


def write_access(folder: Path, hosts: Iterable[LabHost]) -> None:
    """Write both files for these hosts."""
    known, config = [], ["# Made by the lab; `down` removes it."]
    for host in hosts:
        # OpenSSH looks up a host by its address, paramiko by name or address.
        known += [f"{host.name},{host.address} {key}" for key in host.host_keys()]
        config += [
            "",
            f"Host {host.name}",
            f"    HostName {host.address}",
            "    User root",
            f"    IdentityFile {folder / 'key'}",
            "    IdentitiesOnly yes",
            f"    UserKnownHostsFile {folder / 'known_hosts'}",
            "    StrictHostKeyChecking yes",
        ]
    for name, lines in (("known_hosts", known), ("ssh_config", config)):
        new = folder / f".{name}.new"
        new.write_text("".join(f"{line}\n" for line in lines))
        new.replace(folder / name)
