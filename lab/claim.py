"""Which checkout has which lab number: several checkouts run labs on one machine, each in its own /24.

A claim is a file under /run that names the checkout with the number. It remains after the program that made
it exits, as the lab does. Before the next number is claimed, claims are removed whose lab was never made or
whose checkout was deleted. After a reboot, /run is empty, and there are no claims.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface
from pathlib import Path

from lab.command import LabError, run
from lab.names import COUNT, Names
from lab.process import Process
from lab.state import number_of

RUN = Path("/run/smtp-auth-lab")

# A booted host needs about nine inotify instances, and the kernel allows root 128 in all. A host that gets
# none does not finish its boot.
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_ENOUGH = 4096


class Claims:
    """The claims on this machine.

    + folder: contains the claims
    """

    def __init__(self, folder: Path = RUN) -> None:
        self._folder = folder

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._folder / "lock"
        while True:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # Who had it may have deleted the folder: then the lock is on nothing.
                if path.exists() and path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                    yield
                    return

    def _file(self, number: int) -> Path:
        return self._folder / f"claim-{number}"

    def _held(self) -> dict[int, dict[str, object]]:
        held = {}
        for path in self._folder.glob("claim-*"):
            try:
                claim = json.loads(path.read_text())
            except ValueError:
                claim = {}
            held[int(path.name.removeprefix("claim-"))] = claim
        return held

    def take(self, root: Path, clear: Callable[[int], None]) -> int:
        """Claim a number for the lab of a checkout.

        + root: the checkout
        + clear: removes everything that an abandoned lab with this number left behind
        """
        with self._locked():
            self._drop_abandoned(clear)
            held = self._held()
            used = _networks_in_use()
            for number in range(COUNT):
                names = Names(number)
                if number in held or any(names.network.overlaps(i.network) for i in used):
                    continue
                owner = Process.of(os.getpid())
                _write(
                    self._file(number),
                    json.dumps({"root": str(root), "pid": owner.pid, "start": owner.start}),
                )
                self._raise_limit()
                return number
        raise LabError("every network of 198.18.0.0/15 is taken on this machine")

    def of(self, root: Path) -> list[int]:
        """The numbers of a checkout."""
        return sorted(n for n, claim in self._held().items() if claim.get("root") == str(root))

    def is_free(self, number: int) -> bool:
        """Whether no checkout has a number."""
        return number not in self._held()

    def below(self, root: Path) -> list[Path]:
        """The folders that hold a number: a checkout, and those in it (the benchmark has its own lab)."""
        return [path for path in self._roots() if path.is_relative_to(root)]

    def others(self, root: Path) -> list[str]:
        """The folders outside a checkout that hold a number."""
        return [str(path) for path in self._roots() if not path.is_relative_to(root)]

    def _roots(self) -> list[Path]:
        return sorted({Path(str(claim.get("root"))) for claim in self._held().values()})

    def release(self, number: int) -> None:
        """Release a number; after the last one, also restore the machine's inotify limit."""
        with self._locked():
            self._drop(number)

    @contextmanager
    def cleared(self, root: Path, clear: Callable[[int], None]) -> Iterator[list[str]]:
        """Inside a `with`, nobody claims a number; the checkouts that hold one, other than this one.

        + clear: as for `take`
        """
        if not self._folder.exists():
            yield []
            return
        with self._locked():
            self._drop_abandoned(clear)
            yield self.others(root)

    def _drop_abandoned(self, clear: Callable[[int], None]) -> None:
        for number, claim in self._held().items():
            if self._abandoned(number, claim):
                clear(number)
                self._drop(number)

    def _drop(self, number: int) -> None:
        # In this order: if this program is killed in between, the limit is restored by who drops the claim.
        if self._held().keys() <= {number}:
            self._restore_limit()
        self._file(number).unlink(missing_ok=True)

    def _abandoned(self, number: int, claim: dict[str, object]) -> bool:
        root, pid, start = claim.get("root"), claim.get("pid"), claim.get("start")
        if not (isinstance(root, str) and isinstance(pid, int) and isinstance(start, int)):
            return True
        # Until the lab has recorded its number, the program that claimed it is alive.
        return number_of(Path(root)) != number and not Process(pid, start).alive()

    def _raise_limit(self) -> None:
        before = inotify_limit()
        kept = self._folder / "inotify"
        if before < _INOTIFY_ENOUGH:
            if not kept.exists():
                _write(kept, str(before))
            _INOTIFY.write_text(str(_INOTIFY_ENOUGH))

    def _restore_limit(self) -> None:
        kept = self._folder / "inotify"
        if kept.exists():
            # If somebody else has set the limit since, it stays.
            if inotify_limit() == _INOTIFY_ENOUGH:
                _INOTIFY.write_text(kept.read_text())
            kept.unlink()


def inotify_limit() -> int:
    """How many inotify instances the kernel grants each user now."""
    return int(_INOTIFY.read_text())


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def _networks_in_use() -> list[IPv4Interface]:
    rows = json.loads(run("ip", "-json", "-4", "address").stdout)
    return [
        IPv4Interface(f"{address['local']}/{address['prefixlen']}")
        for row in rows
        for address in row.get("addr_info", [])
        if "local" in address
    ]
