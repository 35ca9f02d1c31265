"""What the options of a rollout want, and which of them contradict each other."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.local_time import in_utc
from smtp_auth.rollout import plan_file
from smtp_auth.rollout.options import add_layout, add_own
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.wishes import Wishes, wishes_of
from smtp_auth.runs.mistakes import Mistake


def a_plan(folder: Path, hours: float = 0) -> str:
    """A file with a plan of two waves. + hours: how old it is"""
    made = in_utc(datetime.now(UTC) - timedelta(hours=hours))
    found = HostPlan(State.PENDING, digest="1")
    hosts = {"a": PlannedHost(found, 1, "tokyo"), "b": PlannedHost(found, 2, "tokyo")}
    plan = RolloutPlan("2026-11-22T10:15:00Z-3f2a", made, "x@y", "z", "1,100%", 0, hosts)
    file = folder / "plan.json"
    file.write_text("\n".join(plan_file.lines(plan)))
    return str(file)


def wishes(*words: str) -> Wishes:
    parser = argparse.ArgumentParser()
    for option in ("--limit", "--exclude"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--json")
    add_layout(parser)
    add_own(parser)
    return wishes_of(parser.parse_args(words))


# FILE is a plan.
MISTAKES = {
    "no waves": ("--waves 1,x", "--waves 1,x: give numbers of hosts or shares"),
    "waves that leave hosts out": ("--waves 1,50%", "--waves 1,50%: the last one must be 100%"),
    "no number of failures": ("--max-failures many", "--max-failures many: give a number of hosts"),
    "a plan, and waves": ("--plan FILE --waves 100%", "--waves: --plan FILE says which hosts are done"),
    "a plan, and a canary": ("--resume FILE --first a", "--first: --resume FILE says which hosts are done"),
    "a plan, and failures": ("--plan FILE --max-failures 1", "--max-failures: --plan FILE says which"),
    "a plan, and some hosts": ("--plan FILE --limit a", "--limit: --plan FILE says which hosts are done"),
    "no such plan": ("--plan none", "--plan none: No such file or directory"),
    "an age without a plan": ("--max-age 1d", "--max-age is for a plan that exists"),
    "no age": ("--plan FILE --max-age long", "--max-age long: give minutes (90m), hours (12h) or days (7d)"),
    "no time": ("--not-after night", "--not-after night: give a time (04:00)"),
    "a time that has passed": ("--not-after 2026-01-01T04:00", "this time has passed"),
    "a part without a plan": ("--wave 1", "--wave is for a plan that exists"),
    "a zone without a wave": ("--plan FILE --zone tokyo", "--zone is for a part of a wave"),
    "a shard without a wave": ("--plan FILE --shard 1/2", "--shard is for a part of a wave"),
    "no such wave": ("--plan FILE --wave 3", "--wave 3: the plan has no such wave: its waves are 1, 2"),
    "no such zone": ("--plan FILE --wave 1 --zone osaka", "no host of the plan is in it: the zones"),
    "no shard": ("--plan FILE --wave 1 --shard 9/8", "--shard 9/8: give which of how many"),
    "an undo of a part": ("--plan FILE --wave 1 --undo-all", "--undo-all: --wave 1 is done by several"),
    "what is left of a part": ("--plan FILE --wave 1 --remaining x", "--remaining is for a whole plan"),
    "a part of what is left": ("--resume FILE --wave 1", "--resume is for a whole plan"),
    "what is left, on standard output": ("--remaining -", "--remaining -: give a file"),
    "the plan itself": ("--plan FILE --json FILE", "--json FILE: it would replace --plan FILE"),
    "the plan itself, left": ("--plan FILE --remaining FILE", "it would replace --plan FILE, which is read"),
    "what was left": ("--resume FILE --json FILE", "it would replace --resume FILE, which is read"),
    "steps that get smaller": ("--waves 20%,10%,100%", "each step must be more than the one before"),
    "a step of nothing": ("--waves 0,100%", "each step must be more than the one before"),
    "one file for both": ("--remaining x --json x", "this is one file"),
    "no program": ("--on-event none", "--on-event none: none is no program: give a name in PATH"),
    "a pause without a terminal": ("--pause", "standard input is no terminal"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    words, said = MISTAKES[name]
    file = a_plan(tmp_path)
    with pytest.raises(Mistake, match=re.escape(said.replace("FILE", file))):
        wishes(*words.replace("FILE", file).split())


@pytest.mark.parametrize(
    ("hours", "words", "said"),
    [
        (23, "", ""),
        (25, "", "longer ago than --max-age allows"),
        (25, "--max-age 2d", ""),
        (2, "--max-age 90m", "longer ago than --max-age allows"),
        (-1, "", "in the future by this machine's clock"),
    ],
)
def test_an_old_plan_is_refused(tmp_path: Path, hours: float, words: str, said: str) -> None:
    given = ["--plan", a_plan(tmp_path, hours), *words.split()]
    if said:
        with pytest.raises(Mistake, match=said):
            wishes(*given)
    else:
        assert wishes(*given).plan is not None


def test_a_part_of_a_wave_is_that_of_the_plan(tmp_path: Path) -> None:
    found = wishes("--plan", a_plan(tmp_path), "--wave", "1", "--zone", "tokyo", "--shard", "1/2", "--yes")
    assert found.part
    assert found.plan
    assert found.part.names(found.plan) == ["a"]
    assert not found.asks
