"""A disk of its own for a host: what was on it at a moment is kept, and the host is booted from that.

The host's files lie on a file system on a loop device. A clone of the file behind that device is what a disk
has if the power is cut: it lacks what was not synced. Where it can be, the file system is mounted so that it
writes nothing by itself for ten minutes. The clone shares the file's blocks (`cp --reflink=always`), so it is
of one moment. A plain copy is not: it may have a later write without an earlier one. Reflinks need btrfs.

All of it is mounted in a mount namespace of its own, which a process of the lab holds. Without that process
and the host, mounts and loop devices are gone. Mounted for everybody, they would last as long as a host that
booted meanwhile: its systemd has an open file in the tree of mounts that it was started in.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from lab import image
from lab.command import LabError, run, wait_until
from lab.host import LabHost
from lab.process import Cgroup, Process

# What makes a file system, and how it is mounted.
KINDS = {
    "ext4": (("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"), "commit=600"),
    "xfs": (("mkfs.xfs", "-q"), "defaults"),
    "btrfs": (("mkfs.btrfs", "-q"), "commit=600"),
}

# Only what is written takes space on the controller.
_SIZE = "1G"
_SIZE_OF_ALL = "8G"


class Disk:
    """The disk of a host, inside `on_disk`.

    + kind: its file system, one of `KINDS`
    """

    def __init__(self, host: LabHost, kind: str) -> None:
        self.host = host
        self._kind = kind
        # The process that holds the mounts is not one of the host's own, and ends with the lab.
        self._cgroup = Cgroup(f"{host.machine.partition('-')[0]}/disk-{host.name}")
        self._folder = host.folder / "disk"
        self._all = self._folder / "all"
        self._mount = self._folder / "mount"
        self._holder: Process | None = None

    def make(self) -> None:
        """Put the files of the host, which is off, on a new disk."""
        for folder in (self._all, self._mount):
            folder.mkdir(parents=True)
        hold = ["unshare", "--mount", "--propagation=private", "sleep", "infinity"]
        holder = Process.of(self._cgroup.start(hold, self._folder / "log", env={}).pid)
        ours = Path("/proc/self/ns/mnt").readlink()
        wait_until(lambda: Path(f"/proc/{holder.pid}/ns/mnt").readlink() != ours, "a mount namespace")
        self._holder = holder
        backing = self._folder / f"{self.host.machine}-disks"
        self._format(backing, _SIZE_OF_ALL, "btrfs")
        self._run("mount", "-o", "loop", backing, self._all)
        self._format(self._seen("present"), _SIZE, self._kind)
        self._insert("present")
        self._run("cp", "-a", self.host.folder / "upper", self._mount)
        self._run("mkdir", self._mount / "work")
        self._run("umount", self._root)
        self._mount_root()
        self.host.see_mounts_of(holder)

    def remove(self) -> None:
        """Give the host, which is off, the files that it had before it had a disk."""
        self.host.see_mounts_of(None)
        self._cgroup.kill()
        wait_until(self._is_gone, f"the end of the loop devices of {self.host.name}")
        run("rm", "-rf", "--one-file-system", self._folder)

    def sync(self) -> None:
        """Write to the disk all that the host's programs have written."""
        self._run("sync", "--file-system", self._mount)

    def writes(self) -> int:
        """How many writes the disk has had. It has the same content as long as they are no more."""
        source = self._run("findmnt", "--noheadings", "--output=SOURCE", self._mount)
        return int(Path("/sys/block", Path(source.strip()).name, "stat").read_text().split()[4])

    def keep(self, name: str) -> None:
        """Keep what is on the disk now, under a name."""
        run("cp", "--reflink=always", self._seen("present"), self._seen(name))

    def put_back(self, name: str) -> None:
        """Give the disk what was kept under a name; the host is off."""
        for mount in (self._root, self._mount):
            # The kernel releases a killed host's own mounts shortly after its last process.
            wait_until(partial(self._unmounted, mount), f"the end of the mount {mount}")
        run("cp", "--reflink=always", self._seen(name), self._seen("present"))
        self._insert("present")
        self._mount_root()

    @property
    def _root(self) -> Path:
        return self.host.folder / "root"

    def _run(self, *words: str | Path) -> str:
        """Run a program in the mount namespace of the disk; returns what it prints."""
        assert self._holder is not None
        return run("nsenter", f"--target={self._holder.pid}", "--mount", "--", *words).stdout

    def _insert(self, name: str) -> None:
        self._run("mount", "-o", f"loop,{KINDS[self._kind][1]}", self._file(name), self._mount)

    def _mount_root(self) -> None:
        lower, upper, work = image.path(self.host.release), self._mount / "upper", self._mount / "work"
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        self._run("mount", "-t", "overlay", "-o", options, self.host.machine, self._root)

    def _unmounted(self, mount: Path) -> bool:
        with suppress(LabError):
            self._run("umount", mount)
            return True
        return False

    def _is_gone(self) -> bool:
        # The loop devices end by themselves when the file systems do.
        for file in Path("/sys/block").glob("loop*/loop/backing_file"):
            # Another one may end meanwhile.
            with suppress(OSError):
                if Path(file.read_text()).name.startswith(f"{self.host.machine}-"):
                    return False
        return True

    def _file(self, name: str) -> Path:
        return self._all / f"{self.host.machine}-{name}"

    def _seen(self, name: str) -> Path:
        assert self._holder is not None
        return Path(f"/proc/{self._holder.pid}/root{self._file(name)}")

    @staticmethod
    def _format(file: Path, size: str, kind: str) -> None:
        run("truncate", f"--size={size}", file)
        run(*KINDS[kind][0], file)


@contextmanager
def on_disk(host: LabHost, kind: str) -> Iterator[Disk]:
    """Inside a `with`, a host has its files on a disk. Afterwards it has those from before, and is off.

    + kind: the disk's file system, one of `KINDS`
    """
    host.power_off()
    disk = Disk(host, kind)
    try:
        disk.make()
        yield disk
    finally:
        host.kill()
        disk.remove()
