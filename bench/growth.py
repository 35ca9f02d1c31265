"""How a rollout grows with the number of hosts: time, memory and bytes of each process.

    python -m bench.growth FOLDER        the lab has to be up (make lab-up)

Plans of 100 and of 1,000 entries are over the lab's hosts: each entry is asked. A host has one change at a
time, so slices, and plans of 10,000 entries, have answers that are replayed from a file (bench/replayed.py).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import Lab
from smtp_auth.rollout import plan_file
from tests.fleet.commands import SMTP_AUTH
from tests.fleet.deploying import ROOT, side_by_side
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


class Growth:
    """The processes of one rollout. + begins: the words that run smtp-auth; + inventory: its hosts"""

    def __init__(self, folder: Path, begins: Sequence[str | Path], inventory: Path) -> None:
        self._folder, self._begins = folder, begins
        self._of = ("--inventory", inventory, "--parallel", str(AT_ONCE))
        self._plan = folder / "plan.json"

    def plan(self, what: str) -> None:
        """Plan all hosts."""
        cost = cost_of([*self._begins, "plan", *self._of, "--out", self._plan])
        show(f"{what}: `plan --out`", [cost], self._plan.stat().st_size)

    def slices(self, what: str) -> None:
        """Carry out each wave in slices, and merge them."""
        earlier: list[str | Path] = []
        for wave, names in plan_file.read("--plan", str(self._plan)).waves.items():
            shards = -(-len(names) // _SLICE)
            reports = [self._folder / f"{wave}-{shard}.json" for shard in range(1, shards + 1)]
            costs = [
                cost_of(
                    [
                        *(*self._begins, "rollout", *self._of, "--plan", self._plan, "--yes"),
                        *("--wave", str(wave), "--shard", f"{shard}/{shards}", "--json", report),
                    ]
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
    hosts = [*Lab.load(ROOT).hosts.values()]
    side_by_side(lambda host: host.reset(), hosts)
    answers = folder / "answers.json"
    print("| hosts and process | processes | seconds | of the processor | MiB | bytes written |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with as_many_machines(hosts):
        for count in _ON_HOSTS:
            Growth(folder, [SMTP_AUTH], write_inventory(hosts, count, folder)).plan(f"{count:,} on hosts")
        one = write_inventory(hosts[:1], 1, folder)
        words = ("record", answers, "plan", "--inventory", one)
        cost_of([sys.executable, "-m", "bench.replayed", *words])
    for count in _REPLAYED:
        inventory = write_inventory(hosts[:1], count, folder)
        growth = Growth(folder, [sys.executable, "-m", "bench.replayed", "replay", answers], inventory)
        growth.plan(f"{count:,} replayed")
        growth.slices(f"{count:,} replayed")


if __name__ == "__main__":
    main()
