"""What a rollout says of its plan, before it begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from pyinfra.api import Host

from operations import STEPS
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.rollout import rollout_command
from smtp_auth.rollout.making import OF_NO_CHANGE, Layout
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.wishes import Wishes
from tests.unit.fleets import NEW
from tests.unit.rollout.test_engine import Waves

LAYOUT = Layout("1,2,100%", (), "0")


@pytest.fixture
def waves(monkeypatch: pytest.MonkeyPatch) -> Waves:
    monkeypatch.setattr(rollout_command, "heed_interruptions", lambda *_: None)
    monkeypatch.setattr(rollout_command, "continue_run", lambda _run: None)
    return Waves(monkeypatch, dict.fromkeys("ab", NEW), LAYOUT)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[RolloutPlan, Sequence[Host]], str]:
    """What is printed of a plan."""

    def tell(plan: RolloutPlan, hosts: Sequence[Host]) -> str:
        wishes = Wishes(LAYOUT, plan, None, "", False, None, None, None, None, asks=False)
        rollout_command.rollout(Chosen([*hosts], 8), STEPS, Manner(), wishes)
        return capsys.readouterr().out

    return tell


def test_a_host_that_is_done_need_not_be_there(
    waves: Waves, told: Callable[[RolloutPlan, Sequence[Host]], str]
) -> None:
    warning = "not in the inventory, so it will be refused: a"
    assert warning in told(waves.plan, waves.fleet.hosts[1:])
    assert warning not in told(waves.plan.after({"a"}), waves.fleet.hosts[1:])


def test_what_is_only_proved_is_shown(
    waves: Waves, told: Callable[[RolloutPlan, Sequence[Host]], str]
) -> None:
    why = "the service was started since the last proof"
    proved = HostPlan(
        State.CONVERGED, digest=OF_NO_CHANGE, proof_due=why, hold_warning="the hold is overridden"
    )
    plan = replace(waves.plan, hosts={**waves.plan.hosts, "c": PlannedHost(proved, 2, None)})
    shown = told(plan, waves.fleet.hosts)
    assert why in shown
    assert "the hold is overridden" in shown
