"""Two hundred names of the lab's hosts, in four states: a screen for people, everything for programs."""

import json
import subprocess
from pathlib import Path

from lab import Lab, LabHost
from tests.fleet.commands import SMTP_AUTH, smtp_auth
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import ROOT, TAKE_PORT_465
from tests.fleet.many_entries import as_many_machines, write_inventory

_COUNT = 200


def test_a_plan_of_two_hundred_hosts_fits_a_screen(lab: Lab, tmp_path: Path) -> None:
    hosts = [lab.hosts[name] for name in FLEET]
    for host in hosts:
        host.reset()
    converged, pending, refused, unreachable = hosts
    assert smtp_auth("apply", [converged], "--yes").status == 0
    refused.run(TAKE_PORT_465)
    unreachable.power_off()
    file = tmp_path / "plan.json"
    try:
        with as_many_machines([converged, pending, refused]):
            done = _plan(hosts, tmp_path, "--json", str(file))
    finally:
        refused.run("systemctl stop taken")
        unreachable.power_on()
        unreachable.wait_ready()
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 60, done.stdout
    assert lines[-1] == "200 hosts: 50 converged, 50 pending, 50 refused, 50 unreachable"
    found = json.loads(file.read_text())["hosts"]
    states = {host.name: {found[name]["state"] for name in _names(found, host)} for host in hosts}
    expected = ("converged", "pending", "refused", "unreachable")
    assert states == {host.name: {state} for host, state in zip(hosts, expected, strict=True)}
    (digest,) = {found[name]["digest"] for name in _names(found, pending)}
    added = [line for edit in found[pending.name]["plan"]["edits"] for line in edit["lines"]]
    assert digest
    assert "+smtpd_sasl_path = private/auth\n" in added


def _plan(hosts: list[LabHost], folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    inventory = write_inventory(hosts, _COUNT, folder)
    words = [SMTP_AUTH, "plan", "--inventory", str(inventory), *options]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)


def _names(found: dict[str, object], host: LabHost) -> list[str]:
    """The names of a host: the hosts have them in turn."""
    return [*found][[*found].index(host.name) :: len(FLEET)]
