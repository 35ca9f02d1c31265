"""The wheel: what it contains, and that its command runs without the checkout.

The wheel is built and installed without a network. Its dependencies are those of the environment that runs
the tests, whose folder is on the path of the new one: this shows that the wheel is whole, and not that a
package index has what it asks for. Seven seconds.
"""

import json
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from operations import STEPS
from smtp_auth import __version__
from tests.terminal import without_progress

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Where pip installs, below an environment.
_SITE = Path(sysconfig.get_paths()["purelib"]).relative_to(sys.prefix)

# What an installed smtp-auth opens or lists in the checkout, one path a line.
_WATCH = """
import os, sys
_seen = os.open({seen!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def _watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str):
        path = os.path.realpath(arguments[0])
        if (path + os.sep).startswith({root!r} + os.sep) and not path.startswith({dependencies!r}):
            os.write(_seen, path.encode() + b"\\n")
sys.addaudithook(_watch)
"""


@dataclass(frozen=True)
class Installed:
    """An environment of its own in which the program is installed."""

    prefix: Path
    seen: Path

    def run(self, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of the environment's in a folder."""
        program, *arguments = words
        return subprocess.run(
            [self.prefix / "bin" / program, *arguments],
            cwd=folder,
            # Variables such as PYTHONPATH would let it find the checkout.
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _environment(prefix: Path, *what: str) -> Installed:
    """A new environment with the program, which pip installs as these words say."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    site = prefix / _SITE
    dependencies = Path(sys.prefix) / _SITE
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(prefix / "bin" / "python")]
    subprocess.run([*pip, "install", *options, *what], check=True)
    seen = prefix / "seen"
    (site / "sitecustomize.py").write_text(
        _WATCH.format(seen=str(seen), root=str(ROOT), dependencies=str(dependencies.resolve()))
    )
    return Installed(prefix, seen)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment in which the wheel is installed."""
    return _environment(tmp_path_factory.mktemp("installed"), str(wheel))


def _files(*names: str) -> Iterator[str]:
    """Every file of the checkout with these names, or below them."""
    for name in names:
        path = ROOT / name
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(ROOT))


def test_the_wheel_holds_the_machinery_and_the_deploy_files(wheel: Path) -> None:
    deploy_files = _files(
        "deploy.py", "undo.py", "remove.py", "config.py", "operations", "templates", "group_data/all.py",
        "tests/__init__.py", "tests/verify",
    )  # fmt: skip
    wanted = {*_files("smtp_auth"), *(f"smtp_auth/deploy_files/{name}" for name in deploy_files)}
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == wanted
    assert {Path(name).suffix for name in names} == {".py", ".pm", ".txt", ".j2"}


def test_the_wheel_has_no_hosts_and_no_tests_of_its_own(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    parts = {part for name in names for part in Path(name).parts}
    assert not parts & {"lab", "bench", "unit", "docs", ".lab", ".venv"}
    assert not [part for part in parts if part.startswith("example_")]
    assert not [name for name in names if name.endswith(("deploy_files/inventory.py", "tests/fleet"))]


def test_the_version_stands_in_one_place(wheel: Path, installed: Installed, tmp_path: Path) -> None:
    assert wheel.name.startswith(f"smtp_auth_fleet-{__version__}-")
    done = installed.run(tmp_path, "smtp-auth", "--version")
    assert (done.returncode, done.stdout) == (0, f"smtp-auth {__version__}\n")


def test_help_and_version_load_no_pyinfra(installed: Installed, tmp_path: Path) -> None:
    ask = "import sys, smtp_auth.cli; print('pyinfra' in sys.modules, 'gevent' in sys.modules)"
    assert installed.run(tmp_path, "python", "-c", ask).stdout == "False False\n"


def test_history_of_this_machine(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text('hosts = ["@local"]\n')
    done = installed.run(tmp_path, "smtp-auth", "history", "--json", "-")
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert json.loads(done.stdout)["hosts"].keys() == {"@local"}
    _assert_nothing_of_the_checkout(installed)


def test_history_of_a_host_that_cannot_be_reached(installed: Installed, tmp_path: Path) -> None:
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    (elsewhere / "group_data").mkdir(parents=True)
    here.mkdir()
    (here / "our_names.py").write_text('NAMES = ["mail1.example.jp"]\n')
    (elsewhere / "hosts.py").write_text("from our_names import NAMES\nexample_jp = NAMES\n")
    # The checkout has a group and a host of these names, too.
    data = 'ssh_hostname = "127.0.0.1"\nssh_port = 1\n'
    (elsewhere / "group_data" / "example_jp.py").write_text(data)
    done = installed.run(here, "smtp-auth", "history", "--inventory", "../elsewhere/hosts.py")
    assert (done.returncode, without_progress(done.stderr)) == (1, "")
    nothing, trouble = done.stdout.splitlines()
    assert nothing == "no change is on record"
    assert trouble.startswith("mail1.example.jp: not reached: ")
    assert "127.0.0.1" in trouble
    _assert_nothing_of_the_checkout(installed)


def test_without_an_inventory_none_of_ours_is_taken(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "smtp-auth", "history")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "the inventory inventory.py does not exist\n"


_STEPS = """
import sys
sys.path.insert(0, "fleet")
import operations
from smtp_auth.cli import deploy_files, own_steps
steps = own_steps()
from operations.template import render
print(deploy_files(), len(steps), "unix_listener /x" in render("dovecot_listener.conf.j2", socket="/x"))
"""


def test_the_steps_are_ours_and_find_their_templates(installed: Installed, tmp_path: Path) -> None:
    _an_inventory_with_one_of_our_names(tmp_path)
    done = installed.run(tmp_path, "python", "-c", _STEPS)
    folder = installed.prefix / _SITE / "smtp_auth" / "deploy_files"
    assert (done.stdout, done.stderr) == (f"{folder} {len(STEPS)} True\n", "")
    _assert_nothing_of_the_checkout(installed)


def _an_inventory_with_one_of_our_names(folder: Path) -> None:
    (folder / "fleet" / "operations").mkdir(parents=True)
    for name in ("__init__", "template"):
        (folder / "fleet" / "operations" / f"{name}.py").write_text("")


def test_the_verification_runs_and_writes_nothing(installed: Installed, tmp_path: Path) -> None:
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    here.mkdir()
    # What pytest would take, and what the checks import.
    for name in ("conftest.py", "tests/__init__.py", "tests/verify/conftest.py"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text("raise SystemExit('this is not the one')\n")
    (elsewhere / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    _an_inventory_with_one_of_our_names(elsewhere)
    data = {
        "mail_domain": "example.jp",
        "ssh_hostname": "127.0.0.1",
        "ssh_port": 1,
        "verify_addresses": "ssh",
    }
    prelude = "import sys\nsys.path.insert(0, '../elsewhere/fleet')\nimport operations\n"
    (elsewhere / "inventory.py").write_text(f"{prelude}hosts = [('mail1.example.jp', {data!r})]\n")
    before = {*tmp_path.rglob("*"), *installed.prefix.rglob("*")}
    for folder in (here, elsewhere):
        done = installed.run(folder, "smtp-auth", "verify", "--inventory", "../elsewhere/inventory.py")
        assert (done.returncode, done.stderr) == (1, ""), done.stdout
        assert "FAILED  mail1.example.jp: the host is up" in done.stdout.splitlines()
        assert done.stdout.endswith("\n1 host: 1 failed\n")
    written = {*tmp_path.rglob("*"), *installed.prefix.rglob("*")} - before
    # Python compiles what the inventory imports.
    assert {path for path in written if elsewhere / "fleet" not in path.parents} <= {installed.seen}
    _assert_nothing_of_the_checkout(installed)


def test_an_installation_of_the_checkout_uses_the_checkout(tmp_path: Path) -> None:
    found = _environment(tmp_path / "environment", "--editable", str(ROOT))
    assert found.run(tmp_path, "smtp-auth", "--version").stdout == f"smtp-auth {__version__}\n"
    _an_inventory_with_one_of_our_names(tmp_path)
    assert found.run(tmp_path, "python", "-c", _STEPS).stdout == f"{ROOT} {len(STEPS)} True\n"
    assert not (found.prefix / _SITE / "smtp_auth").exists()
    # Its other folders are not modules that others could import.
    done = found.run(tmp_path, "python", "-c", "import lab")
    assert "No module named 'lab'" in done.stderr


def _assert_nothing_of_the_checkout(found: Installed) -> None:
    assert found.seen.read_text() == ""


# -- what it asks for ---------------------------------------------------------------------------------


def _locked(name: str) -> dict[str, str]:
    """Package to version, of a lock."""
    lines = (ROOT / name).read_text().splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if line[:1].isalpha()]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}


def test_pyinfra_is_the_same_everywhere() -> None:
    wanted = {pin.name: pin.specifier for pin in map(Requirement, PYPROJECT["project"]["dependencies"])}
    config = (ROOT / "config.py").read_text()
    (line,) = [line for line in config.splitlines() if line.startswith("config.REQUIRE_PYINFRA_VERSION")]
    assert SpecifierSet(line.split('"')[1]) == wanted["pyinfra"]
    assert _locked("requirements.txt")["pyinfra"] in wanted["pyinfra"]


def test_what_runs_it_is_locked_apart_from_what_working_on_it_needs() -> None:
    to_run, to_work = _locked("requirements.txt"), _locked("requirements-dev.txt")
    assert to_run.items() <= to_work.items()
    needed = {Requirement(word).name for word in PYPROJECT["project"]["dependencies"]}
    only_to_work = {Requirement(word).name for word in PYPROJECT["dependency-groups"]["dev"]}
    assert needed <= to_run.keys()
    assert only_to_work <= to_work.keys() - to_run.keys()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "bench/requirements.txt"])
def test_a_lock_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    pins = [part for part in text.replace("\\\n", "").splitlines() if part[:1].isalpha()]
    assert all("--hash=sha256:" in pin for pin in pins)
