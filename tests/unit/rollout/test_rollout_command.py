"""What a rollout says of its plan, before it begins."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pyinfra.api import Host

from operations import STEPS
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.fleet.written import Target
from smtp_auth.rollout import rollout_command
from smtp_auth.rollout.events import Events
from smtp_auth.rollout.making import OF_NO_CHANGE, Layout
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.slices import Slice
from smtp_auth.rollout.wishes import Wishes
from smtp_auth.runs.mistakes import Mistake
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


@pytest.mark.parametrize("part", [None, Slice(1)])
def test_a_slice_that_a_mistake_keeps_from_beginning_leaves_the_report_of_an_earlier_one(
    waves: Waves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: Slice | None
) -> None:
    file = tmp_path / "report.json"
    file.write_text("that of an earlier attempt")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    wishes = Wishes(
        LAYOUT, waves.plan, part, "", False, None, None, Target("--json", str(file)), None, asks=True
    )
    with pytest.raises(Mistake):
        rollout_command.rollout(Chosen(waves.fleet.hosts, 8), STEPS, Manner(), wishes)
    assert (file.read_text() == "that of an earlier attempt") is (part is not None)


def test_an_interruption_while_the_program_of_events_ends_reports_nothing_again(
    waves: Waves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reports: list[Callable[[], object]] = []
    monkeypatch.setattr(rollout_command, "heed_interruptions", lambda report, _say: reports.append(report))
    close = Events.close

    def interrupted(found: Events) -> None:
        monkeypatch.setattr(Events, "close", close)
        reports[0]()

    monkeypatch.setattr(Events, "close", interrupted)
    told = tmp_path / "told"
    wishes = Wishes(LAYOUT, waves.plan, None, "", False, None, None, None, f"tee {told}", asks=False)
    rollout_command.rollout(Chosen(waves.fleet.hosts, 8), STEPS, Manner(), wishes)
    assert capfd.readouterr().out.count("\n2 hosts: 2 changed and verified\n") == 1
    assert told.read_text().count("run_ended") == 1


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
