"""The matrix of faults at system calls: trials, what was seen in them, and their counts.

A trial is one fault at one call of one change. Calls between which no byte has changed leave the same state
behind if the change is killed there: they are one trial, which stands for their number. An error is a trial
at every call.
"""

import hashlib
import json
import os
import random
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from tests.faults.calls import KILL, Call

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    """What a host is at first, and what is done to it."""

    start: str
    change: str


@dataclass(frozen=True)
class Trial:
    """One fault.

    + fault: `kill`, or the error that the call returns
    + stands_for: how many calls leave the same bytes behind
    """

    where: str
    case: Case
    call: Call
    fault: str
    stands_for: int = 1

    @property
    def key(self) -> str:
        """In words: which fault, where."""
        call = self.call
        what = f"{call.process}: {call.name} {call.path} #{call.number}"
        return f"{self.where} {self.case.start} {self.case.change}: {self.fault} at {what}"

    @property
    def row(self) -> tuple[str, ...]:
        """What it is counted under, before its outcome."""
        return (self.where, self.case.start, self.case.change, self.fault)


NOT_HIT = "not hit"


@dataclass(frozen=True)
class Seen:
    """What a trial has shown.

    + outcome: the outcome that the host has printed, and whether files were left behind; `nothing` if it
      printed none; or `NOT_HIT`
    + broken: each promise that was not kept, in words
    """

    outcome: str
    broken: tuple[str, ...] = ()


class Bench(Protocol):
    """A place where trials are made, one at a time."""

    @property
    def where(self) -> str:
        """Its name: of a release, or `harness`."""

    def cases(self) -> Sequence[Case]:
        """All cases."""

    def calls(self, case: Case) -> list[Call]:
        """The calls of a change without a fault."""

    def try_one(self, trial: Trial) -> Seen:
        """Make a trial on a fresh host."""


def trials_at(where: str, case: Case, calls: Iterable[Call]) -> Iterator[Trial]:
    """All trials of a change."""
    group: list[Call] = []
    for call in calls:
        group.append(call)
        yield from (Trial(where, case, call, error) for error in call.errors)
        if call.is_change:
            yield Trial(where, case, group[0], KILL, len(group))
            group = []
    if group:
        yield Trial(where, case, group[0], KILL, len(group))


def trials_of(bench: Bench, cases: Iterable[Case] | None = None) -> list[Trial]:
    """All trials of a bench."""
    return [
        trial
        for case in (bench.cases() if cases is None else cases)
        for trial in trials_at(bench.where, case, bench.calls(case))
    ]


def seed() -> str:
    """The word that chooses a sample: from the environment, else a new one."""
    return os.environ.get("FAULTS_SEED") or secrets.token_hex(4)


def drawn(trials: Sequence[Trial], word: str, number: int) -> list[Trial]:
    """A sample of the trials, the same for the same word: as many kills as errors."""
    draw = random.Random(word)
    kills = [trial for trial in trials if trial.fault == KILL]
    errors = [trial for trial in trials if trial.fault != KILL]
    some = draw.sample(errors, min(len(errors), number // 2))
    taken = {trial.key for trial in (*draw.sample(kills, min(len(kills), number - len(some))), *some)}
    # Those of a case stay together.
    return [trial for trial in trials if trial.key in taken]


def try_all(benches: Sequence[Bench], trials: Iterable[Trial], results: "Results") -> None:
    """Make the trials that are not among the results: a free bench takes the next one of its place.

    Of a result that broke a promise, what broke is printed at once.
    """
    pending = [trial for trial in trials if trial.key not in results.seen]
    print(f"{len(results.seen)} trials are on record, {len(pending)} are to be made", flush=True)
    queues = {
        bench.where: iter([trial for trial in pending if trial.where == bench.where]) for bench in benches
    }
    taking = Lock()

    def work(bench: Bench) -> None:
        while True:
            with taking:
                trial = next(queues[bench.where], None)
            if trial is None:
                return
            results.keep(trial, bench.try_one(trial))

    with ThreadPoolExecutor(len(benches)) as pool:
        for done in [pool.submit(work, bench) for bench in benches]:
            done.result()


class Results:
    """The results in a file of JSON lines; those of another version of the programs do not count.

    + path: the file; `None`: they are kept in memory alone
    """

    def __init__(self, path: Path | None, say: bool = True) -> None:
        self.path = path
        self.seen: dict[str, tuple[tuple[str, ...], int, Seen]] = {}
        self.version = _version()
        self._say = say
        self._lock = Lock()
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                found = json.loads(line)
                if found["version"] == self.version:
                    seen = Seen(found["outcome"], tuple(found["broken"]))
                    self.seen[found["key"]] = (tuple(found["row"]), found["stands_for"], seen)

    def keep(self, trial: Trial, seen: Seen) -> None:
        """Keep the result of a trial."""
        line = {
            "version": self.version,
            "key": trial.key,
            "row": trial.row,
            "stands_for": trial.stands_for,
            **asdict(seen),
        }
        with self._lock:
            self.seen[trial.key] = (trial.row, trial.stands_for, seen)
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            if self._say and seen.broken:
                print(f"{trial.key}: {seen.outcome}: {'; '.join(seen.broken)}", flush=True)
            if self._say and len(self.seen) % 100 == 0:
                broken = sum(1 for _, _, one in self.seen.values() if one.broken)
                print(f"… {len(self.seen)} trials, {broken} broke a promise", flush=True)

    def broken(self) -> dict[str, Seen]:
        """The trials that broke a promise."""
        return {key: seen for key, (_, _, seen) in self.seen.items() if seen.broken}

    def table(self) -> list[str]:
        """Counts by place, start, change, fault and outcome; with the number of calls that they stand for."""
        trials: Counter[tuple[str, ...]] = Counter()
        calls: Counter[tuple[str, ...]] = Counter()
        broken: Counter[tuple[str, ...]] = Counter()
        for of_trial, stands_for, seen in self.seen.values():
            row = (*of_trial, seen.outcome)
            trials[row] += 1
            calls[row] += stands_for
            broken[row] += bool(seen.broken)
        form = "{:<9} {:<9} {:<10} {:<7} {:<10} {:>7} {:>7} {:>7}"
        total = ("all", "", "", "", "", trials.total(), calls.total(), broken.total())
        return [
            form.format("where", "start", "change", "fault", "outcome", "trials", "calls", "broken"),
            *(form.format(*row, trials[row], calls[row], broken[row]) for row in sorted(trials)),
            form.format(*total),
        ]


def _version() -> str:
    """A digest of the programs and of what tries them."""
    digest = hashlib.sha256()
    files = [*(_ROOT / "smtp_auth").rglob("*.p[my]"), *(_ROOT / "tests" / "faults").glob("*.py")]
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
