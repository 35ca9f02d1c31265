"""`python3 -m bench`."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import startup
from bench.counts import counted
from bench.fleet import BENCH_PYTHON, DEPLOYED, ROOT, SCRATCH, Fleet, boot
from bench.measure import Run, RunError, run
from bench.peers import MITOGEN, PEERS, Peer, environment
from bench.same_state import differences, effective_state
from bench.scenarios import USUAL, Scenario, part
from bench.table import summary, table
from bench.works import FIRST, LEVELS, NOTHING, ONE, WORKS, Work, prepare
from lab import Lab, LabError
from lab.watch import watched


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    plan = _plan(options)
    if not plan:
        parser.error("no such fleet is measured: there are 1, 4 and 16 hosts, and 4 with a delay of 50 ms")
    SCRATCH.mkdir(exist_ok=True)
    lab = Lab(SCRATCH, tell=lambda what, done, seconds: _say(f"{what:<20} {done}  {seconds:.1f} s"))
    with nullcontext() if options.keep else watched(SCRATCH):
        try:
            boot(lab, max(scenario.hosts for scenario in plan))
            Bench(lab, options.peers, Results(options.out)).measure(plan)
        except (LabError, RunError) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        finally:
            if not options.keep:
                lab.down()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m bench",
        description="Measures this deploy beside Ansible, Mitogen and plain ssh on booted lab hosts: what "
        "people compare, in less than half an hour. --hosts, --delay and --work choose a part of what --full "
        "measures.",
    )
    parser.add_argument("--full", action="store_true", help="measure everything, in one and a half hours")
    parser.add_argument("--hosts", type=int, action="append", help="only this many hosts (repeatable)")
    parser.add_argument("--delay", type=float, action="append", help="only with this delay, in ms")
    parser.add_argument("--work", action="append", choices=WORKS, help="only this work (repeatable)")
    parser.add_argument(
        "--peer", dest="peers", action="append", choices=PEERS, help="only this peer (repeatable)"
    )
    parser.add_argument("--runs", type=int, help="counted runs of each (1 to 5, by fleet and peer)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up for the next time")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where the results go (docs/)")
    return parser


def _plan(options: argparse.Namespace) -> list[Scenario]:
    limits = options.hosts or (), options.delay or (), options.work or ()
    plan = part(*limits) if options.full or any(limits) else USUAL
    if options.runs is None:
        return list(plan)
    return [replace(scenario, runs=options.runs, slow_runs=options.runs) for scenario in plan]


def _say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {text}", flush=True)


class Results:
    """The results. After each work, they are written to a folder as JSON, tables and plot.

    If a work is measured again on a fleet, its new rows replace the old rows of all peers.

    + folder: with benchmark.json, benchmark.md and benchmark.svg; a README.md beside the folder gets
      the summary between its two marks
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._json = folder / "benchmark.json"
        self._data: dict[str, Any] = {"measured": []}
        if self._json.exists():
            self._data = json.loads(self._json.read_text())

    def describe(self, machine: dict[str, Any], imports: dict[str, list[float]]) -> None:
        """Record the machine, and the costs of a start there."""
        self._data["machine"] = machine
        self._data["imports"] = imports

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Keep the rows of one work on one fleet."""
        keys = {_place(row) for row in rows}
        kept = [row for row in self._data["measured"] if _place(row) not in keys]
        self._data["measured"] = sorted(kept + rows, key=_place)
        self._folder.mkdir(exist_ok=True)
        self._json.write_text(json.dumps(self._data, indent=1) + "\n")
        text = table(self._data)
        (self._folder / "benchmark.md").write_text(text)
        self._plot()
        readme = self._folder.parent / "README.md"
        if readme.exists():
            readme.write_text(between_marks(readme.read_text(), summary(self._data)))
        print(text)

    def _plot(self) -> None:
        files = (str(self._json.resolve()), str((self._folder / "benchmark.svg").resolve()))
        subprocess.run([str(BENCH_PYTHON), "-m", "bench.plot", *files], cwd=ROOT, check=True)


def between_marks(page: str, text: str) -> str:
    """The page with this text between its marks; a page without marks stays as it is."""
    return re.sub(
        r"(?<=<!-- benchmark -->\n).*(?=<!-- end of benchmark -->\n)", lambda _: text, page, flags=re.DOTALL
    )


def _place(row: dict[str, Any]) -> tuple[int, float, int]:
    """The sort key of a row: its work, then its fleet."""
    return list(WORKS).index(row["work"]), row["delay_ms"], row["hosts"]


class Bench:
    """Measures peers on the hosts of a lab.

    + names: the names of the peers to measure; all peers if empty or `None`
    + results: gets everything that is measured
    """

    def __init__(self, lab: Lab, names: Sequence[str] | None, results: Results) -> None:
        self._lab = lab
        self._results = results
        self._peers = [peer for peer in PEERS.values() if not names or peer.name in names]
        self._level = LEVELS[-1]
        self._reference: dict[str, dict[str, str]] = {}

    def measure(self, plan: Sequence[Scenario]) -> None:
        """Everything that the plan asks for."""
        self._results.describe(_machine(), startup.imports())
        for scenario in plan:
            fleet = Fleet(self._lab, scenario.hosts, scenario.delay)
            self._deploy(fleet)
            for work in scenario.works:
                started, load = datetime.now(UTC), os.getloadavg()[0]
                rows = self._work(scenario, work, fleet)
                origin = {"started": f"{started:%Y-%m-%d %H:%M} UTC", "load": [load, os.getloadavg()[0]]}
                self._results.add([{**row, **origin} for row in rows])

    def _deploy(self, fleet: Fleet) -> None:
        """Make and save the state in which no peer has anything to do: the one that the playbook leaves.

        The playbook asks for most: only it wants its own marks in master.cf.
        """
        if all(DEPLOYED in host.saved() for host in fleet.hosts):
            return
        prepare(FIRST, fleet, first=True)
        self._run(MITOGEN, FIRST, fleet, sample_memory=False)
        fleet.save(DEPLOYED)

    def _work(self, scenario: Scenario, work: Work, fleet: Fleet) -> list[dict[str, Any]]:
        wanted = {peer: scenario.counted_runs(peer) for peer in self._peers if work in peer.works}
        self._level = LEVELS[-1]
        costs: dict[str, dict[str, Any]] = {}
        runs: dict[str, list[Run]] = {peer.name: [] for peer in wanted}
        first = True
        for number in range(max(wanted.values(), default=0) + 1):
            peers = [peer for peer, times in wanted.items() if number <= times]
            # The peers take turns, and each round begins with another one, so that no peer always runs after
            # the slowest.
            turn = number % len(peers) if peers else 0
            for peer in peers[turn:] + peers[:turn]:
                prepare(work, fleet, first)
                first = False
                if number == 0:
                    done, costs[peer.name] = self._watched(peer, work, fleet)
                else:
                    done = self._run(peer, work, fleet, sample_memory=False)
                    runs[peer.name].append(done)
                word = f"run {number}" if number else "warm-up"
                where = f"{fleet.count} hosts +{fleet.delay:g} ms"
                _say(f"{where:<16} {work.name:<8} {peer.name:<8} {word:<8} {done.seconds:7.2f} s")
        return [
            {
                "hosts": fleet.count,
                "delay_ms": fleet.delay,
                "work": work.name,
                "peer": peer.name,
                "seconds": [taken.seconds for taken in runs[peer.name]],
                "cpu_seconds": [taken.cpu for taken in runs[peer.name]],
                **costs[peer.name],
            }
            for peer in wanted
        ]

    def _watched(self, peer: Peer, work: Work, fleet: Fleet) -> tuple[Run, dict[str, Any]]:
        """The run that warms up: what it does to each host, and the controller's memory.

        Its time is not used: the watching is a part of it.
        """
        with ExitStack() as stack:
            counts = {host.name: stack.enter_context(counted(fleet.lab, host)) for host in fleet.hosts}
            done = self._run(peer, work, fleet, sample_memory=True)
        return done, {"memory_bytes": done.memory, "counts": {n: asdict(c) for n, c in counts.items()}}

    def _run(self, peer: Peer, work: Work, fleet: Fleet, sample_memory: bool) -> Run:
        if work is ONE:
            self._level = LEVELS[1 - LEVELS.index(self._level)]
        level = self._level if work is ONE else LEVELS[-1]
        command = peer.command(work, fleet, level)
        done = run(command.argv, environment(command.env), sample_memory)
        changed = peer.changed(done.output)
        if work is NOTHING and changed:
            raise RunError(f"{peer.name} changed hosts that needed no change:\n{done.output}")
        if work in (FIRST, ONE):
            if not changed:
                raise RunError(f"{peer.name} changed nothing:\n{done.output}")
            self._same_state(peer, fleet, level)
        return done

    def _same_state(self, peer: Peer, fleet: Fleet, level: str) -> None:
        """Raise `RunError` if the effective state of a host differs from that after other peers."""
        for host in fleet.hosts:
            found = effective_state(host)
            wanted = self._reference.setdefault(f"{host.name} {level}", found)
            lines = differences(wanted, found)
            if lines:
                text = "\n".join(lines)
                raise RunError(f"{peer.name} leaves {host.name} in another state:\n{text}")


def _machine() -> dict[str, Any]:
    """The machine, and the versions of the programs."""
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "processor": model[0] if model else platform.machine(),
        "memory_gib": round(memory / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": _versions(),
        "commit": _first_line("git", "rev-parse", "--short", "HEAD"),
    }


def _versions() -> dict[str, str]:
    ours = Path(sys.executable).parent / "python"
    program = "from importlib.metadata import version; print(version({!r}))"
    wanted = ((ours, "pyinfra"), (BENCH_PYTHON, "ansible-core"), (BENCH_PYTHON, "mitogen"))
    found = {name: _first_line(str(python), "-c", program.format(name)) for python, name in wanted}
    openssh = subprocess.run(["ssh", "-V"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return {**found, "OpenSSH": openssh.split(",")[0].removeprefix("OpenSSH_")}


def _first_line(*argv: str) -> str:
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
