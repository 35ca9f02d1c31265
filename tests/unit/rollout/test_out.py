"""`smtp-auth plan --out`: what people read of it."""

import argparse
from pathlib import Path

import pytest

from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.rollout.making import Layout
from smtp_auth.rollout.options import add_layout
from smtp_auth.rollout.out import Out
from tests.unit.fleets import NEW
from tests.unit.rollout.test_engine import Waves


@pytest.mark.parametrize("is_pending", [True, False])
def test_how_it_is_carried_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_pending: bool
) -> None:
    parser = argparse.ArgumentParser()
    add_layout(parser)
    file = tmp_path / "to night.json"
    waves = Waves(monkeypatch, {"a": NEW}, Layout("100%", (), "0"))
    found = waves.plan.hosts["a"].found if is_pending else HostPlan(State.CONVERGED)
    told = Out(str(file), parser.parse_args([])).begin(waves.fleet.hosts).told({"a": found})
    ways = [line.text for line in told if "carry it out" in line.text]
    assert ways == ([f"to carry it out: smtp-auth rollout --plan '{file}'"] if is_pending else [])
