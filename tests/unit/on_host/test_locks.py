"""Which processes hold lock files of other programs: those of root, on files that only root can open."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smtp_auth.on_host.packing import packed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an account without rights is one of several")

NOBODY = 65534

# A lock as dpkg and certbot take it (fcntl).
HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "r+")
fcntl.lockf(lock, fcntl.LOCK_EX)
print(1, flush=True)
input()
"""


@contextmanager
def locked_by(path: Path, user: int = 0) -> Iterator[int]:
    """A process of this account holds a lock; its ID."""
    with subprocess.Popen(
        ("python3", "-c", HOLD, str(path)),
        user=user,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder.pid
        holder.kill()


def _holder(*paths: Path) -> str:
    functions = packed("SmtpAuth::Locks").rpartition("exit ")[0]
    program = functions + 'print SmtpAuth::Locks::holder_of(@ARGV) // "nobody"'
    words = ("perl", "-e", program, *map(str, paths))
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    path = tmp_path / ".certbot.lock"
    path.touch(0o600)
    return path


def test_a_process_of_root_is_named(lock: Path) -> None:
    assert _holder(lock) == "nobody"
    with locked_by(lock) as pid:
        assert _holder(lock.parent / "missing", lock) == f"python3, process {pid}"


def test_an_account_without_rights_holds_up_nobody(lock: Path) -> None:
    os.chown(lock, NOBODY, NOBODY)
    with locked_by(lock, NOBODY):
        assert _holder(lock) == "nobody"


@pytest.mark.parametrize("mode", [0o604, 0o640], ids=oct)
def test_a_file_that_others_can_open_proves_nothing(lock: Path, mode: int) -> None:
    # A program of root's that somebody else has started, such as sudo, may have got it open and locked.
    os.chown(lock, 0, NOBODY)
    lock.chmod(mode)
    with locked_by(lock):
        assert _holder(lock) == "nobody"


def test_the_group_root_is_root(lock: Path) -> None:
    # As dpkg makes its own.
    lock.chmod(0o640)
    with locked_by(lock) as pid:
        assert _holder(lock) == f"python3, process {pid}"


def test_a_link_is_not_followed(lock: Path) -> None:
    link = lock.parent / "link"
    link.symlink_to(lock)
    with locked_by(lock):
        assert _holder(link) == "nobody"
