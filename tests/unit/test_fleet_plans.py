"""Plans of a fleet: each different one once, for people and for programs."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from operations import STEPS
from smtp_auth.fleet import planning
from smtp_auth.fleet.as_json import fleet_entry, lines
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.fleet.text import counts_line, height, plan_lines
from smtp_auth.on_host.channel import NotAllowed
from smtp_auth.plan.plan import plan_of
from smtp_auth.plan.text import reload_lines, step_lines
from tests.unit.fleets import (
    NEW,
    OLD,
    UNREACHABLE,
    WHY,
    Answer,
    answering,
    changed_before,
    deployed,
    hosts_named,
    name_of,
    plans,
)
from tests.unit.scenarios import wanted

STOPPED = replace(NEW, dovecot_running=False)
DONE = deployed(NEW)


def shown(found: dict[str, HostPlan], *, is_whole: bool = True) -> list[str]:
    return [line.text for line in plan_lines(found, is_whole=is_whole)]


def test_each_different_plan_is_shown_once_with_its_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    many: dict[str, Answer] = {f"mail{number}.example.jp": NEW for number in range(1, 12)}
    text = shown(plans(monkeypatch, {**many, "old.example.jp": OLD, "done.example.jp": DONE}))
    assert text[0] == "the same on 11 hosts: mail1.example.jp, mail2.example.jp and 9 more"
    assert "old.example.jp:" in text
    assert not any("done.example.jp" in line for line in text)
    assert sum("+smtpd_sasl_path = private/auth" in line for line in text) == 2


def test_a_hosts_lines_are_those_of_pyinfras_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(wanted(), OLD, STEPS)
    expected = [line for step in STEPS for line in step_lines(plan, step)] + reload_lines(plan)
    text = shown(plans(monkeypatch, {"mail1.example.jp": OLD}))
    assert text == ["mail1.example.jp:", *(f"    {line}" for line in expected), ""]


def test_it_is_the_same_whatever_host_answers_first(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Answer] = {
        **{f"mail{number}.example.jp": (NEW, OLD, STOPPED, UNREACHABLE)[number % 4] for number in range(40)}
    }
    first = shown(plans(monkeypatch, answers))
    names = [*answers]
    random.Random(1).shuffle(names)
    assert shown(plans(monkeypatch, {name: answers[name] for name in names})) == first


def test_who_is_refused_or_not_reached_is_said_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    no_shell = NotAllowed("the account has no shell")
    answers: dict[str, Answer] = {
        "a": STOPPED,
        "b": STOPPED,
        "c": UNREACHABLE,
        "d": no_shell,
        "e": RuntimeError("odd"),
    }
    found = plans(monkeypatch, answers)
    text = shown(found)
    assert text[0] == "refused on 2 hosts: a and b"
    assert text[1].startswith("    Dovecot is not running")
    assert text[text.index("refused: d") + 1] == "    the account has no shell"
    assert text[text.index("unreachable: c") + 1] == f"    {WHY}"
    assert text[text.index("failed: e") + 1].startswith("    an error in this program, which fails only this")
    assert counts_line(found).text == "5 hosts: 3 refused, 1 unreachable, 1 failed"


def test_data_that_are_wrong_refuse_a_host_and_nobody_connects_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"a.example.jp": NEW})
    connected: list[Any] = []
    monkeypatch.setattr(planning, "connect", connected.append)
    (host,) = hosts_named(["a.example.jp"], tls_minimum_version="TLSv9")
    plan, _ = planning.ask_host(host, planning.deploy(STEPS), name_of(host), rehearsing=True)
    assert (plan.state, connected, plan.took) == (State.REFUSED, [], ())
    assert "tls_minimum_version" in plan.reasons[0]


def test_edited_hosts_are_shown_with_their_last_change(monkeypatch: pytest.MonkeyPatch) -> None:
    edited = changed_before(DONE, "/etc/postfix/main.cf")
    found = plans(monkeypatch, {"a": edited, "b": DONE, "c": edited})
    assert shown(found) == [
        "nothing would change on 2 hosts: a and c",
        "    last change 2026-11-22T10:15:01Z-3f2a by admin@controller as root; edited since: "
        "/etc/postfix/main.cf",
        "",
    ]
    assert fleet_entry(found["a"], "a")["flags"] == ["edited"]
    assert fleet_entry(found["b"], "b")["flags"] == []


def test_of_many_last_changes_those_edited_since_are_all_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Answer] = {f"h{n}": changed_before(NEW, number=n) for n in range(6)}
    answers["z"] = changed_before(NEW, "/etc/postfix/main.cf", number=9)
    text = [line for line in shown(plans(monkeypatch, answers)) if "last change" in line or "  on " in line]
    assert text[0].endswith("edited since: /etc/postfix/main.cf")
    assert text[1] == "      on z"
    assert sum("none of its files was edited" in line for line in text) == 3
    assert text[-1] == "    3 other last changes, and nobody has edited their files since"


def test_what_a_deploy_would_prove_once_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    unproved = replace(DONE, proved=frozenset())
    found = plans(monkeypatch, {"a": unproved})
    assert "a deploy proves once that Dovecot and Postfix work" in shown(found)[1]
    assert found["a"].state is State.CONVERGED


def test_warnings_are_shown_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plans(monkeypatch, {"a": NEW, "b": NEW})
    warned = {"a": replace(found["a"], warnings=("x", "y")), "b": replace(found["b"], warnings=("x",))}
    text = shown(warned)
    assert text[text.index("warning on 2 hosts: a and b") :] == [
        "warning on 2 hosts: a and b",
        "    x",
        "",
        "warning: a",
        "    y",
        "",
    ]


def test_an_overview_of_many_hosts_fits_a_screen_and_says_that_lines_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = (NEW, OLD, DONE, STOPPED, UNREACHABLE)
    found = plans(monkeypatch, {f"mail{number}.example.jp": states[number % 5] for number in range(200)})
    overview, whole = shown(found, is_whole=False), shown(found)
    assert len(overview) <= 60 < len(whole)
    assert "-v shows all of them" in overview[-2]
    assert not any("-v shows all" in line for line in whole)
    few = dict([*found.items()][:10])
    assert shown(few, is_whole=False) == shown(few)


@pytest.mark.parametrize("width", [None, 80])
def test_an_overview_of_hosts_that_all_differ_fits_a_screen_as_well(
    monkeypatch: pytest.MonkeyPatch, width: int | None
) -> None:
    reasons: dict[str, Answer] = {
        f"mail{number}.example.jp": NotAllowed(f"reason {number}, with {'many words ' * 20}")
        for number in range(40)
    }
    found = plans(monkeypatch, {**reasons, "new.example.jp": NEW, "old.example.jp": OLD})
    lines = plan_lines(found, is_whole=False, width=width, beside=5)
    assert height(lines, width) <= 55
    text = [line.text for line in lines]
    assert any(line.endswith(" more like this on other hosts") for line in text)
    assert any("new.example.jp" in line for line in text)
    assert "reason 0, with" in text[text.index("refused: mail0.example.jp") + 1]


def test_an_overview_shows_all_lines_if_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Answer] = {f"mail{number}.example.jp": DONE for number in range(50)}
    answers["mail7.example.jp"] = OLD
    found = plans(monkeypatch, answers)
    assert shown(found, is_whole=False) == shown(found)
    assert found["mail7.example.jp"].state is State.PENDING


def test_json_has_every_host_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plans(monkeypatch, {"a": NEW, "b": STOPPED, "c": DONE, "d": UNREACHABLE, "e": OLD})
    read = json.loads("\n".join(lines(found, fleet_entry)))
    assert read["version"] == 1
    hosts = read["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "a": "pending",
        "b": "refused",
        "c": "converged",
        "d": "unreachable",
        "e": "pending",
    }
    written = [line for edit in hosts["a"]["plan"]["edits"] for line in edit["lines"]]
    assert "+smtpd_sasl_path = private/auth\n" in written
    assert hosts["b"]["plan"] is hosts["b"]["digest"] is hosts["d"]["digest"] is None
    assert hosts["a"]["digest"] != hosts["e"]["digest"]


def test_names_of_one_machine_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = replace(NEW, machine="m")
    found = plans(monkeypatch, {"a": machine, "b": machine, "c": NEW})
    assert {name: one.state.value for name, one in found.items()} == {
        "a": "pending",
        "b": "refused",
        "c": "pending",
    }
    assert fleet_entry(found["a"], "a")["flags"] == ["same_machine"]
    assert fleet_entry(found["b"], "b")["same_machine"] == ["a"]
