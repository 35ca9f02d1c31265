"""A wave that several processes have carried out, and whether the next one may begin."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.rollout.judging import WrongSlices, merged, why_stopped
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.report import Report, planned_report
from smtp_auth.rollout.slices import Slice
from smtp_auth.runs.mistakes import Mistake
from tests.unit.rollout.plans import RUN, done, plan_of, plans, report_of

# Three waves; of the second, two slices of one zone and one of the other.
PLAN = plan_of(
    [(1, "tokyo"), (2, "tokyo"), (2, "osaka"), (2, "tokyo"), (2, "tokyo"), (3, "osaka"), (None, None)]
)
SLICES = [Slice(2, "tokyo", 1, 2), Slice(2, "tokyo", 2, 2), Slice(2, "osaka")]
FIRST = merged(PLAN, 1, None, {"first": report_of(PLAN, Slice(1))})


def reports(plan: RolloutPlan = PLAN) -> dict[str, Report]:
    return {f"{number}.json": report_of(plan, one) for number, one in enumerate(SLICES)}


@given(plans(), st.data())
def test_waves_in_slices_are_one_run(plan: RolloutPlan, data: st.DataObject) -> None:
    earlier = None
    for wave in plan.waves:
        shards = data.draw(st.integers(1, 5))
        found = {
            str(shard): report_of(plan, Slice(wave, None, shard, shards)) for shard in range(1, shards + 1)
        }
        earlier = merged(plan, wave, earlier, found)
        assert why_stopped(plan, earlier) == ""
    if earlier:
        whole = {
            name: planned_report(one) if one.wave is None else done(plan, name)
            for name, one in plan.hosts.items()
        }
        assert [*earlier.hosts.items()] == [*whole.items()]


@given(plans(), st.data())
def test_a_wave_without_one_of_its_slices_is_none(plan: RolloutPlan, data: st.DataObject) -> None:
    for wave in [*plan.waves][:1]:
        shards = data.draw(st.integers(1, 5))
        parts = [Slice(wave, None, shard, shards) for shard in range(1, shards + 1)]
        lacking = data.draw(st.sampled_from([one for one in parts if one.names(plan)]))
        found = {str(one): report_of(plan, one) for one in parts if one != lacking}
        with pytest.raises(WrongSlices, match="no report has") as raised:
            merged(plan, wave, None, found)
        assert str(lacking) in str(raised.value) or not found


def test_zones_may_have_different_shards() -> None:
    found = merged(PLAN, 2, FIRST, reports())
    assert (found.wave, found.is_merged) == (2, True)
    assert [*found.hosts] == ["host0", "host1", "host2", "host3", "host4", "host6"]


def _without(name: str) -> Callable[[dict[str, Report]], dict[str, Report]]:
    return lambda found: {key: one for key, one in found.items() if key != name}


def _with(name: str, **values: Any) -> Callable[[dict[str, Report]], dict[str, Report]]:
    return lambda found: found | {name: replace(found[name], **values)}


def _other_host(found: dict[str, Report]) -> dict[str, Report]:
    hosts = dict(found["0.json"].hosts)
    hosts["host1"] = replace(hosts["host1"], wave=3)
    return found | {"0.json": replace(found["0.json"], hosts=hosts)}


WRONG = {
    "one is missing": (
        _without("1.json"),
        "host3: no report has it: carry out what is missing, and give its report, too: "
        "wave 2, zone tokyo, shard 2/2",
    ),
    "a zone is missing": (_without("2.json"), "give its report, too: the slices of wave 2 with these hosts"),
    "all are missing": (lambda _found: {}, "host1, host2 and 2 more: no report has them"),
    "one is double": (
        lambda found: found | {"again.json": found["2.json"]},
        "again.json: host2 is in 2.json, too: give the report of each slice once",
    ),
    "other shards, too": (
        lambda found: found | {"whole.json": report_of(PLAN, Slice(2, "tokyo"))},
        "whole.json: host1 is in 0.json, too",
    ),
    "another run": (_with("0.json", run="a"), f"0.json: this is of the run a, and the plan is of {RUN}"),
    "another plan": (_with("0.json", plan="0"), "0.json: this is of another plan of the same run"),
    "another wave": (
        lambda found: found | {"0.json": report_of(PLAN, Slice(3))},
        "0.json: this is the report of wave 3: give one of a slice of wave 2",
    ),
    "a merged one": (lambda found: found | {"0.json": FIRST}, "this is the report of all waves up to wave 1"),
    "a whole run": (_with("0.json", wave=None), "0.json: this is the report of a run without slices"),
    "no such zone": (_with("0.json", zone="nara"), "0.json: --zone nara: no host of the plan is in it"),
    "no such shard": (_with("0.json", shard="3/2"), "0.json: --shard 3/2: give which of how many"),
    "another shard": (_with("0.json", shard="2/2"), "0.json: host1, host3 and 1 more: not as the plan has"),
    "cut off": (_with("0.json", hosts={}), "0.json: host1 and host4: not as the plan has"),
    "another host's wave": (_other_host, "0.json: host1: not as the plan has"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_other_slices_than_those_of_the_wave_are_refused(name: str) -> None:
    change, sentence = WRONG[name]
    with pytest.raises(WrongSlices) as raised:
        merged(PLAN, 2, FIRST, change(reports()))
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("wave", "earlier", "sentence"),
    [
        (2, None, "wave 2: the merged report of wave 1 is missing: give it with --earlier"),
        (1, FIRST, "the earlier report: wave 1 is the plan's first: leave it out"),
        (
            2,
            report_of(PLAN, Slice(1)),
            "the earlier report: this is the report of wave 1: give the merged one",
        ),
        (
            3,
            FIRST,
            "the earlier report: this is the report of all waves up to wave 1: give the merged one of",
        ),
        (2, replace(FIRST, plan="0"), "the earlier report: this is of another plan of the same run"),
        (2, replace(FIRST, hosts={}), "the earlier report: host0 and host6: not as the plan has"),
        (4, FIRST, "--wave 4: the plan has no such wave: its waves are 1, 2, 3"),
    ],
)
def test_another_earlier_report_is_refused(wave: int, earlier: Report | None, sentence: str) -> None:
    with pytest.raises(Mistake) as raised:
        merged(PLAN, wave, earlier, reports())
    assert str(raised.value).startswith(sentence)


def judged(most_failures: int, **others: dict[str, object]) -> str:
    """Why a wave is the last one. + others: what is different of hosts"""
    plan = replace(PLAN, most_failures=most_failures)
    first = merged(plan, 1, None, {"first": report_of(plan, Slice(1))})
    found = merged(plan, 2, first, reports(plan))
    hosts = dict(found.hosts) | {name: done(plan, name, **values) for name, values in others.items()}
    return why_stopped(plan, replace(found, hosts=hosts))


BAD = {"verified": False}
NOT_BEGUN = {"state": "pending", "outcome": "not begun", "verified": None}


@pytest.mark.parametrize(
    ("most_failures", "others", "sentence"),
    [
        (0, {}, ""),
        (0, {"host1": {"state": "held", "outcome": "held", "verified": None}}, ""),
        (0, {"host1": BAD}, "1 host failed or did not verify, and the plan accepts none: host1"),
        (1, {"host1": BAD}, ""),
        # Over the whole run.
        (1, {"host0": BAD, "host1": {"state": "refused"}},
         "2 hosts failed or did not verify, and the plan accepts only 1: host0 and host1"),
        (9, {"host1": NOT_BEGUN}, "1 host not changed and verified: host1"),
        # Nothing began, so nothing was found to be held.
        (0, {f"host{number}": NOT_BEGUN for number in range(5)},
         "5 hosts not changed and verified: host0, host1 and 3 more"),
        (9, {"host1": {"verified": None}}, "1 host not changed and verified: host1"),
        (9, {"host1": {"state": "pending", "undone": True}}, "1 host not changed and verified: host1"),
        # What the plan knew already is no failure of the rollout.
        (0, {"host6": {"state": "unreachable", "verified": None}}, ""),
    ],
)  # fmt: skip
def test_whether_the_next_wave_may_begin(
    most_failures: int, others: dict[str, dict[str, object]], sentence: str
) -> None:
    assert judged(most_failures, **others) == sentence
