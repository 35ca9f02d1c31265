"""`.lab/lab.json`: the parts of a lab, recorded before they are made.

The file is replaced as a whole, so it is never incomplete. It contains the mailbox passwords, so only its
owner can read it.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.command import LabError
from lab.fleet import HostSpec
from lab.names import Names
from lab.process import Process

FOLDER = ".lab"


def boot_id() -> str:
    """The ID of this boot of the machine; of a lab from an earlier boot, only files are left."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass
class HostState:
    """One host as recorded.

    + index: its place in the lab's network
    + process: the shell that starts systemd-nspawn for each of its boots; None while it is off
    + ready: whether it was made to the end, certificate and stock state included
    """

    spec: HostSpec
    password: str
    index: int
    process: Process | None = None
    ready: bool = False


@dataclass
class LabState:
    """A lab as recorded.

    + services: the processes that serve all hosts (DNS, ACME), and those that slow cables down
    """

    root: Path
    number: int
    boot: str = field(default_factory=boot_id)
    services: dict[str, Process] = field(default_factory=dict)
    hosts: dict[str, HostState] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        """The names of the lab's parts."""
        return Names(self.number)

    @property
    def folder(self) -> Path:
        """`.lab` in the checkout."""
        return self.root / FOLDER

    def host_folder(self, name: str) -> Path:
        """The folder of one host's file system and saved states."""
        return self.folder / "hosts" / name

    def write(self) -> None:
        """Write the state to the disk as a whole."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        text = json.dumps(self.as_json(), indent=2) + "\n"
        new = self.folder / ".lab.json.new"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        new.replace(self.folder / "lab.json")

    def as_json(self) -> dict[str, Any]:
        """The state as it is written: the decisions, and the values that other readers derive from them."""
        names = self.names
        return {
            "boot": self.boot,
            "number": self.number,
            "network": str(names.network),
            "bridge": names.bridge,
            "gateway": names.gateway,
            "services": {name: _process(process) for name, process in self.services.items()},
            "hosts": {
                name: {
                    "release": host.spec.release,
                    "domain": host.spec.domain,
                    "address": names.address(host.index),
                    "user": host.spec.user,
                    "password": host.password,
                    "index": host.index,
                    "process": _process(host.process),
                    "ready": host.ready,
                    "netns": names.netns(name),
                    "interface": names.veth(host.index),
                    "mount": str(self.host_folder(name) / "root"),
                }
                for name, host in self.hosts.items()
            },
        }


def _process(process: Process | None) -> dict[str, int] | None:
    return None if process is None else {"pid": process.pid, "start": process.start}


def _read_process(data: dict[str, int] | None) -> Process | None:
    return None if data is None else Process(int(data["pid"]), int(data["start"]))


def read(root: Path) -> LabState | None:
    """The lab recorded in a checkout; None without a record. Raises a `LabError` for an unreadable one."""
    path = root / FOLDER / "lab.json"
    try:
        data = json.loads(path.read_text())
        services = {n: _read_process(p) for n, p in data["services"].items()}
        return LabState(
            root=root,
            number=int(data["number"]),
            boot=str(data["boot"]),
            services={n: p for n, p in services.items() if p is not None},
            hosts={
                name: HostState(
                    spec=HostSpec(name, host["release"], host["domain"], host["user"]),
                    password=str(host["password"]),
                    index=int(host["index"]),
                    process=_read_process(host["process"]),
                    ready=bool(host["ready"]),
                )
                for name, host in data["hosts"].items()
            },
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LabError(f"{path} is not a lab's record: remove the lab with python3 -m lab down") from None


def number_of(root: Path) -> int | None:
    """The number of the lab that a checkout has in this boot of the machine."""
    try:
        state = read(root)
    except (LabError, OSError):
        return None
    return state.number if state is not None and state.boot == boot_id() else None
