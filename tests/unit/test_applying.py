"""Plans carried out, each host at its own pace."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from operations import STEPS
from smtp_auth.fleet import applying
from smtp_auth.fleet.applying import Applying
from smtp_auth.fleet.planning import deploy
from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.runs.outcome import Outcome
from tests.unit.fleets import NEW, OLD, SECONDS, UNREACHABLE, Answer, Fleet, answering, deployed
from tests.unit.scenarios import with_main_cf

DONE = deployed(NEW)


@contextmanager
def running(fleet: Fleet) -> Iterator[Applying]:
    """The work while it runs; it must be over when the block is."""
    work = Applying(fleet.hosts, deploy(STEPS), fleet.channel_to)
    worker = gevent.spawn(fleet.run, work)
    yield work
    worker.get(timeout=SECONDS)


def until(true: Any) -> None:
    with gevent.Timeout(SECONDS):
        while not true():
            gevent.sleep(0.01)


def words(work: Applying) -> dict[str, str]:
    return {name: found.outcome.value for name, found in work.results.items()}


def test_each_host_ends_with_its_own_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = replace(NEW, dovecot_running=False)
    answers: dict[str, Answer] = {
        "a": NEW,
        "b": DONE,
        "c": stopped,
        "d": UNREACHABLE,
        "e": NEW,
        "f": NEW,
        "g": NEW,
    }
    fleet = Fleet(monkeypatch, answers)
    fleet.ends |= {
        "e": Ended(ChangeOutcome.PUT_BACK, ("port 465 does not answer",)),
        "f": Ended(ChangeOutcome.REFUSED, ("another deploy runs there",)),
        "g": Ended(ChangeOutcome.UNKNOWN, ("the connection was lost",)),
    }
    work = fleet.apply()
    assert words(work) == {
        "a": "changed",
        "b": "unchanged",
        "c": "refused",
        "d": "not reached",
        "e": "failed and put back",
        "f": "refused",
        "g": "not reached",
    }
    assert work.results["a"] == replace(
        work.results["a"], outcome=Outcome.CHANGED, proved=("465: TLSv1.3",), seconds=0.8
    )
    assert work.results["e"].said == ("port 465 does not answer",)
    assert sorted(fleet.changed) == ["a", "e", "f", "g"]


def test_a_host_that_was_edited_since_its_plan_was_shown_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": NEW, "b": NEW})
    approved = {name: plan.digest for name, plan in fleet.apply().plans.items()}
    fleet.changed.clear()
    fleet.answers["b"] = with_main_cf(NEW, "smtpd_tls_security_level = none\n")
    answering(monkeypatch, fleet.answers)
    work = fleet.apply(approved)
    assert words(work) == {"a": "changed", "b": "refused"}
    assert "its plan is not the one that was shown" in work.results["b"].said[0]
    assert fleet.changed == ["a"]


def test_a_host_that_became_as_wanted_since_is_refused_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": NEW})
    approved = {name: plan.digest for name, plan in fleet.apply().plans.items()}
    answering(monkeypatch, {"a": DONE})
    assert words(fleet.apply(approved)) == {"a": "refused"}


def test_a_renewal_since_is_no_other_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": DONE})
    approved = {name: plan.digest for name, plan in fleet.apply().plans.items()}
    due = replace(DONE, postfix_reloaded=1.0)
    answering(monkeypatch, {"a": due})
    work = fleet.apply(approved)
    assert words(work) == {"a": "changed"}


def test_a_slow_host_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {f"h{number}": NEW for number in range(16)})
    fleet.hangs = {"look h3": Event(), "h5": Event()}
    with running(fleet):
        until(lambda: len(fleet.changed) == 14)
        for event in fleet.hangs.values():
            event.set()
    assert len(fleet.changed) == 16
    # Once the last host has been asked, and that is not before.
    assert fleet.told.index("planned") >= 14


def test_the_plans_are_shown_once_all_hosts_have_been_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": NEW, "b": DONE, "c": UNREACHABLE})
    fleet.apply()
    assert fleet.told.count("planned") == 1


def test_of_the_names_of_one_machine_one_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = replace(NEW, machine="m")
    fleet = Fleet(monkeypatch, {"a": machine, "b": machine, "c": NEW})
    work = fleet.apply()
    assert words(work) == {"a": "changed", "b": "refused", "c": "changed"}
    assert "which this run changes as a alone" in work.results["b"].said[0]


def test_a_name_that_answers_late_is_refused_if_its_machine_is_changed_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(applying, "_PATIENCE", 0.0)
    machine = replace(NEW, machine="m")
    fleet = Fleet(monkeypatch, {"a": machine, "b": machine})
    fleet.hangs = {"look a": Event()}
    with running(fleet) as work:
        until(lambda: fleet.changed == ["b"])
        fleet.hangs["look a"].set()
    assert words(work) == {"a": "refused", "b": "changed"}
    assert "which this run changes as b alone" in work.results["a"].said[0]


def test_other_data_for_the_same_machine_refuse_all_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = replace(NEW, machine="m")
    fleet = Fleet(monkeypatch, {"a": machine, "b": machine})
    fleet.hosts[1].host_data["tls_minimum_version"] = "TLSv1.3"
    assert words(fleet.apply()) == {"a": "refused", "b": "refused"}
    assert fleet.changed == []


def test_what_was_started_since_is_proved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(
        monkeypatch, {"a": replace(DONE, proved=frozenset()), "b": replace(DONE, proved=frozenset())}
    )
    fleet.ends["b"] = Ended(ChangeOutcome.FAILED, ("nothing would change, but the proof failed",))
    work = fleet.apply()
    assert words(work) == {"a": "unchanged", "b": "failed"}
    assert work.results["a"].proved == ("465: TLSv1.3",)
    assert fleet.changed == []


def test_nothing_begins_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": NEW, "b": OLD})
    monkeypatch.setattr(applying, "is_interrupted", lambda: True)
    assert fleet.apply().results == {}
