"""The lab as a whole: up and down. Both may be interrupted at any moment."""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from lab import image, mounts, network
from lab.access import write_access
from lab.claim import Claims
from lab.command import LabError, require_machine, run
from lab.fleet import DEFAULT_FLEET, HostSpec
from lab.host import STOCK, LabHost, leftovers
from lab.link import Link
from lab.names import FIRST_HOST, LAST_HOST, Names
from lab.process import Cgroup
from lab.services import Services
from lab.state import FOLDER, HostState, LabState, boot_id, number_of, read

# How many hosts are made at the same time: more than there are cores, because a boot waits as much as it
# works.
_SIDE_BY_SIDE = 6

_In = TypeVar("_In")
_Out = TypeVar("_Out")

Tell = Callable[[str, str, float | None], None]


def _silent(_subject: str, _text: str, _seconds: float | None) -> None:
    pass


def _side_by_side(work: Callable[[_In], _Out], items: Iterable[_In]) -> list[_Out]:
    """The work's results; the first failure is raised after all other work has finished."""
    pool = ThreadPoolExecutor(_SIDE_BY_SIDE)
    try:
        results = list(pool.map(work, items))
    except Exception:
        pool.shutdown()
        raise
    except BaseException:
        # A user who interrupts does not want to wait for the work that still runs.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return results


class Lab:
    """The lab of one checkout.

    As a context manager, it is up inside the block, and removed at the end:

        with Lab(root) as lab:
            lab.hosts["mail1.example.jp"].run("postconf mail_version")

    + root: the checkout, which gets a folder `.lab`
    + tell: called for each step with its subject, what is done, and the seconds that it took, once it is done
    """

    def __init__(self, root: Path, tell: Tell = _silent) -> None:
        self.root = root.resolve()
        self._tell = tell
        self._claims = Claims()
        self._write_lock = threading.Lock()
        self._state: LabState | None = None
        self._hosts: dict[str, LabHost] = {}

    @classmethod
    def load(cls, root: Path) -> "Lab":
        """The running lab of a checkout. Raises a `LabError` if none runs."""
        lab = cls(root)
        state = lab._live()
        if state is None:
            raise LabError(f"no lab runs in {lab.root}: start it with python3 -m lab up")
        lab._adopt(state)
        return lab

    def __enter__(self) -> "Lab":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def folder(self) -> Path:
        """`.lab` in the checkout."""
        return self.root / FOLDER

    @property
    def hosts(self) -> dict[str, LabHost]:
        """The hosts by name, in the order in which they were asked for."""
        return dict(self._hosts)

    @property
    def ssh_config(self) -> Path:
        """The configuration for `ssh -F` and for pyinfra's `ssh_config_file`."""
        return self.folder / "ssh_config"

    @property
    def ca(self) -> Path:
        """The root certificate that a client of the hosts must trust."""
        return self.folder / "ca.pem"

    @property
    def number(self) -> int:
        """The lab's number on this machine, which is part of the names of all its parts."""
        return self._require().number

    @property
    def gateway(self) -> str:
        """The controller's own address in the lab's network."""
        return self._require().names.gateway

    def link(self, host: str) -> Link:
        """The cable between a host and the rest of the lab."""
        state = self._require()
        return Link(state, host, self._record)

    def is_there(self) -> bool:
        """Whether this checkout has a lab, or what is left of one."""
        return self.folder.exists() or bool(self._claims.of(self.root))

    def is_up(self) -> bool:
        """Whether this checkout's lab runs, with or without hosts."""
        return self._live() is not None

    # -- up ---------------------------------------------------------------------------------------

    def up(self, hosts: Sequence[HostSpec] = DEFAULT_FLEET) -> None:
        """Boot these hosts; hosts that are up already stay as they are.

        The remains of an interrupted run are removed first.
        """
        require_machine()
        self.root.mkdir(parents=True, exist_ok=True)
        mounts.require_plain(self.root)
        with self._exclusive():
            state = self._live()
            if state is None:
                self._clean()
                state = self._begin()
            self._adopt(state)
            self._drop_unfinished()
            wanted = [spec for spec in hosts if self._to_make(spec)]
            images = self._images({spec.release for spec in wanted})
            made = [self._plan(spec) for spec in wanted]
            self._record()
            _side_by_side(lambda host: self._make(host, images[host.release]), made)
            asked = [self._hosts[spec.name] for spec in hosts]
            _side_by_side(self._switch_on, [host for host in asked if not host.running()])
            self._write_access()

    def _begin(self) -> LabState:
        started = time.monotonic()
        number = self._claims.take(self.root, clear=lambda n: remove_all(Names(n)))
        state = LabState(self.root, number)
        state.write()
        network.make_bridge(state.names)
        services = Services(state.names, state.folder / "services")
        state.services["dns"] = services.start_dns()
        state.write()
        state.services["acme"] = services.start_acme()
        state.write()
        (state.folder / "ca.pem").write_text(services.issuing_root())
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", state.folder / "key")
        self._tell("network", f"{state.names.network}, DNS and ACME", time.monotonic() - started)
        return state

    def _images(self, releases: Iterable[str]) -> dict[str, Path]:
        state = self._require()

        def one(release: str) -> tuple[str, Path]:
            started = time.monotonic()
            there = image.path(release).is_dir()
            if not there:
                self._tell(release, "making the image, for the first time", None)
            made = image.ensure(release, Cgroup(state.names.cgroup(f"image-{release}")))
            if not there:
                self._tell(release, "image made", time.monotonic() - started)
            return release, made

        return dict(_side_by_side(one, sorted(releases)))

    def _to_make(self, spec: HostSpec) -> bool:
        known = self._require().hosts.get(spec.name)
        if known is not None and known.spec != spec:
            raise LabError(f"{spec.name} is up with another release, domain or user: take the lab down first")
        return known is None

    def _plan(self, spec: HostSpec) -> LabHost:
        state = self._require()
        used = {host.index for host in state.hosts.values()}
        free = next((i for i in range(FIRST_HOST, LAST_HOST + 1) if i not in used), None)
        if free is None:
            raise LabError("the lab's network has no address left for another host")
        # One password for the whole lab, so that people who test a client type it only once. It begins with
        # no "-": swaks would take it for an option.
        password = next((host.password for host in state.hosts.values()), secrets.token_hex(15))
        host = HostState(spec, password, free)
        state.hosts[spec.name] = host
        self._hosts[spec.name] = self._host(host)
        return self._hosts[spec.name]

    def _make(self, host: LabHost, base: Path) -> None:
        state = self._require()
        started = time.monotonic()
        keys = (self.folder / "key.pub").read_text()
        api = (self.folder / "services" / "api.pem").read_text()
        host.create(base, keys, [api, self.ca.read_text()])
        host.power_on()
        host.wait_ready()
        host.issue_certificate()
        host.save(STOCK)
        state.hosts[host.name].ready = True
        self._record()
        self._tell(host.name, f"{host.release} at {host.address}", time.monotonic() - started)

    def _switch_on(self, host: LabHost) -> None:
        started = time.monotonic()
        host.power_on()
        host.wait_ready()
        self._tell(host.name, "switched on again", time.monotonic() - started)

    def _drop_unfinished(self) -> None:
        state = self._require()
        for name, host in list(state.hosts.items()):
            if not host.ready:
                self._take_out(name)
        self._record()

    def remove(self, name: str) -> None:
        """Remove one host from the running lab."""
        with self._exclusive():
            self._take_out(name)
            self._record()
            self._write_access()

    def _take_out(self, name: str) -> None:
        self.link(name).unplug()
        self._hosts.pop(name).remove()
        del self._require().hosts[name]

    # -- down -------------------------------------------------------------------------------------

    def down(self) -> None:
        """Remove everything that the lab of this checkout has ever made, in any state."""
        require_machine()
        if not self.root.is_dir():
            return
        with self._exclusive():
            started = time.monotonic()
            there = self.is_there()
            self._clean()
            self._state = None
            self._hosts = {}
            if there:
                self._tell("lab", "removed", time.monotonic() - started)

    def _clean(self) -> None:
        numbers = set(self._claims.of(self.root))
        recorded = number_of(self.root)
        if recorded is not None and self._claims.is_free(recorded):
            # Somebody emptied /run: the number is still ours if no other lab has claimed it.
            numbers.add(recorded)
        for number in numbers:
            remove_all(Names(number))
        if self.folder.exists():
            run("rm", "-rf", "--one-file-system", self.folder)
        # Last: while the claim exists, no other lab takes the number.
        for number in numbers:
            self._claims.release(number)

    # -- state ------------------------------------------------------------------------------------

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Lock the lab of a checkout: only one program changes it at a time."""
        # The lock is on the checkout itself: it exists before the lab's folder and after it.
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _live(self) -> LabState | None:
        """The recorded lab if it runs: of this boot, claimed, and with its services alive."""
        try:
            state = read(self.root)
        except LabError:
            return None
        if state is None or state.boot != boot_id():
            return None
        if state.number not in self._claims.of(self.root):
            return None
        alive = {name for name, process in state.services.items() if process.alive()}
        return state if {"dns", "acme"} <= alive and self._has_keys() else None

    def _has_keys(self) -> bool:
        # The key is made last before the first host. If it is missing, `up` was interrupted.
        return (self.folder / "key.pub").is_file()

    def _adopt(self, state: LabState) -> None:
        self._state = state
        self._hosts = {name: self._host(host) for name, host in state.hosts.items()}

    def _host(self, host: HostState) -> LabHost:
        state = self._require()
        services = Services(state.names, state.folder / "services")
        return LabHost(host, state, services, self._record)

    def _require(self) -> LabState:
        if self._state is None:
            raise LabError("the lab is not up")
        return self._state

    def _record(self) -> None:
        with self._write_lock:
            self._require().write()

    def _write_access(self) -> None:
        write_access(self.folder, self._hosts.values())


def remove_all(names: Names) -> None:
    """Remove everything with a lab's number in its name: processes first, because they use the rest."""
    Cgroup(names.bridge).kill()
    mounts.remove(names)
    network.remove_all(names)
    for index in range(FIRST_HOST, LAST_HOST + 1):
        for leftover in leftovers(names.machine(index)):
            leftover.rmdir()
