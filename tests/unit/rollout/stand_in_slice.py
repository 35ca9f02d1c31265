"""A stand-in for `smtp-auth rollout` with a slice: `python -m tests.unit.rollout.stand_in_slice WORDS…`.

Its hosts are files in the folder of `STAND_IN`: `changed HOST` has the runs that have changed a host, one a
line. While the file `hold HOST` exists, the change of a host goes on; a host called `bad…` does not verify.
As the real one: it changes no host that its run has changed, and SIGINT lets no further host begin.
`told` says that it was interrupted. While `die` exists, it ends without a report; while `starts` exists, it
starts, as Python does before it knows of signals.

For `smtp-auth plan --check`, it is pending on one host, and one is as wanted; `hold check` holds it up.
"""

import json
import os
import signal
import sys
from pathlib import Path

from smtp_auth.cli import _parser
from smtp_auth.rollout import plan_file, report
from smtp_auth.rollout.report import HostReport, Report
from smtp_auth.rollout.slices import slice_of
from tests.processes import wait_for

_interrupted: list[bool] = []


def main() -> int:
    folder = Path(os.environ["STAND_IN"])

    def interrupted(*_: object) -> None:
        _interrupted.append(True)
        (folder / "told").touch()

    (folder / "starting").touch()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    wait_for(lambda: not (folder / "starts").exists(), "it does not only start any more")
    signal.signal(signal.SIGINT, interrupted)
    arguments = _parser().parse_args(sys.argv[1:])
    if sys.argv[1] == "plan":
        (folder / "checking").touch()
        hold = folder / "hold check"
        wait_for(lambda: _interrupted or not hold.exists(), "the check is not held up any more")
        if _interrupted or (folder / "die").exists():
            return 2
        hosts_json = {"a1": {"state": "converged"}, "a2": {"state": "pending"}}
        Path(arguments.json).write_text(json.dumps({"version": 1, "hosts": hosts_json}))
        return 3
    assert not [name for name in os.environ if name.startswith("PG")]
    assert arguments.yes
    assert Path(arguments.plan).stat().st_mode & 0o777 == 0o600
    plan = plan_file.read("--plan", arguments.plan)
    part = slice_of(plan, arguments.wave, arguments.zone, arguments.shard)
    (folder / f"started {os.getpid()}").write_text(str(part))
    if (folder / "die").exists():
        return 2
    hosts = {name: _host(folder, plan.run, name, part.wave, part.zone) for name in part.names(plan)}
    found = Report(plan.run, plan.identity, part.wave, part.zone, arguments.shard, False, hosts)
    Path(arguments.json).write_text("\n".join(report.lines(found)))
    if _interrupted:
        return 130
    return 1 if any(one.has_failed for one in hosts.values()) else 0


def _host(folder: Path, run: str, name: str, wave: int, zone: str | None) -> HostReport:
    if _interrupted:
        return HostReport(wave, zone, "pending", "not begun")
    changed = folder / f"changed {name}"
    if not (changed.exists() and run in changed.read_text().splitlines()):
        (folder / f"begun {name}").touch()
        hold = folder / f"hold {name}"
        wait_for(lambda: not hold.exists(), f"{name} is not held up any more")
        with changed.open("a") as file:
            file.write(f"{run}\n")
    is_well = not name.startswith("bad")
    reasons = () if is_well else ("mynetworks = 0.0.0.0/0",)
    checks = () if is_well else ("relay",)
    return HostReport(wave, zone, "converged", "changed", is_well, checks, reasons=reasons)


if __name__ == "__main__":
    sys.exit(main())
