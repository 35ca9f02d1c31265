"""A slice that is interrupted before its first wave begins, in a process of its own."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtp_auth.local_time import in_utc
from smtp_auth.rollout import plan_file, report
from tests.processes import WITH_THE_TESTS, wait_for
from tests.queues import ROOT
from tests.unit.rollout.plans import plan_of

INVENTORY = (
    "mail = [('host0', {'mail_domain': 'example.jp', 'mail_hostname': 'host0', 'ssh_hostname': '127.0.0.1'})]"
)

# It waits where the first wave would begin.
PROGRAM = """
import os, sys
from pathlib import Path
from smtp_auth import cli

own_steps = cli.own_steps

def patched_steps():
    from gevent.monkey import get_original
    from smtp_auth.rollout.engine import Rollout

    def run(self, bounds):
        Path(os.environ["BEGINS"]).touch()
        get_original("time", "sleep")(60)

    Rollout.run = run
    return own_steps()

cli.own_steps = patched_steps
sys.exit(cli.main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_slice_that_is_interrupted_before_its_wave_writes_its_report(
    tmp_path: Path, number: signal.Signals
) -> None:
    plan = replace(plan_of([(1, None), (2, None)]), made=in_utc(datetime.now(UTC)))
    file, output, begins = (tmp_path / name for name in ("plan.json", "report.json", "begins"))
    file.write_text("\n".join(plan_file.lines(plan)))
    (tmp_path / "inventory.py").write_text(INVENTORY)
    words = ["rollout", "--plan", str(file), "--wave", "1", "--yes", "--json", str(output)]
    process = subprocess.Popen(
        [
            *WITH_THE_TESTS,
            sys.executable,
            "-c",
            PROGRAM,
            *words,
            "--inventory",
            str(tmp_path / "inventory.py"),
        ],
        cwd=ROOT,
        env={**os.environ, "BEGINS": str(begins)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: begins.exists() or process.poll() is not None, "it does not begin")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Interrupted: no change is under way.\n" in said
    found = report.report_in(output.read_text())
    assert {name: one.outcome for name, one in found.hosts.items()} == {"host0": "not begun"}
