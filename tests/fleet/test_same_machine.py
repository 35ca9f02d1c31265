"""One machine under several names of an inventory: it is changed once, or not at all."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.host import LabHost
from tests.fleet.conftest import RELEASES
from tests.fleet.deploying import ROOT, Run, deploy, inventory_of
from tests.fleet.test_undo import files
from tests.fleet.test_verify_breakages import verify

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Name:
    """A name of a host in the inventory."""

    name: str
    group: str = "example_jp"
    domain: str = "example.jp"


@dataclass(frozen=True)
class Machine:
    """A host with three names: its own, and two that SSH connects to the same address."""

    host: LabHost
    ssh_config: Path

    @property
    def names(self) -> tuple[Any, ...]:
        return (Name("first.example.jp"), self.host, Name("last.example.jp"))

    def run(self, *options: str, names: int = 2, program: str = "deploy.py", **of_the_last: Any) -> Run:
        """Run a program for the first so many of its names.

        + of_the_last: data of the last of these names alone
        """
        chosen = self.names[:names]
        return deploy(
            chosen,
            *(options or ("-y",)),
            data={"ssh_config_file": str(self.ssh_config), "mail_hostname": self.host.name},
            per_host={chosen[-1].name: of_the_last},
            program=program,
        )

    @property
    def changes(self) -> list[Mapping[str, Any]]:
        """The manifests of its record."""
        folder = self.host.root / "var/lib/smtp-auth/changes"
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*/manifest.json"))]


@pytest.fixture(params=RELEASES)
def machine(request: pytest.FixtureRequest, stock: list[LabHost], tmp_path: Path) -> Machine:
    host = next(one for one in stock if one.name == request.param)
    config = tmp_path / "ssh_config"
    text = (ROOT / ".lab" / "ssh_config").read_text()
    config.write_text(text.replace(f"Host {host.name}\n", f"Host {host.name} first.* last.*\n"))
    return Machine(host, config)


def test_the_first_name_changes_it_and_the_others_are_refused(machine: Machine) -> None:
    preview = machine.run("--dry", "--diff", names=3)
    assert preview.status == 1, preview.output
    _says_that_the_others_are_refused(preview, machine)
    assert machine.changes == []
    run = machine.run(names=3)
    assert run.status == 1, run.output
    _says_that_the_others_are_refused(run, machine)
    assert "3 hosts: 1 changed, 2 refused" in run.report
    assert [change["outcome"] for change in machine.changes] == ["live"]


def _says_that_the_others_are_refused(run: Run, machine: Machine) -> None:
    refused = "which this run changes as first.example.jp alone: delete all names of this machine but "
    for name in machine.names[1:]:
        told = f"{name.name} refused: first.example.jp, {machine.host.name} and 1 more are one machine ("
        assert told in run.report, run.output
    assert run.report.count(refused) == 2
    assert "first.example.jp refused" not in run.report
    assert any("are one machine" in line for line in run.lines_of(machine.names[0]))


def test_with_different_data_no_name_changes_it(machine: Machine) -> None:
    before = files(machine.host)
    for options in (("--dry", "--diff"), ("-y",)):
        run = machine.run(*options, tls_minimum_version="TLSv1.3")
        assert run.status == 1, run.output
        assert run.report.count("and their data differ, so the change of one name would") == 2
    assert machine.changes == []
    assert files(machine.host) == before


def test_limited_to_one_name_it_is_changed(machine: Machine) -> None:
    run = machine.run("-y", "--limit", machine.host.name, tls_minimum_version="TLSv1.3")
    assert (run.status, machine.changes[0]["outcome"]) == (0, "live"), run.output
    assert "one machine" not in run.output
    # The second name has nothing to do now, the first has.
    again = machine.run("--dry", tls_minimum_version="TLSv1.3")
    assert again.status == 1
    assert again.report.count("and their data differ") == 1


def test_with_nothing_to_do_it_is_a_note(machine: Machine) -> None:
    assert machine.run("-y", "--limit", machine.host.name).status == 0
    for options in (("--dry", "--diff"), ("-y",)):
        run = machine.run(*options)
        assert run.status == 0, run.output
        for name in machine.names[:2]:
            assert any("are one machine (the same /etc/machine-id and" in line for line in run.lines_of(name))
        assert "2 hosts: 2 unchanged" in run.report
    assert len(machine.changes) == 1


@pytest.mark.parametrize("program", ["undo.py", "remove.py"])
def test_undo_and_removal_are_made_once(machine: Machine, program: str) -> None:
    before = files(machine.host)
    assert machine.run("-y", "--limit", machine.host.name).status == 0
    assert machine.run("--dry", program=program).status == 1
    run = machine.run(program=program)
    assert run.status == 1, run.output
    assert "2 hosts: 1 changed, 1 refused" in run.report
    assert [change["outcome"] for change in machine.changes] == ["live", "live"]
    assert files(machine.host) == before


def test_other_machines_in_the_run_are_changed(machine: Machine, stock: list[LabHost]) -> None:
    (other,) = (host for host in stock if host is not machine.host)
    run = deploy(
        (*machine.names[:2], other),
        data={"ssh_config_file": str(machine.ssh_config)},
        per_host={name.name: {"mail_hostname": machine.host.name} for name in machine.names[:2]},
    )
    assert "3 hosts: 2 changed, 1 refused" in run.report, run.output


def test_a_clone_with_keys_of_its_own_is_another_machine(machine: Machine, stock: list[LabHost]) -> None:
    (other,) = (host for host in stock if host is not machine.host)
    own, others = (host.root / "etc/machine-id" for host in (machine.host, other))
    # journalctl looks for the journal under it, and restoring a host leaves it alone.
    before = others.read_bytes()
    others.write_bytes(own.read_bytes())
    try:
        run = deploy(stock)
    finally:
        others.write_bytes(before)
    assert (run.status, "one machine" in run.output) == (0, False), run.output


def test_the_verification_notes_it(machine: Machine, tmp_path: Path) -> None:
    assert machine.run(names=1).status == 0
    data = {"ssh_config_file": str(machine.ssh_config), "mail_hostname": machine.host.name}
    names: list[Any] = [machine.host, machine.names[-1]]
    found = verify(tmp_path, names, {name.name: data for name in names})
    for name in names:
        noted = found.hosts[name.name]["no other host is the same machine"]
        assert noted["outcome"] == "warned"
        assert noted["warnings"][0].startswith(f"{names[0].name} and {names[1].name} are one machine (")


def test_the_history_notes_it(machine: Machine, tmp_path: Path) -> None:
    assert machine.run(names=1).status == 0
    inventory = tmp_path / "inventory.py"
    inventory.write_text(inventory_of(machine.names, {"ssh_config_file": str(machine.ssh_config)}, {}))
    words = [sys.executable, "-m", "smtp_auth.cli", "history", f"--inventory={inventory}"]
    shown = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len([line for line in shown.splitlines() if "one machine" in line]) == 1
    printed = subprocess.run(
        [*words, "--json", "-"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    names = [name.name for name in machine.names]
    hosts = json.loads(printed)["hosts"]
    others = {name: [one for one in names if one != name] for name in names}
    assert {name: host["same_machine"] for name, host in hosts.items()} == others
