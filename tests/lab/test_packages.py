"""Debian packages are installed without starting a service, whatever ends the program that installs them.

apt and dpkg are the real ones, with a package of the test's own and a database in a folder.
"""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import packages
from lab.command import LabError, run, wait_until
from lab.fixtures import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="dpkg needs root")

POLICY = Path("/usr/sbin/policy-rc.d")

# What debhelper makes of a package with a service, with a look at what it calls, and a stop.
SCRIPT = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
touch {folder}/begun
while [ -e {folder}/wait ]; do sleep 0.02; done
for program in invoke-rc.d deb-systemd-invoke; do command -v $program; done >{folder}/starts
invoke-rc.d tried start && deb-systemd-invoke start tried.service
"""

PROGRAM = """
import pathlib, sys
from lab import packages
folder = pathlib.Path(sys.argv[1])
packages._LIST, packages.RECORD = folder / "packages.txt", folder / "record" / "packages"
sys.exit(packages.main())
"""


@dataclass
class Machine:
    """A database of packages, and a server's folder with two: `tried`, and `below`, which it needs."""

    folder: Path

    def __post_init__(self) -> None:
        apt = ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/cache/apt/archives/partial", "var/log/apt")
        dpkg = ("var/lib/apt/lists/partial", "var/lib/dpkg/updates", "var/lib/dpkg/info", "server")
        for name in (*apt, *dpkg):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "var/lib/dpkg/status").touch()
        (self.folder / "packages.txt").write_text("tried  # a service\n")
        (self.folder / "apt.conf").write_text(
            f'Dir "{self.folder}/";\nAPT::Sandbox::User "root";\n'
            f'Dir::State::status "{self.folder}/var/lib/dpkg/status";\n'
        )
        (self.folder / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{self.folder}/server ./\n")
        script = SCRIPT.format(folder=self.folder)
        index = [self._package("below", ""), self._package("tried", script, "Depends: below\n")]
        (self.folder / "server/Packages").write_text("\n".join(index))

    def _package(self, name: str, script: str, more: str = "") -> str:
        control = (
            f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n{more}Description: {name}\n"
        )
        tree = self.folder / f"{name}.tree" / "DEBIAN"
        tree.mkdir(parents=True)
        (tree / "control").write_text(control)
        if script:
            (tree / "postinst").write_text(script)
            (tree / "postinst").chmod(0o755)
        file = self.folder / "server" / f"{name}.deb"
        run("dpkg-deb", "--build", tree.parent, file)
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        return f"{control}Filename: ./{name}.deb\nSize: {len(data)}\nSHA256: {digest}\n"

    @property
    def environment(self) -> dict[str, str]:
        return {"APT_CONFIG": f"{self.folder}/apt.conf", "DPKG_ADMINDIR": f"{self.folder}/var/lib/dpkg"}

    def started(self) -> subprocess.Popen[str]:
        """The program that installs, on this machine."""
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.folder)],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def installed(self) -> str:
        """Run the program that installs; returns what it says."""
        with self.started() as process:
            said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said

    def holds_up(self) -> None:
        """Let the package's script wait."""
        (self.folder / "wait").touch()

    def has_begun(self) -> bool:
        """Whether the package's script runs."""
        return (self.folder / "begun").exists()

    def goes_on(self) -> None:
        (self.folder / "wait").unlink()

    def states(self) -> dict[str, str]:
        """Package to dpkg's word for its state."""
        blocks = (self.folder / "var/lib/dpkg/status").read_text().strip().split("\n\n")
        fields = [
            dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in blocks
        ]
        return {one["Package"]: one["Status"].split()[-1] for one in fields if one}

    def starts(self) -> list[str]:
        """What the package's script has called to start its service."""
        return (self.folder / "starts").read_text().split()


STAND_INS = [str(ROOT / "lab/no-services" / name) for name in ("invoke-rc.d", "deb-systemd-invoke")]
WHOLE = {"below": "installed", "tried": "installed"}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine of its own; what is in force on the real one stays so."""
    before = POLICY.read_bytes() if POLICY.exists() else None
    yield Machine(tmp_path)
    assert (POLICY.read_bytes() if POLICY.exists() else None) == before


@pytest.fixture
def in_process(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The same, for functions called here."""
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(packages, "RECORD", machine.folder / "record" / "packages")
    monkeypatch.setattr(packages, "_LIST", machine.folder / "packages.txt")
    return machine


def test_no_service_starts_and_what_is_new_is_on_record(in_process: Machine) -> None:
    assert "installing for the lab: tried" in in_process.installed()
    assert in_process.states() == WHOLE
    assert in_process.starts() == STAND_INS
    assert packages.installed_for_the_lab() == ["below", "tried"]
    assert list(in_process.folder.glob("var/cache/apt/archives/*.deb")) == []
    run("dpkg", "--purge", "tried")
    assert packages.installed_for_the_lab() == ["below"]
    packages.forget()
    assert not (in_process.folder / "record").exists()


def test_what_was_there_before_is_not_on_record(in_process: Machine) -> None:
    run("dpkg", "--install", in_process.folder / "server/below.deb")
    in_process.installed()
    assert packages.installed_for_the_lab() == ["tried"]


def test_a_machine_that_has_all_asks_no_package_server(in_process: Machine) -> None:
    in_process.installed()
    (in_process.folder / "etc/apt/sources.list").write_text("deb http://nobody.invalid/ ./\n")
    assert in_process.installed() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_an_interrupt_leaves_nothing_in_force(machine: Machine, number: signal.Signals) -> None:
    machine.holds_up()
    with machine.started() as process:
        wait_until(lambda: machine.has_begun() or process.poll() is not None, "the script", 60)
        assert machine.has_begun()
        # As a terminal does it: all that belongs to the program.
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
    assert process.returncode != 0
    machine.goes_on()
    # The next run waits for the end of what had begun.
    machine.installed()
    assert machine.states() == WHOLE
    assert machine.starts() == STAND_INS


def test_an_installation_that_was_killed_itself_is_finished_by_the_next_run(machine: Machine) -> None:
    machine.holds_up()
    with machine.started() as process:
        wait_until(lambda: machine.has_begun() or process.poll() is not None, "the script", 60)
        assert machine.has_begun()
        for its in _processes_of(machine):
            with suppress(ProcessLookupError):
                os.kill(its, signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == 1
    assert machine.states()["tried"] != "installed"
    machine.goes_on()
    machine.installed()
    assert machine.states() == WHOLE
    assert machine.starts() == STAND_INS


def _processes_of(machine: Machine) -> list[int]:
    """apt, dpkg and the scripts: what has the machine's database in its environment, but for the program.

    Parents come first: none of them sees its child killed.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            variables = (path / "environ").read_bytes()
        except OSError:
            continue
        if str(machine.folder).encode() in variables and b"lab import packages" not in command:
            found.append(int(path.name))
    return sorted(found)


def test_a_package_that_fails_says_why(machine: Machine) -> None:
    (machine.folder / "packages.txt").write_text("nobody-has-this\n")
    with machine.started() as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Unable to locate package nobody-has-this" in said


def test_a_checkout_that_cannot_be_in_a_path_installs_nothing(
    in_process: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packages, "_NO_SERVICES", tmp_path / "with:colon")
    (tmp_path / "with:colon").mkdir()
    with pytest.raises(LabError, match="cannot be part of a PATH"):
        packages.require()
    assert in_process.states() == {}


@pytest.mark.parametrize("is_there", [False, True])
def test_only_a_service_that_was_there_starts_at_a_boot(tmp_path: Path, is_there: bool) -> None:
    unit = tmp_path / "lib/systemd/system/tried.service"
    script = tmp_path / "etc/init.d/tried"
    for file, text in (
        (unit, "[Install]\nWantedBy=multi-user.target\n"),
        (script, "### BEGIN INIT INFO\n# Provides: tried\n# Default-Start: 2\n### END INIT INFO\n"),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    script.chmod(0o755)
    own = {
        "DPKG_ROOT": str(tmp_path),
        "DPKG_MAINTSCRIPT_PACKAGE": "tried",
        "DPKG_MAINTSCRIPT_NAME": "postinst",
    }
    enabling = (["deb-systemd-helper", "enable", "tried.service"], ["update-rc.d", "tried", "defaults"])

    def enable(path: str) -> None:
        for words in enabling:
            subprocess.run(words, env={**os.environ, **own, "PATH": path}, check=True, capture_output=True)

    if is_there:
        enable(packages._APT_PATH)
    enable(packages._path())
    link = tmp_path / "etc/systemd/system/multi-user.target.wants/tried.service"
    assert (link.is_symlink(), bool([*tmp_path.glob("etc/rc2.d/S*tried")])) == (is_there, is_there)
