"""The way to a file: who may write there, and what is read where others than root may.

Everything is below a directory that only root may write to: the test's own is in /tmp, where everybody may.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtp_auth.on_host.packing import packed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an account without rights is one of several")

ACME, OTHER = 12345, 12346

# Enough for each of these files but the long one.
MOST = 1000

TOO_LONG = f"has more than {MOST} bytes"
FOREIGN = "belongs to somebody else than the directory that others may write to"


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir="/run"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def tree(folder: Path) -> Path:
    """The directory of a client without rights, which has a directory `live`."""
    tree = folder / "acme"
    (tree / "live").mkdir(parents=True)
    for path in (tree, tree / "live"):
        os.chown(path, ACME, ACME)
    return tree


def _asked(code: str, path: Path) -> str:
    functions = packed("SmtpAuth::Ways").rpartition("exit ")[0]
    program = f"{functions}my $way = SmtpAuth::Ways::way_to($ARGV[0]); {code}"
    words = ("perl", "-e", program, str(path), str(MOST))
    # Whatever blocks would block for ever.
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20)
    assert not done.stderr
    return done.stdout


def content(path: Path) -> str:
    """What is read there, or why nothing is, in parentheses."""
    return _asked('my ($text, $why) = $way->content($ARGV[1]); print $text // "(" . ($why // "") . ")"', path)


def writers(path: Path) -> list[str]:
    """Who may write there, one word each."""
    return _asked('print join("|", @{$_}), "\\n" for $way->writers', path).splitlines()


def written(path: Path, text: str = "text", owner: int = ACME) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chown(path, owner, owner)
    return path


def linked(path: Path, target: Path | str, owner: int = ACME) -> Path:
    path.symlink_to(target)
    os.chown(path, owner, owner, follow_symlinks=False)
    return path


def test_where_only_root_may_write_links_are_followed(folder: Path) -> None:
    written(folder / "archive/chain1.pem", owner=OTHER)
    (folder / "live").mkdir()
    linked(folder / "live/chain.pem", "../archive/chain1.pem", owner=OTHER)
    assert content(folder / "live/chain.pem") == "text"
    linked(folder / "elsewhere", folder / "live", owner=0)
    assert content(folder / "elsewhere/chain.pem") == "text"
    assert writers(folder / "elsewhere/chain.pem") == []


def test_what_is_missing_is_no_trouble(folder: Path) -> None:
    linked(folder / "nowhere", "missing", owner=0)
    for path in (
        folder / "missing",
        folder / "missing/file",
        folder / "nowhere",
        written(folder / "x") / "y",
    ):
        assert content(path) == "()"


def test_a_clients_own_links_are_followed(tree: Path) -> None:
    written(tree / "archive/chain1.pem")
    linked(tree / "live/chain.pem", "../archive/chain1.pem")
    assert content(tree / "live/chain.pem") == "text"


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_file_of_roots_is_read_where_it_is(tree: Path, mode: int) -> None:
    """Somebody has copied it there as root."""
    written(tree / "live/chain.pem", owner=0).chmod(mode)
    assert content(tree / "live/chain.pem") == "text"


def test_a_link_of_roots_is_followed(tree: Path, folder: Path) -> None:
    written(folder / "main.cf", owner=0)
    linked(tree / "live/main.cf", folder / "main.cf", owner=0)
    assert content(tree / "live/main.cf") == "text"


def test_a_link_to_the_file_of_somebody_else_is_not_read(tree: Path, folder: Path) -> None:
    for owner in (0, OTHER):
        secret = written(folder / "secret", owner=owner)
        linked(tree / "live/link", secret)
        assert content(tree / "live/link") == f"({FOREIGN})"
        (tree / "live/link").unlink()


def test_a_directory_that_is_a_link_is_not_read(tree: Path, folder: Path) -> None:
    written(folder / "secrets/chain.pem", owner=0)
    linked(tree / "live/example.jp", folder / "secrets")
    assert content(tree / "live/example.jp/chain.pem") == f"({FOREIGN})"


def test_a_link_that_leads_through_roots_is_not_read(tree: Path, folder: Path) -> None:
    secret = written(folder / "secret", owner=0)
    linked(folder / "roots", secret, owner=0)
    linked(tree / "live/link", folder / "roots")
    assert content(tree / "live/link") == f"({FOREIGN})"


@pytest.mark.parametrize("kind", ["a pipe", "a directory", "a device", "a socket"])
def test_what_is_no_file_blocks_nobody(tree: Path, kind: str) -> None:
    path = tree / "live/chain.pem"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a device":
        linked(path, "/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    assert content(path) == "(is no file)"


def test_an_endless_file_is_not_read(tree: Path) -> None:
    path = written(tree / "live/chain.pem", "")
    os.truncate(path, 1 << 40)
    assert content(path) == f"({TOO_LONG})"


def test_links_in_a_circle_end(tree: Path) -> None:
    linked(tree / "live/a", "b")
    linked(tree / "live/b", "a")
    assert content(tree / "live/a") == "(leads to too many links)"


def test_who_may_write_on_the_way_is_told(tree: Path, folder: Path) -> None:
    path = tree / "live/chain.pem"
    both = [f"{place}|owner|{ACME}|{ACME} {ACME}" for place in (tree, tree / "live")]
    assert writers(path) == both
    (tree / "live").chmod(0o1777)
    assert writers(path) == [*both, f"{tree}/live|everybody|"]
    # Behind a link, too.
    linked(folder / "link", tree / "live", owner=0)
    assert writers(folder / "link/chain.pem") == [*both, f"{tree}/live|everybody|"]


def test_a_group_counts_if_it_has_accounts(folder: Path) -> None:
    folder.chmod(0o775)
    os.chown(folder, 0, 54321)
    assert writers(folder / "x") == []
    # `nobody` has it as its primary group, in Debian.
    os.chown(folder, 0, 65534)
    assert f"{folder}|group|nogroup|" in writers(folder / "x")[0]
    assert "65534 nobody" in writers(folder / "x")[0].split("|")


def test_an_acl_names_who_may_write(folder: Path) -> None:
    # Version 2; the owner, an account, the group, the mask, and all others: tag, permissions, ID.
    entries = ((1, 7, -1), (2, 7, ACME), (4, 5, -1), (16, 7, -1), (32, 5, -1))
    value = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + allowed.to_bytes(2, "little") + (one & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, allowed, one in entries
    )
    try:
        os.setxattr(folder, "system.posix_acl_access", value)
    except OSError:
        pytest.skip("no ACLs on this file system")
    assert writers(folder / "x") == [f"{folder}|account|{ACME}|{ACME} {ACME}"]
