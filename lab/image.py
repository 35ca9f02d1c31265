"""The hosts' base images: one root file system per Debian release, made once and then only read.

`mmdebstrap` makes an image from the packages below: a stock install without manual pages, other documentation
and translations. All labs share it, outside the checkout, and it is made again when its recipe here changes.
A host writes to an overlay above the image (see `mounts`), never to the image.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import LabError, run, wait_until
from lab.process import Cgroup

# What a host has installed: a mail host with a Let's Encrypt certificate, and what an administrator may have
# added (csh, fish: programs must not rely on a POSIX login shell; etckeeper, whose repository a test makes);
# and strace, for the tests' faults.
PACKAGES = (
    "ca-certificates",
    "certbot",
    "csh",
    "dbus",
    "dovecot-imapd",
    "etckeeper",
    "fish",
    "git",
    "iproute2",
    "openssh-server",
    "openssl",
    "postfix",
    "procps",
    "python3",
    "strace",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# Postfix's package writes main.cf from these answers; each host replaces the placeholder names.
PLACEHOLDER = "placeholder.invalid"
_ANSWERS = (
    r"postfix postfix/main_mailer_type select Internet Site\n"
    rf"postfix postfix/mailname string {PLACEHOLDER}\n"
)

# Timers that would start work of their own in the middle of a test, some with requests to package servers.
_NO_TIMERS = (
    "apt-daily",
    "apt-daily-upgrade",
    "dpkg-db-backup",
    "e2scrub_all",
    "etckeeper",
    "fstrim",
    "man-db",
)

_RECIPE = (
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    "--quiet",
    f"--include={','.join(PACKAGES)}",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    f"--essential-hook=printf '{_ANSWERS}' | chroot \"$1\" debconf-set-selections",
    # Most real hosts keep no history of /etc.
    '--customize-hook=rm -rf "$1"/etc/.git "$1"/etc/.gitignore "$1"/etc/.etckeeper',
    # Every host gets keys of its own.
    '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
    *(f'--customize-hook=rm -f "$1"/etc/systemd/system/*.wants/{name}.timer' for name in _NO_TIMERS),
)

_LOCK_WAIT = 900.0
_BUILD_TIME = 900.0


def cache() -> Path:
    """The folder of all images."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "smtp-auth-lab"


def path(release: str) -> Path:
    """The path of a release's image, whether it exists or not."""
    digest = hashlib.sha256("\0".join((release, *_RECIPE)).encode()).hexdigest()[:16]
    return cache() / f"{release}-{digest}"


def ensure(release: str, cgroup: Cgroup) -> Path:
    """Make the image of a release unless it exists; return its path.

    + cgroup: the group of the build, so that removing the lab also stops the build
    """
    image = path(release)
    if image.is_dir():
        return image
    cache().mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(release) as lock:
        if not image.is_dir():
            _build(release, image, cgroup, lock)
            _remove_unused(release, keep=image)
    return image


@contextmanager
def _locked(release: str) -> Iterator[int]:
    with (cache() / f"{release}.lock").open("w") as file:

        def acquired() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        wait_until(acquired, f"the end of another lab's build of {release}", _LOCK_WAIT)
        yield file.fileno()


def _build(release: str, image: Path, cgroup: Cgroup, lock: int) -> None:
    # The image gets its name in the last step, so that no interrupted build is used as an image.
    partial = image.with_name(f"{release}.partial")
    log = image.with_name(f"{release}.log")
    _remove(partial)
    log.unlink(missing_ok=True)
    # The build inherits the lock: if it continues after this program, no other program writes to its folder.
    # It has its own mount namespace: no other process sees what mmdebstrap mounts in the image (such as the
    # machine's own /sys and /dev/shm), and the kernel removes the mounts with the build, even if it is
    # killed.
    private = ("unshare", "--mount", "--propagation=private")
    build = cgroup.start(
        [*private, "mmdebstrap", *_RECIPE, release, str(partial)], log, env={}, inherit=[lock]
    )
    wait_until(lambda: build.poll() is not None, f"the image of {release}", _BUILD_TIME)
    if build.returncode != 0:
        said = log.read_text(errors="replace").strip()[-2000:]
        raise LabError(f"mmdebstrap made no image of {release}: {said}")
    partial.rename(image)


def _remove_unused(release: str, keep: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    for old in cache().glob(f"{release}-*"):
        if old != keep and f"lowerdir={old}" not in mounts:
            _remove(old)


def _remove(folder: Path) -> None:
    # Files below a mount would not belong to the image.
    run("rm", "-rf", "--one-file-system", folder, timeout=300)
