"""Holds as people say them, see them, and as they keep hosts from being changed in a fleet."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from operations import STEPS
from smtp_auth.facts.hold import Hold
from smtp_auth.facts.look import Look
from smtp_auth.fleet import hold_command, planning
from smtp_auth.fleet.as_json import fleet_entry
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.hold_words import reason_in
from smtp_auth.fleet.outcomes import applied_as_json, result_lines
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import HostPlan, State, tried
from smtp_auth.fleet.text import counts_line, plan_lines
from smtp_auth.fleet.typed_times import time_until
from smtp_auth.fleet.written import Target
from smtp_auth.on_host.asking import ask, ask_to_remove, ask_to_undo
from smtp_auth.on_host.channel import NoAnswer
from smtp_auth.on_host.holding import Held
from smtp_auth.settings import SettingsError, even_held
from tests.time_zone import time_zone
from tests.unit.fleets import NEW, UNREACHABLE, Answer, hosts_named, plans
from tests.unit.on_host.test_asking import SETTINGS, Host, record_of_a_deploy
from tests.unit.scenarios import look_lines
from tests.unit.test_applying import Fleet, words

SMTP_AUTH = Path(sys.executable).parent / "smtp-auth"

HOLD = Hold("ann@desk as root", "2026-11-27T10:00:00Z", "a new disk: ディスク", "2026-12-01T00:00:00Z")
LATER = replace(HOLD, when="2026-11-27T10:00:02Z")
DAMAGED = Hold("", "", "", "")
OVERRIDDEN = "by ann@desk as root, until 2026-12-01 09:00:00 +09:00: a new disk"


@pytest.fixture(autouse=True)
def tokyo() -> Iterator[None]:
    with time_zone("Asia/Tokyo"):
        yield


def held(look: Look, hold: Hold = HOLD) -> Look:
    return replace(look, hold=hold)


# -- what is typed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2026-12-01", "2026-12-01T15:00:00Z"),
        ("2026-12-01T18:00", "2026-12-01T09:00:00Z"),
        ("2026-12-01 18:00:30", "2026-12-01T09:00:30Z"),
        ("2026-12-01T18:00+01:00", "2026-12-01T17:00:00Z"),
        ("2026-12-01T18:00Z", "2026-12-01T18:00:00Z"),
    ],
)
def test_a_time_is_in_the_readers_zone_and_a_date_means_its_end(text: str, until: str) -> None:
    assert time_until("--until", text) == until


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "18:00", "2026-13-01", "9999-12-31", "1\x1b[2J", "0001-01-01T00:00"]
)
def test_what_is_no_time_is_a_mistake(text: str) -> None:
    with pytest.raises(PyinfraError, match=r"^--until [ -~]*: give a date \(2026-11-22\), a time \("):
        time_until("--until", text)


@pytest.mark.parametrize(
    "text",
    [
        "a new disk: ディスク",
        "新しい\u3000ディスク",
        "un disque\u00a0: neuf",
        "\U0001f468\u200d\U0001f527 works here",
        "क्\u200dष",
        "x" * 500,
    ],
)
def test_a_reason_is_one_line_in_any_language(text: str) -> None:
    assert reason_in(f"  {text} ") == text
    found = {"a": HostPlan(State.HELD, hold=replace(HOLD, why=text))}
    assert plan_lines(found, is_whole=True)[1].text.endswith(f": {text}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" ", "--reason is empty: say why the hosts are not to be changed"),
        ("a\nb", r"--reason a\\nb: give one line without control characters"),
        ("\x1b[2J", r"--reason \\x1b\[2J: give one line without control characters"),
        ("a\u2028b", r"--reason a\\u2028b: give one line without control characters"),
        ("\u202eabc", r"--reason \\u202eabc: give one line without control characters"),
        ("\u2067abc", r"--reason \\u2067abc: give one line without control characters"),
        ("\udcff", r"--reason \\udcff: give one line without control characters"),
        ("x" * 501, "--reason has 501 characters: give at most 500"),
    ],
)
def test_what_is_no_reason_is_a_mistake(text: str, sentence: str) -> None:
    with pytest.raises(PyinfraError, match=f"^{sentence}$"):
        reason_in(text)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["hold", "a"], "the following arguments are required: --reason"),
        (["hold", "--reason", "x"], "the following arguments are required: HOST"),
        (
            ["hold", "a", "--limit", "b", "--reason", "x", "--inventory", "a,b"],
            "--limit b: HOST already says which hosts are meant: give them there alone",
        ),
        (["release"], "the following arguments are required: HOST"),
        (["hold", "a", "--reason", "x", "b"], "b is no option: all hosts stand together, before the options"),
        (["hold", "a", "--reason", "x", "--until", ""], "--until : give a date (2026-11-22), a time"),
        (
            ["hold", "c", "--reason", "x", "--inventory", "a,b"],
            "HOST c: no host or group of the inventory",
        ),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_sentence(
    typed: list[str], said: str, tmp_path: Path
) -> None:
    done = subprocess.run([SMTP_AUTH, *typed], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


# -- what it does to plans and changes ----------------------------------------------------------------


def test_hosts_with_the_same_hold_are_shown_together_and_counted_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: dict[str, Answer] = {
        "a": held(NEW),
        "b": held(NEW, LATER),
        "c": held(NEW, DAMAGED),
        "d": NEW,
        "e": UNREACHABLE,
    }
    found = plans(monkeypatch, answers)
    text = [line.text for line in plan_lines(found, is_whole=True)]
    assert text[text.index("held on 2 hosts: a and b") :] == [
        "held on 2 hosts: a and b",
        "    held since 2026-11-27 19:00:00 +09:00 (the last one since 2026-11-27 19:00:02 +09:00) by "
        "ann@desk as root, until 2026-12-01 09:00:00 +09:00: a new disk: ディスク",
        "",
        "held: c",
        "    held, but its hold, /var/lib/smtp-auth/hold, cannot be read: 'smtp-auth release' deletes it, if "
        "nobody needs it",
        "",
    ]
    assert counts_line(found).text == "5 hosts: 1 pending, 3 held, 1 unreachable"


def test_a_held_host_has_no_plan_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plans(monkeypatch, {"a": held(NEW), "b": NEW})
    entry = fleet_entry(found["a"], "a")
    assert (entry["state"], entry["plan"], entry["digest"]) == ("held", None, None)
    assert entry["hold"] == {
        "who": "ann@desk as root",
        "when": "2026-11-27T10:00:00Z",
        "why": "a new disk: ディスク",
        "until": "2026-12-01T00:00:00Z",
    }
    assert entry["reasons"][0].endswith(": a new disk: ディスク")
    assert fleet_entry(found["b"], "b")["hold"] is None


def test_a_held_host_is_passed_over_and_that_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": held(NEW), "b": NEW})
    work = fleet.apply()
    assert words(work) == {"a": "held", "b": "changed"}
    assert fleet.changed == ["b"]
    lines = [line.text for line in result_lines(work.results)]
    assert lines[0].startswith("a: held since 2026-11-27 19:00:00 +09:00 by ann@desk as root")
    assert lines[-1] == "2 hosts: 1 changed, 1 held"
    assert applied_as_json(work.plans["a"], work.results["a"], "a")["outcome"] == "held"


def test_a_host_that_is_held_since_its_plan_was_shown_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, {"a": NEW})
    approved = {name: plan.digest for name, plan in fleet.apply().plans.items()}
    fleet.changed.clear()
    fleet.answers["a"] = held(NEW)
    assert words(fleet.apply(approved)) == {"a": "held"}
    assert fleet.changed == []


def test_a_hold_outweighs_that_two_names_are_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = held(replace(NEW, machine="m"))
    found = plans(monkeypatch, {"a": machine, "b": machine})
    assert {one.state for one in found.values()} == {State.HELD}
    assert found["a"].names == ("a", "b")
    free = replace(NEW, machine="m")
    found = plans(monkeypatch, {"a": machine, "b": free, "c": free})
    assert [one.state for one in found.values()] == [State.HELD, State.PENDING, State.REFUSED]


def test_even_held_overrides_it_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.fleets import answering, name_of, plans_of

    answering(monkeypatch, {"a": held(NEW)})
    hosts = hosts_named(["a"], mail_hostname="mail1.example.jp", even_held=True)
    found = plans_of(
        hosts, 8, planning.deploy(STEPS), name_of, lambda _name: None, lambda _name, _found: None
    )
    free = plans(monkeypatch, {"a": NEW})["a"]
    assert (found["a"].state, found["a"].hold) == (State.PENDING, None)
    assert found["a"].digest == free.digest
    assert found["a"].warnings == free.warnings
    warning = f"held since 2026-11-27 19:00:00 +09:00 {OVERRIDDEN}: ディスク; even_held = True overrides this"
    assert fleet_entry(found["a"], "a")["warnings"][0] == warning
    assert f"    {warning}" in [line.text for line in plan_lines(found, is_whole=True)]


# What a look prints of a hold.
IN_LOOK = "hold\tann@desk as root%002026-11-27T10:00:00Z%00a new disk%002026-12-01T00:00:00Z"

ASKING: dict[str, Callable[..., Any]] = {
    "deploy": lambda host, **how: ask(host, SETTINGS, STEPS, **how),
    "undo": lambda host, **how: ask_to_undo(host, STEPS, **how),
    "removal": lambda host, **how: ask_to_remove(host, STEPS, **how),
}


@pytest.mark.parametrize("what", ASKING)
def test_a_held_host_is_not_rehearsed_unless_the_hold_is_overridden(what: str) -> None:
    host = Host(look=(*look_lines("3.10.5"), IN_LOOK), record=record_of_a_deploy())
    assert ASKING[what](host).hold.why == "a new disk"
    assert "rehearsal" not in host.asked
    found = ASKING[what](host, even_held=True)
    assert found.hold is None
    assert OVERRIDDEN in found.hold_warning


# A record in doubt, one without a live change, and one that is too short for an undo.
RECORDS = {
    "in doubt": ("unreadable\t2026-11-22T10:15:00Z-3f2a", *record_of_a_deploy()),
    "put back": record_of_a_deploy("put back"),
    "too short": ("gap\t1", *record_of_a_deploy()),
}


@pytest.mark.parametrize(
    ("what", "record", "state"),
    [
        ("undo", "in doubt", State.REFUSED),
        ("removal", "in doubt", State.REFUSED),
        ("undo", "put back", State.CONVERGED),
        ("removal", "put back", State.CONVERGED),
        ("undo", "too short", State.REFUSED),
    ],
)
def test_a_held_host_is_passed_over_whatever_its_record_says(what: str, record: str, state: State) -> None:
    def found(*more: str, even_held: bool) -> HostPlan:
        host = Host(record=(*more, *RECORDS[record]))
        said = tried(partial(ASKING[what], host, even_held=even_held))
        assert isinstance(said, HostPlan)
        return said

    held = found(IN_LOOK, even_held=False)
    assert held.hold
    assert (held.state, held.hold.why) == (State.HELD, "a new disk")
    assert held.reasons[0].startswith("held since ")
    for other in (found(IN_LOOK, even_held=True), found(even_held=False)):
        assert (other.state, other.hold) == (state, None)


@pytest.mark.parametrize("what", ["undo", "removal"])
def test_a_record_overrides_nothing(what: str) -> None:
    # As an earlier version wrote it.
    before = "%22settings%22%3A%20%7B"
    assert not any("even_held" in line for line in record_of_a_deploy())
    record = tuple(
        line.replace(before, f"{before}%22even_held%22%3A%20true%2C%20") for line in record_of_a_deploy()
    )
    assert record != record_of_a_deploy()
    host = Host(look=(*look_lines("3.10.5"), IN_LOOK), record=record)
    assert ASKING[what](host).hold


def test_even_held_is_read_whatever_is_wrong_with_other_data() -> None:
    assert not even_held({})
    assert even_held({"even_held": True, "tls_minimum_version": "wrong"})
    with pytest.raises(SettingsError, match=r"^even_held = 1: "):
        even_held({"even_held": 1})


# -- the commands -------------------------------------------------------------------------------------


def _run(
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Held | Exception],
    what: Callable[[Chosen], int],
) -> int:
    def answer(channel: Any, *_: object) -> Held:
        found = answers[channel._channel]
        if isinstance(found, Exception):
            raise found
        return found

    class Channels:
        def __init__(self, _say: object) -> None: ...

        def __call__(self, host: Any) -> str:
            return str(host.name)

    monkeypatch.setattr(hold_command.holding, "hold", answer)
    monkeypatch.setattr(hold_command.holding, "release", answer)
    monkeypatch.setattr(hold_command, "Channels", Channels)
    monkeypatch.setattr(planning, "connect", lambda _host: None)
    return what(Chosen(hosts_named([*answers]), 8))


def test_each_host_says_what_became_of_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, Held | Exception] = {
        "a10": Held(hold=HOLD),
        "a9": Held(hold=replace(HOLD, until=""), before=LATER, is_at_work=True),
        "b": Held(hold=HOLD, before=DAMAGED),
        "c": Held(refused="no \x1b"),
        "d": NoAnswer("it is gone"),
    }
    status = _run(monkeypatch, answers, lambda chosen: hold_command.hold(chosen, Manner(), None, "x", ""))
    assert status == 1
    assert capfd.readouterr().out.splitlines() == [
        "a9: held; a change was running there, and is completed; before, it was held since 2026-11-27 "
        "19:00:02 +09:00 by ann@desk as root, until 2026-12-01 09:00:00 +09:00: a new disk: ディスク",
        "a10: held until 2026-12-01 09:00:00 +09:00",
        "b: held until 2026-12-01 09:00:00 +09:00; before, it had a hold that cannot be read",
        "c: refused: no \\x1b",
        "d: not reached: it is gone",
        "5 hosts: 3 held, 1 not reached, 1 refused",
    ]


def test_a_release_says_whose_hold_it_was_and_json_has_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, Held | Exception] = {"a": Held(before=HOLD), "b": Held()}
    assert _run(monkeypatch, answers, lambda chosen: hold_command.release(chosen, Manner(), None)) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith(
        "a: released; before, it was held since 2026-11-27 19:00:00 +09:00 by ann@desk"
    )
    assert lines[1:] == ["b: not held", "2 hosts: 1 not held, 1 released"]
    _run(monkeypatch, answers, lambda chosen: hold_command.release(chosen, Manner(), Target("--json", "-")))
    hosts = json.loads(capfd.readouterr().out)["hosts"]
    assert hosts["a"]["before"]["why"] == "a new disk: ディスク"
    assert hosts["b"] == {
        "outcome": "not held",
        "reasons": [],
        "hold": None,
        "before": None,
        "at_work": False,
    }


def test_an_end_that_is_no_time_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, Held | Exception] = {"a": Held(hold=replace(HOLD, until="\x1b[2J\u202e"))}
    assert _run(monkeypatch, answers, lambda chosen: hold_command.hold(chosen, Manner(), None, "x", "")) == 0
    assert capfd.readouterr().out.splitlines()[0] == "a: held until \\x1b[2J\\u202e"


def test_a_host_plan_without_a_hold_has_none() -> None:
    assert fleet_entry(HostPlan(State.PENDING), "a")["hold"] is None
