"""Waves that are carried out: what stops them, and what an earlier attempt has done already."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pyinfra.api import Host

from operations import STEPS
from smtp_auth.facts.hold import Hold
from smtp_auth.facts.look import LastChange, Look
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.fleet import applying, undo_command
from smtp_auth.fleet.applying import Applying
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import deploy, plans_of
from smtp_auth.on_host.asking import Asked, NothingOnRecord
from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.on_host.channel import NoAnswer
from smtp_auth.past.undo import is_undone
from smtp_auth.rollout import engine, tasks
from smtp_auth.rollout.engine import Bounds, Rollout
from smtp_auth.rollout.events import Events
from smtp_auth.rollout.making import Layout, made
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.verifying import Verified
from smtp_auth.runs.mistakes import Declined
from tests.unit.fleets import NEW, SECONDS, Answer, Fleet, answering, deployed, name_of
from tests.unit.scenarios import with_main_cf

DONE = deployed(NEW)

FAILED = Ended(ChangeOutcome.PUT_BACK, ("port 465 does not answer",))


class Waves:
    """A rollout over hosts that answer and end as they are told.

    + verified: the hosts of each verification, in their order
    + bad: those that do not verify
    + saved: how often what is left was kept
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Answer], layout: Layout
    ) -> None:
        self.fleet, self.verified, self.bad = Fleet(monkeypatch, answers), list[list[str]](), set[str]()
        self.saved = 0
        hosts = self.fleet.hosts
        found = plans_of(hosts, 8, deploy(STEPS), name_of, lambda _name: None, lambda _name, _found: None)
        self.plan: RolloutPlan = made(found, hosts, layout, ())
        monkeypatch.setattr(engine, "Channels", lambda _say: self.fleet.channel_to)
        monkeypatch.setattr(engine, "heed_interruptions", lambda *_: None)
        monkeypatch.setattr(engine, "continue_run", lambda _run: None)
        monkeypatch.setattr(engine, "verified", self._verified)
        monkeypatch.setattr(tasks, "follow", lambda _channel, _run: None)

    def _verified(self, _doing: str, hosts: Sequence[Host], *_: Any, **__: Any) -> Any:
        names = [host.name for host in hosts]
        self.verified.append(names)
        return {
            name: Verified(("it works",), ("it does not",)) if name in self.bad else Verified()
            for name in names
        }, []

    def _save(self) -> None:
        self.saved += 1

    def rollout(
        self, plan: RolloutPlan | None = None, hosts: Sequence[Host] | None = None, *, is_first: bool = True
    ) -> Rollout:
        """A rollout that has not begun. + hosts: those of the inventory"""
        plan = plan or self.plan
        known = {host.name: host for host in (self.fleet.hosts if hosts is None else hosts)}
        none = Events(None, lambda _lines: None)
        return Rollout(
            plan,
            [*plan.hosts],
            known,
            8,
            STEPS,
            Manner(),
            none,
            saves=self._save,
            reports=lambda: None,
            is_first=is_first,
        )

    def run(self, bounds: Bounds = Bounds(), **others: Any) -> Rollout:  # noqa: B008
        """A rollout that is over. + others: as for `rollout`"""
        rollout = self.rollout(**others)
        with gevent.Timeout(SECONDS):
            rollout.run(bounds)
        return rollout


@pytest.fixture
def waves(monkeypatch: pytest.MonkeyPatch) -> Waves:
    """Four hosts, in waves of one, one and two."""
    return Waves(monkeypatch, dict.fromkeys("abcd", NEW), Layout("1,2,100%", (), "0"))


def outcomes(rollout: Rollout) -> dict[str, str]:
    return {name: one.outcome for name, one in rollout.reports().items()}


def test_each_wave_is_changed_and_verified_before_the_next(waves: Waves) -> None:
    rollout = waves.run()
    assert waves.fleet.changed[:2] == ["a", "b"]
    assert waves.verified == [["a"], ["b"], ["c", "d"]]
    assert all(one.is_done for one in rollout.reports().values())
    assert (rollout.stopped, waves.saved) == ("", 3)


def test_a_host_that_does_not_verify_stops_it(waves: Waves) -> None:
    waves.bad = {"b"}
    rollout = waves.run()
    assert outcomes(rollout) == {"a": "changed", "b": "changed", "c": "not begun", "d": "not begun"}
    report = rollout.reports()["b"]
    assert (report.verified, report.failed_checks, report.reasons) == (False, ("it works",), ("it does not",))
    assert rollout.has_failed
    assert rollout.stopped.startswith("1 host failed")


def test_a_host_that_fails_stops_it_and_is_not_verified(waves: Waves) -> None:
    waves.fleet.ends["a"] = FAILED
    rollout = waves.run()
    assert outcomes(rollout)["a"] == "failed and put back"
    assert (waves.fleet.changed, waves.verified) == (["a"], [])


def test_failures_count_over_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = Waves(monkeypatch, dict.fromkeys("abcd", NEW), Layout("1,2,100%", (), "1"))
    waves.fleet.ends["a"], waves.bad = FAILED, {"b"}
    rollout = waves.run()
    assert outcomes(rollout) == {
        "a": "failed and put back",
        "b": "changed",
        "c": "not begun",
        "d": "not begun",
    }


def test_no_further_host_of_a_wave_begins_once_too_many_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = Waves(monkeypatch, dict.fromkeys("abcd", NEW), Layout("100%", (), "0"))
    waves.fleet.ends["a"] = FAILED
    rollout = waves.rollout()
    monkeypatch.setattr(rollout, "_at_once", 1)
    rollout.run(Bounds())
    assert waves.fleet.changed == ["a"]


def test_a_host_with_another_plan_than_was_approved_is_refused(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    waves.fleet.answers["a"] = with_main_cf(NEW, "smtpd_tls_security_level = none\n")
    answering(monkeypatch, waves.fleet.answers)
    followed: list[str] = []
    monkeypatch.setattr(tasks, "follow", lambda _channel, run: followed.append(run))
    rollout = waves.run()
    assert outcomes(rollout)["a"] == "refused"
    assert "its plan is not the one that was approved" in rollout.reports()["a"].reasons[0]
    # An earlier attempt could have been under way.
    assert (waves.fleet.changed, followed) == ([], [waves.plan.run])


@pytest.mark.parametrize("is_ours", [True, False])
def test_what_an_earlier_attempt_has_changed_is_verified_again(
    monkeypatch: pytest.MonkeyPatch, waves: Waves, is_ours: bool
) -> None:
    run = waves.plan.run if is_ours else "2026-11-22T10:15:00Z-0000"
    waves.fleet.answers["a"] = replace(DONE, last_change=LastChange(run, "admin", "2026-11-22T10:15:00Z"))
    answering(monkeypatch, waves.fleet.answers)
    rollout = waves.run()
    assert outcomes(rollout)["a"] == ("changed" if is_ours else "refused")
    assert "a" not in waves.fleet.changed
    assert waves.verified[:1] == ([["a"]] if is_ours else [])


def test_an_attempt_that_finishes_meanwhile_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    """Its files are in place and it is not on record: for a moment, the plan is another one."""
    between = replace(DONE, last_change=None)
    waves.fleet.answers["a"] = between
    answering(monkeypatch, waves.fleet.answers)

    def finish(_channel: Any, run: str) -> None:
        waves.fleet.answers["a"] = replace(DONE, last_change=LastChange(run, "admin", "2026-11-22T10:15:00Z"))
        answering(monkeypatch, waves.fleet.answers)

    monkeypatch.setattr(tasks, "follow", finish)
    assert outcomes(waves.run())["a"] == "changed"


def test_an_attempt_that_finishes_meanwhile_is_waited_for_though_the_host_would_be_refused(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    """Its files may be in place in part."""
    waves.fleet.answers["a"] = replace(NEW, postfix_reloaded=None)
    answering(monkeypatch, waves.fleet.answers)

    def finish(_channel: Any, _run: str) -> None:
        waves.fleet.answers["a"] = NEW
        answering(monkeypatch, waves.fleet.answers)

    monkeypatch.setattr(tasks, "follow", finish)
    assert outcomes(waves.run())["a"] == "changed"


@pytest.mark.parametrize("is_first", [True, False])
def test_a_host_that_was_not_reached_before_its_change_need_not_be_taken_back(
    monkeypatch: pytest.MonkeyPatch, waves: Waves, is_first: bool
) -> None:
    waves.fleet.answers["a"] = NoAnswer("it is down")
    answering(monkeypatch, waves.fleet.answers)
    rollout = waves.run(is_first=is_first)
    assert (rollout.has_failed, rollout.has_changed) == (True, not is_first)
    undo = _Undo(monkeypatch)
    rollout.take_back(only_wave=True)
    assert undo.asked == ([] if is_first else ["a"])
    assert rollout.reports()["a"].undone is (None if is_first else False)


def test_an_undo_of_an_earlier_attempt_is_waited_for(monkeypatch: pytest.MonkeyPatch, waves: Waves) -> None:
    """Its controller may have died: the host takes the change back by itself."""
    waves.fleet.answers["a"] = replace(
        DONE, last_change=LastChange(waves.plan.run, "admin", "2026-11-22T10:15:00Z")
    )
    answering(monkeypatch, waves.fleet.answers)
    followed: list[str] = []

    def finish(_channel: Any, run: str) -> None:
        followed.append(run)
        waves.fleet.answers["a"] = NEW
        answering(monkeypatch, waves.fleet.answers)

    monkeypatch.setattr(tasks, "follow", finish)
    rollout = waves.run(plan=waves.plan.after([], "2026-11-22T11:15:00Z-0001"))
    assert {*followed} == {"2026-11-22T11:15:00Z-0001"}
    assert (outcomes(rollout)["a"], waves.fleet.changed[0]) == ("changed", "a")


def test_a_canary_that_is_held_by_now_proves_nothing(monkeypatch: pytest.MonkeyPatch, waves: Waves) -> None:
    hold = Hold("admin", "2026-11-22T10:15:00Z", "a migration", "")
    waves.fleet.answers["a"] = replace(NEW, hold=hold)
    answering(monkeypatch, waves.fleet.answers)
    rollout = waves.run()
    assert outcomes(rollout) == {"a": "held", "b": "not begun", "c": "not begun", "d": "not begun"}
    assert rollout.stopped.startswith("all hosts of wave 1 are held")
    # A later wave may be held: others have shown that it works.
    waves.fleet.answers |= {"a": NEW, "b": replace(NEW, hold=hold)}
    answering(monkeypatch, waves.fleet.answers)
    rollout = waves.run()
    assert (outcomes(rollout)["b"], rollout.stopped) == ("held", "")


def test_no_wave_begins_that_was_agreed_to_too_late(monkeypatch: pytest.MonkeyPatch, waves: Waves) -> None:
    asked = list[int]()

    def agree(number: int, _count: int) -> None:
        asked.append(number)
        monkeypatch.setattr(Bounds, "is_over", True)

    monkeypatch.setattr(Bounds, "is_over", False)
    rollout = waves.run(Bounds(datetime.now().astimezone(), agree))
    assert (asked, outcomes(rollout)["b"]) == ([2], "not begun")
    assert rollout.stopped == "it is later than --not-after allows: wave 2 does not begin"
    # Nobody is asked in vain.
    waves.run(Bounds(datetime.now().astimezone(), agree))
    assert asked == [2]


def test_what_is_done_is_left_alone(waves: Waves) -> None:
    rollout = waves.run(plan=waves.plan.after({"a", "b"}))
    assert waves.verified == [["c", "d"]]
    assert all(one.is_done for one in rollout.reports().values())


def test_a_host_that_the_inventory_has_not_is_refused(waves: Waves) -> None:
    rollout = waves.run(hosts=waves.fleet.hosts[1:])
    assert outcomes(rollout) == {"a": "refused", "b": "not begun", "c": "not begun", "d": "not begun"}
    assert "use the inventory of the plan" in rollout.reports()["a"].reasons[0]


def test_no_wave_begins_later_than_allowed(waves: Waves) -> None:
    rollout = waves.run(Bounds(not_after=datetime.now().astimezone() - timedelta(seconds=1)))
    assert waves.fleet.changed == []
    assert rollout.stopped.startswith("it is later than --not-after allows")
    assert not rollout.has_failed


def test_somebody_may_stop_it_between_waves(waves: Waves) -> None:
    asked: list[tuple[int, int]] = []

    def ask(number: int, count: int) -> None:
        asked.append((number, count))
        if number == 3:
            raise Declined("no")

    rollout = waves.rollout()
    with pytest.raises(Declined):
        rollout.run(Bounds(pauses=ask))
    # Nobody is asked before the first one.
    assert asked == [(2, 1), (3, 2)]
    assert waves.fleet.changed == ["a", "b"]


@pytest.mark.parametrize(("only_wave", "taken_back"), [(True, ["b"]), (False, ["a", "b"])])
def test_what_was_changed_is_taken_back(
    monkeypatch: pytest.MonkeyPatch, waves: Waves, only_wave: bool, taken_back: list[str]
) -> None:
    waves.bad = {"b"}
    rollout = waves.run()
    found: list[str] = []

    class Undoing(Applying):
        def run(self, *_: Any, **__: Any) -> None:
            found.extend(host.name for host in self._hosts)

    monkeypatch.setattr(engine, "Applying", Undoing)
    rollout.take_back(only_wave=only_wave)
    assert found == taken_back


def test_what_is_taken_back_is_kept_as_not_done_before_that_begins(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    """So that a later attempt asks these hosts, although this one was killed."""
    waves.bad = {"b"}
    rollout = waves.run()
    saved: list[dict[str, bool]] = []
    monkeypatch.setattr(
        rollout, "_saves", lambda: saved.append({k: one.is_done for k, one in rollout.reports().items()})
    )
    monkeypatch.setattr(rollout, "_changing", lambda *_: None)
    assert rollout.reports()["a"].is_done
    rollout.take_back(only_wave=False)
    assert saved == [dict.fromkeys("abcd", False)]
    assert rollout.has_changed


class _Undo:
    """Undos in which no host is reached; which hosts were asked, and which runs were waited for.

    + without: those that have no change of this run
    + record: what is on record there
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        without: Sequence[str] = (),
        record: Record = Record(),  # noqa: B008
    ) -> None:
        self.asked: list[str] = []
        self.followed: list[str] = []
        self._without, self._record = without, record
        monkeypatch.setattr(tasks, "follow", lambda channel, run: self.followed.append(run))
        monkeypatch.setattr(undo_command, "ask_to_undo", self._ask)

    def _ask(self, channel: Any, *_: Any, **__: Any) -> Any:
        name = channel._channel
        self.asked.append(name)
        if name in self._without:
            raise NothingOnRecord("no live change", self._record, even_held=False)
        raise NoAnswer("it is down")


def _changed_by(waves: Waves, *names: str) -> None:
    """Let an earlier attempt of the run have changed some hosts."""
    last = LastChange(waves.plan.run, "admin", "2026-11-22T10:15:00Z")
    waves.fleet.answers |= {name: replace(DONE, last_change=last) for name in names}


def _reload_is_due(waves: Waves, name: str) -> None:
    """Let somebody have edited another line of a host's main.cf."""
    look = waves.fleet.answers[name]
    assert isinstance(look, Look)
    assert look.postfix_reloaded
    edited = {
        key: replace(file, changed=look.postfix_reloaded + 1) if file.path.endswith("main.cf") else file
        for key, file in look.files.items()
    }
    waves.fleet.answers[name] = replace(look, files=edited)


def test_what_an_earlier_attempt_has_changed_is_taken_back_although_this_one_has_not_asked_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waves = Waves(monkeypatch, dict.fromkeys("abcd", NEW), Layout("1,3,100%", (), "0"))
    waves.fleet.ends["b"] = FAILED
    rollout = waves.rollout(is_first=False)
    monkeypatch.setattr(rollout, "_at_once", 1)
    rollout.run(Bounds())
    undo = _Undo(monkeypatch, without=["b"])
    rollout.take_back(only_wave=False)
    # Wave 3 cannot have begun: nothing says that any attempt has come to the end of this one.
    assert undo.asked == ["a", "b", "c"]
    assert {name: one.undone for name, one in rollout.reports().items()} == {
        "a": False,
        "b": None,
        "c": False,
        "d": None,
    }


@pytest.mark.parametrize("knows", ["by its mark", "by its host", "not"])
def test_an_earlier_attempt_may_have_come_further(
    monkeypatch: pytest.MonkeyPatch, waves: Waves, knows: str
) -> None:
    """Whether this attempt knows that the first wave was changed, or its host is down by now."""
    if knows == "by its host":
        _changed_by(waves, "a")
    if knows == "not":
        waves.fleet.answers["a"] = NoAnswer("it is down")
    answering(monkeypatch, waves.fleet.answers)
    waves.fleet.ends["b"] = FAILED
    rollout = waves.run(plan=waves.plan.after({"a"} if knows == "by its mark" else ()), is_first=False)
    undo = _Undo(monkeypatch)
    rollout.take_back(only_wave=False)
    assert sorted(undo.asked) == ["a", "b", "c", "d"]


def _asked_for_their_undo(monkeypatch: pytest.MonkeyPatch, waves: Waves) -> list[str]:
    """The hosts that are asked once a further attempt has stopped. None of them has a change."""
    rollout = waves.run(is_first=False)
    undo = _Undo(monkeypatch, without="abcd")
    rollout.take_back(only_wave=False)
    return sorted(undo.asked)


@pytest.mark.parametrize("first", ["1", "2"])
def test_failures_that_the_plan_accepts_do_not_show_that_no_earlier_attempt_has_come_further(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Of two hosts in the first wave, one may have failed, and the other may have been held."""
    waves = Waves(monkeypatch, dict.fromkeys("abcd", NEW), Layout(f"{first},3,100%", (), "1"))
    waves.fleet.ends |= {"a": FAILED, "b": FAILED}
    assert _asked_for_their_undo(monkeypatch, waves) == ["a", "b", "c", "d"]


def test_a_change_that_was_taken_back_shows_that_an_earlier_attempt_may_have_come_further(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    """Its undo may not have reached a host of a later wave."""
    last = LastChange(UNDONE_BY, "admin", "2026-11-22T11:15:00Z")
    waves.fleet.answers["a"] = replace(NEW, last_change=last)
    answering(monkeypatch, waves.fleet.answers)
    waves.fleet.ends["a"] = FAILED
    assert _asked_for_their_undo(monkeypatch, waves) == ["a", "b", "c", "d"]


def test_a_host_that_is_held_between_its_plan_and_its_change_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    hold = Hold("admin", "2026-11-22T10:15:00Z", "a migration", "")
    reports: list[Callable[[], object]] = []
    monkeypatch.setattr(engine, "heed_interruptions", lambda report, _say: reports.append(report))

    def held_first(host: Host, _channel: Any, _asked: Asked) -> Ended:
        waves.fleet.answers[host.name] = replace(NEW, hold=hold)
        answering(monkeypatch, waves.fleet.answers)
        return Ended(ChangeOutcome.REFUSED, ("it is held",))

    change = applying.carry_out
    monkeypatch.setattr(
        applying,
        "carry_out",
        lambda host, *words: (held_first if host.name == "b" else change)(host, *words),
    )
    rollout = waves.run()
    assert outcomes(rollout) == {"a": "changed", "b": "held", "c": "changed", "d": "changed"}
    assert not rollout.has_failed
    # An interruption would not make another of it.
    for report in reports:
        report()
    assert outcomes(rollout)["b"] == "held"


def test_a_host_that_was_refused_is_taken_back_if_its_last_change_is_of_this_run(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    _changed_by(waves, "a")
    look = waves.fleet.answers["a"]
    assert isinstance(look, Look)
    waves.fleet.answers["a"] = with_main_cf(look, "smtpd_tls_auth_only = no\n")
    answering(monkeypatch, waves.fleet.answers)
    undo = _Undo(monkeypatch)
    rollout = waves.run()
    assert (outcomes(rollout)["a"], rollout.has_changed) == ("refused", True)
    rollout.take_back(only_wave=False)
    assert undo.asked == ["a"]


def test_the_change_is_waited_for_before_it_is_taken_back(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    """The connection to the host was lost, and it is at work: its record has no change that is live."""
    waves.fleet.ends["a"] = Ended(ChangeOutcome.UNKNOWN, ("the connection was lost",))
    rollout = waves.run()
    undo = _Undo(monkeypatch, without=["a"])
    rollout.take_back(only_wave=False)
    assert (undo.followed, undo.asked) == ([waves.plan.run], ["a"])
    # It was put back.
    assert (rollout.reports()["a"].undone, rollout.has_changed) == (None, False)


def test_a_host_that_was_done_and_is_not_in_the_inventory_is_not_taken_back(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    waves.fleet.ends["b"] = FAILED
    rollout = waves.run(plan=waves.plan.after({"a"}), hosts=waves.fleet.hosts[1:], is_first=False)
    _Undo(monkeypatch, without="bcd")
    rollout.take_back(only_wave=False)
    report = rollout.reports()["a"]
    assert (report.undone, report.is_done) == (False, False)
    assert "use the inventory of the plan" in report.reasons[-1]


def test_an_event_tells_of_each_host_that_was_not_taken_back(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    waves.bad = {"b"}
    rollout = waves.run(plan=waves.plan.after({"a"}))
    _Undo(monkeypatch, without="ab")
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(rollout, "tell", lambda event, host, **_: told.append((event, host)))
    rollout.take_back(only_wave=False)
    # They were said to be changed, and somebody has undone that already.
    assert sorted(told) == [("host_failed", "a"), ("host_failed", "b")]


def test_a_reload_that_is_due_is_no_other_plan(monkeypatch: pytest.MonkeyPatch, waves: Waves) -> None:
    """Somebody has edited another line of main.cf since an earlier attempt of this run."""
    _changed_by(waves, "a")
    _reload_is_due(waves, "a")
    answering(monkeypatch, waves.fleet.answers)
    rollout = waves.run()
    assert (outcomes(rollout)["a"], waves.verified[0]) == ("changed", ["a"])


def _another_attempt_is_faster(monkeypatch: pytest.MonkeyPatch, waves: Waves) -> None:
    """Let another attempt of the run change each host between its plan and its change."""

    def changed_first(host: Host, _channel: Any, _asked: Asked) -> Ended:
        _changed_by(waves, host.name)
        answering(monkeypatch, waves.fleet.answers)
        return Ended(ChangeOutcome.REFUSED, ("main.cf was changed since the plan was made",))

    monkeypatch.setattr(applying, "carry_out", changed_first)


def test_a_host_that_another_attempt_changes_between_its_plan_and_its_change_is_verified(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    _another_attempt_is_faster(monkeypatch, waves)
    rollout = waves.run()
    assert (outcomes(rollout), waves.verified[0]) == (dict.fromkeys("abcd", "changed"), ["a"])
    assert rollout.reports()["a"].reasons == ()


def test_a_host_that_is_asked_while_too_many_fail_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = Waves(monkeypatch, dict.fromkeys("abc", NEW), Layout("2,100%", (), "0"))
    waves.fleet.ends["a"] = FAILED
    is_asked, has_failed = Event(), Event()
    waves.fleet.hangs["a"] = is_asked

    def channel_to(host: Host) -> Any:
        if host.name == "b":
            is_asked.set()
            has_failed.wait()
        return name_of(host)

    monkeypatch.setattr(engine, "Channels", lambda _say: channel_to)
    rollout = waves.rollout()
    monkeypatch.setattr(rollout, "tell", lambda event, **_: event == "host_failed" and has_failed.set())
    with gevent.Timeout(SECONDS):
        rollout.run(Bounds())
    assert waves.fleet.changed == ["a"]
    assert outcomes(rollout) == {"a": "failed and put back", "b": "not begun", "c": "not begun"}


UNDONE_BY = "2026-11-22T11:15:00Z-0001"


def _change(run: str, *undone: str) -> PastChange:
    who = {"controller": "admin@controller", "ssh_user": "root", "began": "2026-11-22T10:15:00Z"}
    return PastChange({**who, "id": run, "outcome": "live", "undone": [*undone]})


@pytest.mark.parametrize(
    ("changes", "is_undone_by_now"),
    [
        ([("run",)], False),
        ([("run",), ("undo", "run")], True),
        ([("run",), ("undo", "run"), ("other",)], True),
        ([("run",), ("undo", "run"), ("run",)], False),
        ([("run",), ("undo", "run"), ("second undo", "undo")], False),
        ([("run",), ("other",), ("undo", "other", "run")], True),
        ([("other",)], False),
    ],
)
def test_whether_a_change_is_undone(changes: list[tuple[str, ...]], is_undone_by_now: bool) -> None:
    assert is_undone(Record(tuple(_change(*one) for one in changes)), "run") is is_undone_by_now


def test_what_an_earlier_attempt_has_taken_back_is_not_called_changed(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    waves.fleet.ends["a"] = FAILED
    rollout = waves.run(plan=waves.plan.after((), UNDONE_BY), is_first=False)
    record = Record((_change(waves.plan.run), _change(UNDONE_BY, waves.plan.run)))
    undo = _Undo(monkeypatch, without="a", record=record)
    rollout.take_back(only_wave=False)
    # That undo may be under way still.
    assert undo.followed == [UNDONE_BY, waves.plan.run]
    assert (rollout.reports()["a"].undone, rollout.has_changed) == (None, False)


def test_a_refused_reload_is_no_change(monkeypatch: pytest.MonkeyPatch, waves: Waves) -> None:
    _changed_by(waves, "a")
    _reload_is_due(waves, "a")
    answering(monkeypatch, waves.fleet.answers)
    waves.fleet.ends["a"] = Ended(ChangeOutcome.REFUSED, ("another deploy is running",))
    report = waves.run().reports()["a"]
    assert (report.outcome, report.reasons) == ("refused", ("another deploy is running",))


def test_what_is_only_reloaded_is_not_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = Waves(monkeypatch, {"a": DONE}, Layout("1,100%", (), "0"))
    _reload_is_due(waves, "a")
    waves = Waves(monkeypatch, waves.fleet.answers, Layout("1,100%", (), "0"))
    waves.bad = {"a"}
    rollout = waves.run()
    undo = _Undo(monkeypatch)
    rollout.take_back(only_wave=False)
    assert (outcomes(rollout)["a"], undo.asked) == ("changed", [])
    assert (rollout.reports()["a"].undone, rollout.has_changed) == (None, False)


def test_an_interruption_does_not_forget_what_was_found_out(
    monkeypatch: pytest.MonkeyPatch, waves: Waves
) -> None:
    """What another attempt has changed; and which hosts have nothing to undo."""
    reports: list[Callable[[], object]] = []
    monkeypatch.setattr(engine, "heed_interruptions", lambda report, _say: reports.append(report))
    _another_attempt_is_faster(monkeypatch, waves)
    waves.bad = {"b"}
    rollout = waves.run(is_first=False)
    reports[-1]()
    assert outcomes(rollout) == {"a": "changed", "b": "changed", "c": "not begun", "d": "not begun"}
    _Undo(monkeypatch, without="cd")
    monkeypatch.setattr(engine, "leave_if_interrupted", _leave)
    with pytest.raises(KeyboardInterrupt):
        rollout.take_back(only_wave=False)
    reports[-1]()
    assert {name: one.undone for name, one in rollout.reports().items()} == {
        "a": False,
        "b": False,
        "c": None,
        "d": None,
    }


def _leave() -> None:
    raise KeyboardInterrupt
