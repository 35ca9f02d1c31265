"""How a rollout grows with the number of hosts: time, memory and bytes of each process.

    python -m bench.growth FOLDER        the lab has to be up (make lab-up)

100 and 1,000 entries are over the lab's hosts: each entry is asked, and verified, and all entries of a host
wait for its one change, as attempts of the same run do. 10,000 entries, and as many again of the others, have
answers that are replayed from a file (bench/replayed.py). Each slice has an inventory of its own hosts alone.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import Lab, LabHost
from smtp_auth.rollout import plan_file
from smtp_auth.rollout.slices import Slice
from tests.fleet.commands import SMTP_AUTH
from tests.fleet.deploying import ROOT, data_of, side_by_side
from tests.fleet.many_entries import AT_ONCE, as_many_machines, write_inventory

# How many hosts a slice has at most.
_SLICE = 250

_ON_HOSTS = (100, 1_000)
_REPLAYED = (100, 1_000, 10_000)


@dataclass(frozen=True)
class Cost:
    """What a process has cost.

    + seconds: until it ended; `cpu`: of the processor
    + memory: at most, in MiB
    """

    seconds: float
    cpu: float
    memory: float


def cost_of(words: Sequence[str | Path]) -> Cost:
    """Run a command, which has to end well."""
    began = time.monotonic()
    process = subprocess.Popen(
        [*map(str, words)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"status {os.waitstatus_to_exitcode(status)}: {' '.join(map(str, words))}")
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def show(what: str, costs: Sequence[Cost], size: int) -> None:
    """Print one row: the most expensive process of its kind. + size: of what each has written, at most"""
    most = max(costs, key=lambda cost: cost.seconds)
    memory = max(cost.memory for cost in costs)
    print(
        f"| {what} | {len(costs)} | {most.seconds:.1f} | {most.cpu:.1f} | {memory:.0f} | {size:,} |",
        flush=True,
    )


def inventory_of(folder: Path, names: Sequence[str], host: LabHost) -> Path:
    """An inventory with these names. + host: gives their data"""
    file = folder / "inventory.py"
    file.write_text(
        f"mail = ({[*names]!r}, {{'mail_domain': {host.domain!r}, 'mail_hostname': {host.name!r}}})\n"
    )
    return file


class Growth:
    """The processes of one rollout. + begins: the words that run smtp-auth"""

    def __init__(self, folder: Path, begins: Sequence[str | Path]) -> None:
        self._folder, self._begins = folder, begins
        self._plan = folder / "plan.json"

    def _run(self, command: str, inventory: Path, *options: str | Path) -> Cost:
        of = ("--inventory", inventory, "--parallel", str(AT_ONCE))
        return cost_of([*self._begins, command, *of, *options])

    def plan(self, what: str, inventory: Path) -> None:
        """Plan all hosts."""
        cost = self._run("plan", inventory, "--out", self._plan)
        show(f"{what}: `plan --out`", [cost], self._plan.stat().st_size)

    def slices(self, what: str, inventory: Callable[[Sequence[str]], Path]) -> None:
        """Carry out each wave in slices, and merge them. + inventory: makes one of some of the hosts"""
        earlier: list[str | Path] = []
        plan = plan_file.read("--plan", str(self._plan))
        for wave, names in plan.waves.items():
            shards = -(-len(names) // _SLICE)
            reports = [self._folder / f"{wave}-{shard}.json" for shard in range(1, shards + 1)]
            costs = [
                self._run(
                    "rollout",
                    inventory(Slice(wave, None, shard, shards).names(plan)),
                    *("--plan", self._plan, "--yes", "--json", report),
                    *("--wave", str(wave), "--shard", f"{shard}/{shards}"),
                )
                for shard, report in enumerate(reports, 1)
            ]
            hosts = max(len(json.loads(report.read_text())["hosts"]) for report in reports)
            size = max(report.stat().st_size for report in reports)
            show(f"{what}: wave {wave}, slices of at most {hosts}", costs, size)
            merged = self._folder / f"merged{wave}.json"
            judged = (SMTP_AUTH, "merge", "--plan", self._plan, "--wave", str(wave), *earlier)
            cost = cost_of([*judged, "--json", merged, *reports])
            show(f"{what}: `merge` of wave {wave}", [cost], merged.stat().st_size)
            earlier = ["--earlier", merged]


def main() -> None:
    """Measure, and print a table."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lab = Lab.load(ROOT)
    hosts = [*lab.hosts.values()]
    answers = folder / "answers.json"
    print("| hosts and process | processes | seconds | of the processor | MiB | bytes written |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for count in _ON_HOSTS:
        side_by_side(LabHost.reset, hosts)
        on_hosts = partial(write_inventory, hosts, count, folder, data_of(lab))
        growth = Growth(folder, [SMTP_AUTH])
        with as_many_machines(hosts):
            growth.plan(f"{count:,} on hosts", on_hosts())
            growth.slices(f"{count:,} on hosts", on_hosts)
    hosts[0].reset()
    with as_many_machines(hosts[:1]):
        one = write_inventory(hosts[:1], 1, folder)
        words = ("record", answers, "plan", "--inventory", one)
        cost_of([sys.executable, "-m", "bench.replayed", *words])
    for count in _REPLAYED:
        names = [f"mx{number:05}.{hosts[0].domain}" for number in range(count)]
        replayed = partial(inventory_of, folder, host=hosts[0])
        growth = Growth(folder, [sys.executable, "-m", "bench.replayed", "replay", answers])
        growth.plan(f"{count:,} replayed", replayed(names))
        growth.slices(f"{count:,} replayed", replayed)


if __name__ == "__main__":
    main()
