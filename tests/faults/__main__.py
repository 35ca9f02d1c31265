"""Every fault at every system call of a change, or a sample of them: `python -m tests.faults`.

It goes on where it was cut off.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.lab import Lab
from tests.faults.booted import CASES, booted
from tests.faults.calls import ERRORS, KILL
from tests.faults.folder import FolderBench
from tests.faults.matrix import Bench, Results, drawn, trials_of, try_all
from tests.fleet.conftest import FLEET

_ROOT = Path(__file__).resolve().parents[2]

# Two at a time: nearly all of it is the work of other processes.
_SIDE_BY_SIDE = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=Path(".lab/faults.jsonl"), help="a file that is added to"
    )
    parser.add_argument(
        "on", choices=("folder", "hosts"), help="a folder that stands for a host, or booted hosts of the lab"
    )
    parser.add_argument("--sample", metavar="SEED", help="only so many trials, chosen by the seed")
    parser.add_argument("--trials", type=int, default=100, help="how many the sample has")
    parser.add_argument("--only", metavar="TEXT", help="only the trials whose key has this text")
    its = parser.parse_args()
    its.results.parent.mkdir(exist_ok=True)
    results = Results(its.results)
    with _benches(its.on) as benches:
        first = {bench.where: bench for bench in reversed(benches)}
        trials = [trial for bench in first.values() for trial in trials_of(bench)]
        if its.sample is not None:
            trials = drawn(trials, its.sample, its.trials)
        if its.only is not None:
            trials = [trial for trial in trials if its.only in trial.key]
        # What says most first, if it is cut off.
        trials.sort(key=lambda trial: (KILL, *ERRORS).index(trial.fault))
        try_all(benches, trials, results)
    print("\n".join(results.table()))
    return 1 if results.broken() else 0


@contextmanager
def _benches(on: str) -> Iterator[Sequence[Bench]]:
    if on == "folder":
        with tempfile.TemporaryDirectory() as folder:
            yield [FolderBench(Path(folder) / str(number)) for number in range(_SIDE_BY_SIDE)]
        return
    lab = Lab(_ROOT)
    lab.up()
    with booted(lab, FLEET, [*CASES]) as benches:
        yield benches


if __name__ == "__main__":
    sys.exit(main())
