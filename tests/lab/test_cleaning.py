"""`down` says what stays, and `clean` deletes it."""

from pathlib import Path

import pytest

from lab import claim, cleaning, cli, packages
from lab.claim import Claims
from lab.cli import main
from lab.fixtures import ROOT

PRODUCTS = (".venv/bin/python", "lab/__pycache__/one.pyc", ".bench/scratch", "dist/one.whl")
OWN = ("one.py", "lab/one.py", "docs/dist.md", ".git/dist/hook")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with what was made in it, on a machine with images and a record of packages."""
    root = tmp_path / "checkout"
    for name in (*PRODUCTS, *OWN):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    for name in ("bookworm-0123/etc/hostname", "pip/http"):
        (tmp_path / "cache/smtp-auth-lab" / name).parent.mkdir(parents=True)
        (tmp_path / "cache/smtp-auth-lab" / name).touch()
    (tmp_path / "inotify").write_text("128\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(claim, "_INOTIFY", tmp_path / "inotify")
    monkeypatch.setattr(claim, "_networks_in_use", list)
    monkeypatch.setattr(cleaning, "RUN", tmp_path / "run")
    monkeypatch.setattr(packages, "RECORD", tmp_path / "record" / "packages")
    (tmp_path / "record").mkdir()
    return root


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(tmp_path / "run")


def files(folder: Path) -> set[str]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def record(*names: str) -> None:
    packages.RECORD.write_text("\n".join(names))


def test_what_stays_is_said(checkout: Path, claims: Claims) -> None:
    record("dpkg", "nobody-has-this")
    lines = list(cleaning.left(checkout, claims))
    assert lines[0].startswith(".bench, .venv, __pycache__, dist in the checkout (")
    assert lines[1].startswith(f"{cleaning.image.cache()}: images of Debian, pip's downloads (")
    assert lines[2:] == ["1 Debian packages that this machine did not have before"]


def test_the_benchmarks_lab_is_said(checkout: Path, claims: Claims) -> None:
    claims.take(checkout / ".bench", lambda _: None)
    assert next(cleaning.left(checkout, claims)) == f"the lab in {checkout / '.bench'}, with its hosts"


def test_nothing_is_left(checkout: Path, claims: Claims, tmp_path: Path) -> None:
    claims.release(claims.take(checkout, lambda _: None))
    record("nobody-has-this")
    assert list(cleaning.clean(checkout, claims)) == []
    assert files(checkout) == {*OWN, ".gitignore"}
    assert {path.name for path in tmp_path.iterdir()} == {"checkout", "cache", "inotify"}
    assert list((tmp_path / "cache").iterdir()) == []
    assert list(cleaning.left(checkout, claims)) == []
    assert list(cleaning.clean(checkout, claims)) == []


def test_packages_stay_with_the_command_that_removes_them(checkout: Path, claims: Claims) -> None:
    record("apt", "dpkg", "nobody-has-this")
    (line,) = cleaning.clean(checkout, claims)
    assert "\n    apt-get purge apt dpkg\n" in line
    assert packages.RECORD.exists()


def test_the_images_stay_for_another_checkouts_lab(checkout: Path, claims: Claims, tmp_path: Path) -> None:
    claims.take(tmp_path / "other", lambda _: None)
    assert next(cleaning.left(checkout, claims)) == (
        f"fs.inotify.max_user_instances = 4096, for the lab of {tmp_path / 'other'}"
    )
    (line,) = cleaning.clean(checkout, claims)
    assert line == f"{cleaning.image.cache()}, for the lab of {tmp_path / 'other'}"
    assert files(cleaning.image.cache()) == {"bookworm-0123/etc/hostname", "pip/http"}
    assert not (checkout / ".venv").exists()


def test_a_linked_environment_loses_its_link_alone(checkout: Path, claims: Claims, tmp_path: Path) -> None:
    (tmp_path / "shared/bin").mkdir(parents=True)
    (checkout / ".bench/scratch").unlink()
    (checkout / ".bench").rmdir()
    (checkout / ".bench").symlink_to(tmp_path / "shared")
    list(cleaning.clean(checkout, claims))
    assert not (checkout / ".bench").is_symlink()
    assert (tmp_path / "shared/bin").is_dir()


def test_the_command_line_cleans_where_there_is_no_lab(
    checkout: Path, claims: Claims, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "ROOT", checkout)
    monkeypatch.setattr(cli, "Claims", lambda: claims)
    assert main(["clean"]) == 0
    assert capsys.readouterr().out.split() == ["clean", "nothing", "of", "ours", "is", "left"]
