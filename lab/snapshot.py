"""A host's named states: copies of its files, which can be restored fast.

A state is a copy of the parts of the host's file system that an administrator, a deploy or a mail can change.
Restoring compares contents, not times: an unchanged file keeps its inode, a changed one gets the old content,
time, mode and owner. The daemons are restarted only if a file that they read has changed, or if they do not
run.
"""

import shutil
from pathlib import Path

from lab.command import run

# The parts that are saved. Everything else on a host is from its packages or in memory.
_TREES = ("etc", "home", "opt", "root", "srv", "usr/local", "var")

_LEFT_ALONE = (
    # Sockets and pid files of the running Postfix; a restart creates new ones.
    "/var/spool/postfix/private",
    "/var/spool/postfix/public",
    "/var/spool/postfix/pid",
    # Files that Postfix and Dovecot renew themselves when they start, most of them in the chroot.
    "/var/lib/dovecot/instances",
    "/var/lib/postfix/master.lock",
    "/var/lib/postfix/prng_exch",
    "/var/lib/postfix/*_scache.*",
    "/var/spool/postfix/dev",
    "/var/spool/postfix/etc",
    "/var/spool/postfix/lib",
    "/var/spool/postfix/usr",
    # The host's own records, which continue across a restored state.
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/log/journal",
    "/var/log/wtmp",
    "/var/log/lastlog",
    "/var/log/btmp",
    "/var/tmp/systemd-private-*",
    "/etc/machine-id",
    "/etc/.pwd.lock",
)

# Changes here do not affect what the daemons do.
_UNREAD = (
    "var/log/",
    "var/mail/",
    "home/",
    "root/",
    "var/backups/",
    "var/tmp/",
    "var/lib/letsencrypt/",
)


def _rsync(source: Path, target: Path, *more: str) -> list[str]:
    trees = [f"{source}/./{tree}" for tree in _TREES if (source / tree).is_dir()]
    excludes = [f"--exclude={path}" for path in _LEFT_ALONE]
    done = run(
        *("rsync", "-aHAX", "--relative", "--numeric-ids", "--delete", *excludes, *more),
        *("--out-format=%i %n", *trees, f"{target}/"),
    )
    return done.stdout.splitlines()


class Snapshots:
    """The saved states of one host.

    + root: the host's root file system, as mounted on the controller
    + folder: where the states are kept
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder

    def names(self) -> list[str]:
        """The names of the saved states."""
        if not self._folder.is_dir():
            return []
        return sorted(p.name for p in self._folder.iterdir() if not p.name.startswith("."))

    def save(self, name: str) -> None:
        """Save the present state under a name; it replaces an older one of that name."""
        # The copy gets the state's name when it is complete, so that no interrupted copy is used as a state.
        partial = self._folder / f".{name}"
        self.forget(f".{name}")
        partial.mkdir(parents=True)
        _rsync(self._root, partial, "--no-specials")
        self.forget(name)
        partial.rename(self._folder / name)

    def forget(self, name: str) -> None:
        """Remove a state."""
        if (self._folder / name).exists():
            shutil.rmtree(self._folder / name)

    def has(self, name: str) -> bool:
        """Whether a state of this name exists."""
        return (self._folder / name).is_dir()

    def differences(self, name: str) -> list[str]:
        """The paths in which the host differs from a state, relative to its root."""
        lines = _rsync(self._folder / name, self._root, "--checksum", "--dry-run")
        return [
            line.partition(" ")[2].strip() if line[0] != "*" else line.split(None, 1)[1].strip()
            for line in lines
        ]

    def put_back(self, name: str) -> None:
        """Restore the host's files from this state."""
        _rsync(self._folder / name, self._root, "--checksum")


def matters(path: str) -> bool:
    """Whether a daemon may behave differently after a change of this path."""
    return not path.endswith("/") and not path.startswith(_UNREAD)
