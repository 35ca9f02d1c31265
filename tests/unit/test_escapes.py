"""No output lets a terminal act on what a host's files, its record or its programs say."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from operations import STEPS
from smtp_auth.facts.hold import Hold, HoldEvent
from smtp_auth.facts.look import LastChange
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.fleet import hold_command
from smtp_auth.fleet.as_json import lines as json_lines
from smtp_auth.fleet.console import Line
from smtp_auth.fleet.history import HostHistory
from smtp_auth.fleet.history_json import entries_of
from smtp_auth.fleet.history_text import details, table
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.fleet.text import held_lines
from smtp_auth.fleet.undo_command import heading, heading_of_each
from smtp_auth.on_host.holding import Held
from smtp_auth.past.runs import NoSuchRun, PastRun, past_runs, run_called
from smtp_auth.plan.as_json import as_json as plans_as_json
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.text import reload_lines, step_lines
from smtp_auth.shown import shown
from tests.unit.past import deployed
from tests.unit.scenarios import MAIN_CF, stock, wanted, with_file, with_main_cf

# Bytes of a file, decoded as latin-1: what terminals, logs and shells act on.
HOSTILE = {
    "a title": "\x1b]0;title\x07",
    "a colour": "\x1b[31m",
    "an 8-bit sequence": "\x9b2J",
    "a line end": "one\nok: all hosts",
    "a carriage return": "bad\rgood",
    "a backspace": "bad\b\b\bgood",
    "NUL": "\0",
    "delete": "\x7f",
    "right to left": "\u202eright".encode().decode("latin-1"),
    "no UTF-8": "\xff\xfe",
}

LOOK = stock("3.10.5")
_, CHANGE = deployed(LOOK, wanted())


def _plan_with(text: str) -> Plan:
    """A plan that shows what a host says: lines and paths of its files, and why it could not be restored."""
    content = f"{LOOK.main_cf.content}\n# {text}\nsmtpd_tls_cert_file = {text}\n"
    host = with_file(with_main_cf(LOOK, content), MAIN_CF, path=f"/etc/{text}/main.cf")
    path = f"{LOOK.main_cf.real_path.rpartition('/')[0]}/.main.cf.smtp-auth-new~"
    return plan_of(wanted(), replace(host, leftovers=(path,), not_restored=text), STEPS)


def _preview(text: str) -> Iterator[str]:
    plan = _plan_with(text)
    assert plan.edits
    for step in STEPS:
        yield from step_lines(plan, step)
    yield from reload_lines(plan)


def _plan_as_json(text: str) -> Iterator[str]:
    yield json.dumps(plans_as_json({"mail1.example.jp": _plan_with(text)}))


def _hold(text: str) -> Hold:
    """A hold with a text in each of its places, as it is read: in it, letters of all scripts stay."""
    return Hold.parse("\0".join([text.replace("\0", "\1")] * 4))


def _holds(text: str) -> Iterator[str]:
    """What is said of a hold below a plan, and by the command that has replaced it."""
    hold = _hold(text)
    for lines in held_lines({"x.example": hold, "y.example": replace(hold, when=f"{hold.when}2")}):
        yield from _texts(iter(lines))
    told = hold_command._Told("held", held=Held("", hold, hold))
    yield from _texts(hold_command._lines({"x.example": told}))


def _found(text: str) -> Mapping[str, HostHistory]:
    """Two names of one machine, whose record has a text in each of its places.

    Letters of all scripts may be in a name, which is of the inventory.
    """
    name = shown(text) if text.isprintable() else text
    hold = _hold(text)
    holds = (HoldEvent(hold.why, hold.who, hold.when, hold.why, hold.until),)
    manifest: dict[str, Any] = json.loads(json.dumps(CHANGE.manifest))
    manifest |= dict.fromkeys(("controller", "ssh_user", "commit", "outcome", "about", "said", "began"), text)
    manifest["undone"] = [text]
    for edit in manifest["plan"]["edits"]:
        edit |= {"path": text, "lines": [f"-{text}"], "reason": text}
    record = Record((PastChange(manifest),), unreadable=(text,), machine="m", hold=hold, holds=holds)
    return {**dict.fromkeys(("x.example", name), HostHistory(record)), "y.example": HostHistory(error=text)}


def _texts(lines: Iterator[Line]) -> Iterator[str]:
    return (line.text for line in lines)


def _history_of_the_run(text: str) -> Iterator[str]:
    found = _found(text)
    (run,) = past_runs({name: history.record for name, history in found.items()})
    return _texts(details(found, run))


def _history_of_no_run(text: str) -> Iterator[str]:
    try:
        run_called(text, past_runs({name: history.record for name, history in _found(text).items()}))
    except NoSuchRun as error:
        sentence, run = str(error).split("\n")
        yield from (sentence, run)


def _history_as_json(text: str, run_id: str | None = None) -> Iterator[str]:
    return json_lines(_found(text), entries_of(_found(text), run_id))


def _above_an_undo(text: str) -> Iterator[str]:
    """What stands above the plans of an undo: of the last run, of several, of each host's last change."""
    run = PastRun(text, text, (text,), (text,), ("x.example",))
    change = LastChange(text, text, text)
    plans = {"x.example": HostPlan(State.PENDING, undone=(text,), last_change=change)}
    for is_last in (True, False):
        yield from _texts(heading(plans, run, [run], is_last=is_last))
    yield from _texts(heading_of_each(plans))


OUTPUTS: Mapping[str, Callable[[str], Iterator[str]]] = {
    "the preview": _preview,
    "the plan as JSON": _plan_as_json,
    "above an undo": _above_an_undo,
    "holds": _holds,
    "the history": lambda text: _texts(table(_found(text))),
    "the history of a run": _history_of_the_run,
    "the history of no run": _history_of_no_run,
    "the history as JSON": _history_as_json,
    "a run as JSON": lambda text: _history_as_json(text, CHANGE.id),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("output", OUTPUTS)
def test_what_a_host_says_is_escaped(output: str, what: str) -> None:
    lines = [*OUTPUTS[output](HOSTILE[what])]
    assert lines
    for line in lines:
        # JSON is on several lines of its own.
        assert all(
            " " <= character <= "~" or character == "\t" for one in line.split("\n") for character in one
        )
        assert "JSON" in output or "\n" not in line
