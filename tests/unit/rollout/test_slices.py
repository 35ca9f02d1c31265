"""The part of a wave that one process carries out."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.slices import Slice, slice_of
from smtp_auth.runs.mistakes import Mistake
from tests.unit.rollout.plans import plan_of, plans

PLAN = plan_of([(1, "tokyo"), (2, "osaka"), (2, "tokyo"), (2, None), (None, "kyoto")])


@given(plans(), st.integers(1, 30))
def test_each_host_of_a_wave_is_in_exactly_one_shard(plan: RolloutPlan, shards: int) -> None:
    for wave, names in plan.waves.items():
        found = [
            slice_of(plan, wave, None, f"{shard}/{shards}").names(plan) for shard in range(1, shards + 1)
        ]
        assert Counter(name for part in found for name in part) == Counter(names)
        assert max(map(len, found)) - min(map(len, found)) <= 1


@given(plans(), st.integers(1, 4))
def test_a_zone_has_its_own_shards(plan: RolloutPlan, shards: int) -> None:
    for wave, names in plan.waves.items():
        zones = {one.zone for one in plan.hosts.values()}
        in_waves = {plan.hosts[name].zone for ones in plan.waves.values() for name in ones}
        for zone in zones - {None}:
            if None in in_waves and len(in_waves) > 1:
                with pytest.raises(Mistake, match="has no zone, and others have one"):
                    slice_of(plan, wave, zone, None)
                continue
            parts = [slice_of(plan, wave, zone, f"{shard}/{shards}") for shard in range(1, shards + 1)]
            found = [name for part in parts for name in part.names(plan)]
            assert sorted(found) == sorted(name for name in names if plan.hosts[name].zone == zone)


def test_hosts_beside_each_other_are_shared_out() -> None:
    plan = plan_of([(1, None)] * 5)
    assert slice_of(plan, 1, None, "1/2").names(plan) == ["host0", "host2", "host4"]


def test_it_is_named_by_what_it_is() -> None:
    assert str(Slice(2)) == "wave 2"
    assert str(Slice(2, "tokyo", 3, 8)) == "wave 2, zone tokyo, shard 3/8"


@pytest.mark.parametrize(
    ("wave", "zone", "shard", "sentence"),
    [
        (3, None, None, "--wave 3: the plan has no such wave: its waves are 1, 2"),
        (0, None, None, "--wave 0: the plan has no such wave: its waves are 1, 2"),
        (1, "nara", None, "--zone nara: no host of the plan is in it: the zones are kyoto, osaka, tokyo"),
        (1, "", None, "--zone : no host of the plan is in it"),
    ],
)
def test_another_slice_is_refused(wave: int, zone: str | None, shard: str | None, sentence: str) -> None:
    with pytest.raises(Mistake) as raised:
        slice_of(PLAN, wave, zone, shard)
    assert str(raised.value).startswith(sentence)


def test_a_zone_of_a_plan_without_zones_is_refused() -> None:
    with pytest.raises(Mistake, match="--zone nara: no host of the plan has a zone: leave the option out"):
        slice_of(plan_of([(1, None)]), 1, "nara", None)


@pytest.mark.parametrize("shard", ["0/8", "9/8", "3", "/8", "a/b", "1/2/3", "-1/8", "1/0", ""])
def test_another_shard_is_refused(shard: str) -> None:
    """An empty one, too: a variable that is not set would otherwise mean the whole wave."""
    with pytest.raises(Mistake) as raised:
        slice_of(PLAN, 1, None, shard)
    assert str(raised.value) == f"--shard {shard}: give which of how many, such as 3/8"
