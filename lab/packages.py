"""The Debian packages that the lab needs here: installed without starting a service, and on record.

A package's scripts find stand-ins for the programs that start services, now and at each boot, first in
their PATH (`no-services/`). That holds for one installation, and ends with it, however it ends. A
/usr/sbin/policy-rc.d would stay in force on the machine if this program was killed.

    python3 -m lab.packages    installs what is missing; if nothing is, asks no package server
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.command import LabError, environment, run

_LIST = Path(__file__).with_name("packages.txt")
_NO_SERVICES = Path(__file__).with_name("no-services")

# Which packages this machine has for the lab alone: several checkouts share it.
RECORD = Path("/var/lib/smtp-auth-lab/packages")

# apt's own: what somebody keeps in /usr/local is no part of a package's scripts.
_APT_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_WHOLE = {"installed", "not-installed", "config-files"}

# Seconds for package servers, and for another program that holds dpkg's lock.
_DOWNLOAD_TIME = 1800.0
_LOCK_WAIT = 300


def main() -> int:
    """Install what is missing; returns the exit status."""
    try:
        require()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; an installation that has begun ends by itself", file=sys.stderr)
        return 130
    return 0


def require() -> None:
    """Install the packages of packages.txt that this machine lacks."""
    if platform.system() != "Linux" or not shutil.which("apt-get"):
        raise LabError("it boots Debian hosts, and needs a Linux machine with apt-get (Debian 12 or later)")
    if not (missing := _missing()):
        return
    if os.geteuid() != 0:
        raise LabError(f"it needs root to install: {' '.join(missing)}")
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time() as lock:
        # Another run may have been at work until now.
        if missing := _missing():
            _install(missing, lock)


def _install(missing: Sequence[str], lock: int) -> None:
    print(f"installing for the lab: {' '.join(missing)}", flush=True)
    if any(state not in _WHOLE for state in _states({*missing, *recorded()}).values()):
        # An installation of ours was killed: apt refuses to work until it is finished.
        _finish(["dpkg", "--configure", "-a"], lock)
    run("apt-get", "-qq", "update", timeout=_DOWNLOAD_TIME)
    options = _options()
    install = ["install", "--no-install-recommends", *missing]
    # On record before the first of them is there.
    _add_to_record(_new(run("apt-get", "--simulate", *install).stdout))
    run("apt-get", "-qq", "--download-only", *install, timeout=_DOWNLOAD_TIME)
    _finish(["apt-get", "-qq", *options, *install], lock)


def installed_for_the_lab() -> list[str]:
    """The packages that this machine did not have before, and still has."""
    names = recorded()
    found = _states(names)
    return [name for name in names if found.get(name, "not-installed") != "not-installed"]


def recorded() -> list[str]:
    """The packages that were ever installed for the lab."""
    return RECORD.read_text().split() if RECORD.exists() else []


def forget() -> None:
    """Delete the record."""
    shutil.rmtree(RECORD.parent, ignore_errors=True)


def _missing() -> list[str]:
    lines = _LIST.read_text().splitlines()
    wanted = [name for line in lines if (name := line.partition("#")[0].strip())]
    found = _states(wanted)
    return [name for name in wanted if found.get(name) != "installed"]


def _states(names: Iterable[str]) -> dict[str, str]:
    """Package to dpkg's word for its state; those that dpkg has never heard of are left out."""
    if not (asked := sorted(names)):
        return {}
    done = run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *asked, check=False)
    return {name: state for name, _, state in (line.partition(" ") for line in done.stdout.splitlines())}


def _new(simulated: str) -> list[str]:
    """What an installation adds, out of what apt says of it: `Inst NAME [the version that is there] (…`."""
    words = [line.split() for line in simulated.splitlines() if line.startswith("Inst ")]
    return [one[1] for one in words if not one[2].startswith("[")]


def _add_to_record(names: Sequence[str]) -> None:
    new = RECORD.with_name(".packages.new")
    new.write_text("".join(f"{name}\n" for name in sorted({*recorded(), *names})))
    new.replace(RECORD)


def _options() -> list[str]:
    return [
        # apt gives dpkg, and so the packages' scripts, a PATH of its own.
        *("-o", f"DPkg::Path={_path()}"),
        *("-o", f"DPkg::Lock::Timeout={_LOCK_WAIT}"),
        *("-o", "APT::Keep-Downloaded-Packages=false"),
    ]


def _path() -> str:
    stand_ins = list(_NO_SERVICES.iterdir())
    if ":" in str(_NO_SERVICES) or not all(os.access(one, os.X_OK) for one in stand_ins):
        raise LabError(
            f"{_NO_SERVICES} cannot be part of a PATH, and without it services would start: move it"
        )
    return f"{_NO_SERVICES}:{_APT_PATH}"


@contextmanager
def _one_at_a_time() -> Iterator[int]:
    """The lock on the record's folder; an installation holds it to its end, though this program be killed."""
    lock = os.open(RECORD.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _finish(words: Sequence[str], lock: int) -> None:
    """Run what changes packages, to its end: nobody's interrupt leaves dpkg in the middle."""
    with tempfile.TemporaryFile("w+") as log:
        # In a session of its own: Ctrl-C reaches only this program.
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment() | {"DEBIAN_FRONTEND": "noninteractive", "PATH": _path()},
            start_new_session=True,
            pass_fds=[lock],
        )
        if process.wait() != 0:
            log.seek(0)
            said = log.read().strip()
            raise LabError(f"exit status {process.returncode} from {' '.join(words)}:\n{said}")


if __name__ == "__main__":
    sys.exit(main())
