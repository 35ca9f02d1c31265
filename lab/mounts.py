"""A host's root: an overlay over its image, mounted where the controller can read and write it."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lab.command import LabError, run, wait_until
from lab.names import Names


def require_plain(folder: Path) -> None:
    """Raise a `LabError` if hosts cannot live here: an overlay's upper part cannot be on overlayfs or NFS."""
    kind = run("stat", "--file-system", "--format=%T", folder).stdout.strip()
    if kind in {"overlayfs", "nfs"}:
        raise LabError(f"{folder} is on {kind}, which hosts cannot use for their files: move it")


def make(names: Names, image: Path, folder: Path) -> Path:
    """Mount a host's root below its folder and return the mount."""
    root = folder / "root"
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={image},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    # The mount's source names the lab, so that the mount can be found even if the folder is deleted.
    run("mount", "-t", "overlay", "-o", options, names.bridge, root)
    return root


def remove(names: Names, below: Path | None = None) -> None:
    """Unmount the lab's mounts: all of them, or those below a folder."""
    for mount in _mounts(names):
        if below is None or mount.is_relative_to(below):
            _drop_lock(mount)
            # The kernel releases a killed host's own mounts shortly after its last process.
            wait_until(partial(_unmounted, mount), f"the end of the mount {mount}")


def _drop_lock(mount: Path) -> None:
    # A killed systemd-nspawn leaves its lock on the root behind, named after the folder's inode.
    root = mount.stat()
    Path(f"/run/systemd/nspawn/locks/inode-{root.st_dev}:{root.st_ino}").unlink(missing_ok=True)


def _unmounted(mount: Path) -> bool:
    return run("umount", mount, check=False).returncode == 0 or not mount.is_mount()


def _mounts(names: Names) -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, source, _ = after.split(" ", 2)
        if kind == "overlay" and source == names.bridge:
            with contextlib.suppress(IndexError):
                # In mountinfo, blanks in a path are written as octal numbers.
                yield Path(before.split()[4].encode().decode("unicode_escape"))
