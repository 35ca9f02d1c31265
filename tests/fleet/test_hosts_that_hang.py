"""Hosts that hang, trickle, flood or break off fail alone; the healthy hosts beside them are served."""

import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT, run
from typing import Any

import pytest

from lab import mail
from lab.command import wait_until
from lab.host import LabHost
from lab.lab import Lab
from smtp_auth.on_host.changing import GOES_ON
from smtp_auth.on_host.instructions import RECORD
from tests.fleet.deploying import ROOT, deploy, ended, inventory_of, started, succeed
from tests.fleet.faults import UNIT
from tests.fleet.test_in_the_middle import DPKG, locked
from tests.hostile_ssh import BEHAVIOURS, hostile_server
from tests.hostile_ssh import inventory_of as inventory_of_hostile
from tests.memory import measured, peak
from tests.processes import wait_for

pytestmark = pytest.mark.lab

# Until a hostile host is given up. The healthy ones have the default.
SECONDS = 3

# For a host that is healthy at first: it has been looked at by then.
_BEFORE_IT_HANGS = 8

# In KiB, as wait4(2) counts.
SMALL = 200 << 10

HOSTILE: dict[str, Any] = {
    "host_seconds": SECONDS,
    "mail_domain": "example.jp",
    "mail_hostname": "mail.example.jp",
    "verify_addresses": "ssh",
}
NAMES = [behaviour.replace(" ", "-") for behaviour in BEHAVIOURS]

# One sentence, which names the fact.
SENTENCE = (
    r"no connection was made within 3 seconds|it sent more than 262144 bytes before|it closed the connection"
    r"|SSH error \(Indecipherable|the host gave no complete answer within 3 seconds"
    r"|the host printed more than the 16777216 bytes|the connection was lost: |is incomplete: the host gave"
    r"|the host ended the session before|the account's login shell on this host is nologin"
)


@dataclass(frozen=True)
class Fleet:
    """Two healthy hosts, and a hostile one per behaviour, in one inventory."""

    healthy: list[LabHost]
    inventory: Path

    def run(self, *words: str | Path, status: int = 1) -> str:
        """What a program prints, with this exit status and little memory."""
        size = self.inventory.with_name("size")
        command = measured([sys.executable, "-m", *words], size)
        done = run(command, cwd=ROOT, stdout=PIPE, stderr=STDOUT, text=True)
        output = done.stdout
        assert done.returncode == status, output
        assert peak(size) < SMALL, output
        assert "Traceback" not in output
        return re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", output)

    def deploy(self, *options: str) -> str:
        """The report of a deploy, whose hostile hosts have failed with a sentence each."""
        report = self.run("pyinfra", self.inventory, "deploy.py", *options).partition("--> Report:")[2]
        for name in NAMES:
            (line,) = [line for line in report.splitlines() if line.split()[:1] == [name]]
            assert re.search(SENTENCE, line), line
        return report


@pytest.fixture
def fleet(stock: list[LabHost], tmp_path: Path) -> Iterator[Fleet]:
    inventory = tmp_path / "inventory.py"
    with hostile_server() as ports:
        hostile = inventory_of_hostile(ports, tmp_path, **HOSTILE)
        inventory.write_text(inventory_of(stock, {"verify_addresses": "ssh"}, {}) + hostile)
        yield Fleet(stock, inventory)


def test_they_fail_alone_whatever_is_asked_of_them(fleet: Fleet, lab: Lab, tmp_path: Path) -> None:
    hosts_in_all = f"{len(NAMES) + len(fleet.healthy)} hosts"
    assert f"{hosts_in_all}: 2 would change, " in fleet.deploy("--dry")
    assert f"{hosts_in_all}: 2 changed, " in fleet.deploy("-y")
    for host in fleet.healthy:
        with mail.submissions(host, lab.ca) as client:
            client.login(host.user, host.password)

    history = tmp_path / "history.json"
    fleet.run("smtp_auth.cli", "history", "--json", history, "--inventory", fleet.inventory)
    hosts = json.loads(history.read_text())["hosts"]
    assert [len(hosts[host.name]["changes"]) for host in fleet.healthy] == [1, 1]
    for name in NAMES:
        assert re.search(SENTENCE, hosts[name]["error"]), hosts[name]

    found = tmp_path / "verified.json"
    # A few of the checks, which look from inside and from outside: each takes pytest its time.
    chosen = "is_up or reached or as_deployed or greets"
    fleet.run("pytest", "tests/verify", "--inventory", fleet.inventory, "--json", found, "-k", chosen)
    checks = json.loads(found.read_text())["hosts"]
    for host in fleet.healthy:
        assert "failed" not in {check["outcome"] for check in checks[host.name].values()}, checks[host.name]
    for name in NAMES:
        reasons = [check["reason"] for check in checks[name].values() if check["outcome"] == "failed"]
        assert any(re.search(SENTENCE, reason) for reason in reasons), reasons


@contextmanager
def hung(host: LabHost, processes: str = "pgrep -f '^sshd'") -> Iterator[None]:
    """Processes do nothing; the kernel still acknowledges what is sent to them.

    + processes: a command that prints their numbers; by default those of sshd, its sessions included
    """
    host.run(f"kill -STOP $({processes})")
    try:
        yield
    finally:
        host.run(f"kill -CONT $({processes})")


def test_a_host_that_hangs_in_the_middle_of_a_change_is_left_to_itself(stock: list[LabHost]) -> None:
    """The change of another host takes as long, and its sshd responds: that one is waited for."""
    waits, hangs = stock
    with ExitStack() as stack:
        for host in stock:
            stack.enter_context(locked(host, DPKG))
        process = stack.enter_context(
            started(stock, per_host={hangs.name: {"host_seconds": _BEFORE_IT_HANGS}})
        )
        for host in stock:
            wait_for(
                lambda: host.run(f"systemctl is-active {UNIT}", check=False).returncode == 0,  # noqa: B023
                f"the change on {host.name}",
            )
        with hung(hangs):
            until = time.monotonic() + 2.5 * _BEFORE_IT_HANGS
            wait_until(lambda: time.monotonic() > until, "more than two deadlines have passed")
            waits.run("rm /run/held")
            run = ended(process)
    why = f"the connection was lost (no connection was made within {_BEFORE_IT_HANGS} seconds: "
    assert f"{hangs.name} not reached: {why}" in run.report, run.output
    assert GOES_ON in run.report
    assert "2 hosts: 1 changed, 1 not reached" in run.report
    live = f"grep -qx 'outcome.live' {RECORD}/last"
    wait_for(
        lambda: hangs.run(live, check=False).returncode == 0,
        f"the end of the change on {hangs.name}",
    )


@contextmanager
def _loaded(host: LabHost) -> Iterator[None]:
    """Fifty programs want a processor all the time; other hosts of the lab come first."""
    busy = "timeout 60 nice -n 19 sh -c 'while :; do :; done'"
    loops = f"echo $$ >/run/busy; for one in $(seq 50); do {busy} & done; wait"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(host.run, loops, check=False, timeout=90)
        try:
            yield
        finally:
            host.run("pkill -P $(cat /run/busy) timeout; rm /run/busy")
            running.result()


def test_a_slow_host_is_not_blamed(lab: Lab, stock: list[LabHost]) -> None:
    """Each is 300 ms away, and has a load of 50."""
    with ExitStack() as stack:
        for host in stock:
            stack.enter_context(_loaded(host))
            stack.callback(lab.link(host.name).restore)
            lab.link(host.name).delay(300)
        run = succeed(deploy(stock))
    assert "2 hosts: 2 changed" in run.report, run.output
