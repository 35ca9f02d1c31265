"""The programs of the controller that the lab needs, and one way to run them."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Each program that the lab runs, and the Debian package that contains it.
PROGRAMS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "pebble": "pebble",
    "pebble-challtestsrv": "pebble",
    "rsync": "rsync",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}


class LabError(Exception):
    """Something that the lab cannot do; its text is one sentence for the user."""


def require_machine() -> None:
    """Raise a `LabError` if this machine cannot run a lab."""
    if platform.system() != "Linux":
        raise LabError("the lab boots Linux hosts: it needs a Linux machine")
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and mounts: run it as root")
    missing = sorted(
        {package for program, package in PROGRAMS.items() if not shutil.which(program, path=_path())}
    )
    if missing:
        words = " ".join(missing)
        raise LabError(f"the lab needs more Debian packages here: apt-get install {words}")


def _path() -> str:
    # A root shell from plain `su` has no sbin in its PATH.
    return os.environ.get("PATH", "") + ":" + SYSTEM_PATH


def environment() -> dict[str, str]:
    """The controller's own environment, with messages in English and the path of every program."""
    return os.environ | {"PATH": _path(), "LC_ALL": "C.UTF-8"}


def run(
    *argv: str | Path,
    stdin: str | None = None,
    check: bool = True,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a program on the controller and capture its output.

    + stdin: what it reads; nothing by default
    + check: whether an exit status other than 0 is a LabError
    + timeout: seconds after which it is killed
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            # If `up` is killed, its helpers die, too. Otherwise they would continue to make what `down`
            # removes.
            ["setpriv", "--pdeathsig", "KILL", "--", *words],
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"this did not finish within {timeout:g} s: {' '.join(words)}") from None
    if check and done.returncode != 0:
        raise LabError(failure(words, done))
    return done


def failure(words: Sequence[str], done: subprocess.CompletedProcess[str]) -> str:
    """The sentence for a command that failed, with the command's own message."""
    said = (done.stderr.strip() or done.stdout.strip() or "no message")[-2000:]
    return f"exit status {done.returncode} from {' '.join(words)}: {said}"


def wait_until(condition: Callable[[], object], what: str, timeout: float = 120) -> None:
    """Poll until the condition holds; after `timeout` seconds raise a `LabError` that names `what`."""
    deadline = time.monotonic() + timeout
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"this did not happen within {timeout:g} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
