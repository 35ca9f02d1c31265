"""Who makes a change, from where, and from which version: what the record says of it."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smtp_auth import __version__
from smtp_auth.runs import origin


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    origin._origin.cache_clear()


def _git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.jp")
    command = ("git", "-C", str(folder), *identity, *words)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit, instead of this program's."""
    monkeypatch.setattr(origin, "_ROOT", tmp_path)
    _git(tmp_path, "init", "--quiet")
    (tmp_path / "deploy.py").write_text("")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "x")
    return tmp_path


def test_all_hosts_of_a_run_have_one_change() -> None:
    with ThreadPoolExecutor(8) as pool:
        [found] = {*pool.map(lambda _: origin.origin_of_this_run(), range(8))}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-[0-9a-f]{4}", found.id)
    assert re.fullmatch(r"\S+@\S+", found.controller)


def test_the_commit_is_named(checkout: Path) -> None:
    assert origin.origin_of_this_run().commit == _git(checkout, "rev-parse", "--short=12", "HEAD").strip()


def test_what_differs_from_the_commit_is_called_dirty(checkout: Path) -> None:
    (checkout / "group_data.py").write_text("mail_domain = 'example.jp'\n")
    assert origin.origin_of_this_run().commit.endswith(" dirty")


def test_an_installed_package_names_its_version_whatever_repository_it_is_in(checkout: Path) -> None:
    (checkout / "deploy.py").unlink()
    assert origin.origin_of_this_run().commit == __version__


def test_in_a_copy_without_a_repository_the_commit_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deploy.py").write_text("")
    monkeypatch.setattr(origin, "_ROOT", tmp_path)
    assert origin.origin_of_this_run().commit == "unknown"


def test_without_git_the_commit_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert origin.origin_of_this_run().commit == "unknown"
