"""Two controllers change a host in turn, and the clock of one is a year ahead."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import ROOT, deploy, inventory_of, side_by_side, succeed
from tests.fleet.faults import PAUSE, Faults
from tests.fleet.test_undo import UNDO, files, live, program

pytestmark = pytest.mark.lab

# Runs in pyinfra, as the first lines of the inventory.
A_YEAR_AHEAD = """
from datetime import datetime, timedelta
from smtp_auth.runs import origin

class Ahead(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(days=365)

origin.datetime = Ahead
"""

OURS = {"submissions_options": {"smtpd_client_connection_count_limit": "20"}}
THEIRS = {"submissions_options": {"smtpd_client_connection_count_limit": "30"}}


def test_what_the_clock_of_a_controller_says_decides_nothing(
    lab: Lab, stock: list[LabHost], tmp_path: Path
) -> None:
    first = [files(host) for host in stock]
    succeed(deploy(stock, prelude=A_YEAR_AHEAD))
    ahead = [files(host) for host in stock]
    succeed(deploy(stock, data=OURS))
    ours = [files(host) for host in stock]
    succeed(deploy(stock, data=THEIRS, prelude=A_YEAR_AHEAD))
    for host in stock:
        one, two, three = live(host)
        assert one > two < three
    succeed(program(stock, UNDO))
    assert [files(host) for host in stock] == ours
    # The undo is the newest change, although its ID is the smaller one.
    preview = succeed(program(stock, UNDO, "--dry", "--diff"))
    for host in stock:
        assert f"undoes change {live(host)[-1]}" in preview.output
    # The history has them in their order.
    inventory = tmp_path / "inventory.py"
    inventory.write_text(inventory_of(stock, {}, {}))
    words = [sys.executable, "-m", "smtp_auth.cli", "history", f"--inventory={inventory}", "--json", "-"]
    told = json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    for host in stock:
        assert [change["id"] for change in told["hosts"][host.name]["changes"]] == live(host)
    # A power cut in a change of the controller that is right: what the host had is proved, and comes back.
    side_by_side(_cut_off, stock)
    assert [files(host) for host in stock] == ours
    succeed(program(stock, UNDO, undo_to=live(stock[0])[1]))
    assert [files(host) for host in stock] == ahead
    succeed(program(stock, UNDO, undo_to=live(stock[0])[0]))
    assert [files(host) for host in stock] == first


def _cut_off(host: LabHost) -> None:
    """The power fails in a change, with its files in place."""
    with Faults(host) as faults, faults.in_ssh(), ThreadPoolExecutor(1) as pool:
        faults.arm(1, PAUSE, "systemctl")
        running = pool.submit(deploy, [host], data={"tls_minimum_version": "TLSv1.3"})
        faults.wait_paused()
        host.kill()
        assert running.result().status == 1
        host.power_on()
        host.wait_ready()
