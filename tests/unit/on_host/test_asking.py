"""To ask a host is a function of a channel and values; what it answers, or that it does not."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from operations import STEPS
from smtp_auth.on_host.asking import (
    Asked,
    NothingOnRecord,
    NotOnRecord,
    ask,
    ask_to_remove,
    ask_to_undo,
    look_at,
    read_record,
    rehearse,
)
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer, NotAllowed
from smtp_auth.past.undo import plan_of_undo
from smtp_auth.plan.plan import plan_of
from tests.unit.past import deployed
from tests.unit.scenarios import look_lines, stock, wanted
from tests.unit.test_plan import after

VERSION = "3.10.5"
LOOK, SETTINGS = stock(VERSION), wanted()
PLAN = plan_of(SETTINGS, LOOK, STEPS)
ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Host:
    """A channel to a host that answers what it is told to.

    + asked: the programs so far, as the commands that read them
    """

    look: tuple[str, ...] = tuple(look_lines(VERSION))
    record: tuple[str, ...] = ("complete\t1",)
    rehearsal: tuple[str, ...] = ("complete\t1",)
    complaints: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)

    def __call__(self, command: str, stdin: str, limits: Limits) -> Answer:
        what = "rehearsal" if "rehearse" in command else "look" if "hostname=" in command else "record"
        assert command.startswith(("perl -x - ", "unshare "))
        assert stdin.startswith("#!perl\n")
        self.asked.append(what)
        self.limits.append(limits)
        return Answer(getattr(self, what), self.complaints)


def test_a_deploy_is_asked_for_in_two_commands() -> None:
    host = Host(rehearsal=("warning\tit is old", "complete\t1"))
    found = ask(host, SETTINGS, STEPS)
    assert (found.settings, found.look, found.plan) == (SETTINGS, LOOK, PLAN)
    assert (found.refusals, found.warnings) == ((), (*PLAN.warnings, "it is old"))
    assert host.asked == ["look", "rehearsal"]


def test_what_the_hosts_own_programs_refuse_is_a_refusal() -> None:
    found = ask(Host(rehearsal=("refused\tno %25", "complete\t1")), SETTINGS, STEPS)
    assert found.refusals == ("no %",)


def test_a_plan_that_is_refused_or_empty_is_not_rehearsed() -> None:
    host = Host(look=(*look_lines(VERSION), "uid\t1000"))
    assert ask(host, SETTINGS, STEPS).refusals == plan_of(SETTINGS, replace(LOOK, uid=1000), STEPS).refusals
    assert host.asked == ["look"]
    assert Asked(SETTINGS, after(LOOK, PLAN), PLAN).refusals == ()


def test_the_rehearsal_can_be_left_out() -> None:
    host = Host()
    assert ask(host, SETTINGS, STEPS, rehearsing=False) == Asked(SETTINGS, LOOK, PLAN)
    assert host.asked == ["look"]


def test_the_limits_hold_for_each_answer() -> None:
    host, limits = Host(), Limits(7, 1000)
    ask(host, SETTINGS, STEPS, limits=limits)
    assert host.limits == [limits, limits]


def record_of_a_deploy(outcome: str = "live") -> tuple[str, ...]:
    """What History.pm prints of a deploy."""
    _, change = deployed(LOOK, SETTINGS)
    manifest = json.dumps({**change.manifest, "outcome": outcome})
    values = [("manifest", f"{change.id}\0{manifest}")]
    values += [("before", f"{change.id}\0{path}\0{text}") for path, text in change.before.items()]
    values += [("after", f"{change.id}\0{path}\0{text}") for path, text in change.after.items()]
    lines = [f"{key}\t{quote(value, safe='', encoding='latin-1')}" for key, value in values]
    return (*lines, "complete\t1")


def test_an_undo_has_the_settings_on_record() -> None:
    host = Host(record=record_of_a_deploy())
    found = ask_to_undo(host, STEPS)
    _, change = deployed(LOOK, SETTINGS)
    assert found.settings == SETTINGS
    assert found.plan == plan_of_undo([change], SETTINGS, LOOK, STEPS)
    assert host.asked[:2] == ["record", "look"]


@pytest.mark.parametrize("asking", [ask_to_undo, ask_to_remove])
@pytest.mark.parametrize("record", [("complete\t1",), record_of_a_deploy("put back")])
def test_without_a_live_change_there_is_nothing_to_take_back(
    asking: Callable[..., Asked], record: tuple[str, ...]
) -> None:
    host = Host(record=record)
    with pytest.raises(NothingOnRecord, match="the record of this host has no change"):
        asking(host, STEPS)
    assert host.asked == ["record"]


def test_an_undo_of_what_is_no_longer_on_record_is_refused() -> None:
    host = Host(record=("gap\t1", *record_of_a_deploy()))
    with pytest.raises(NotOnRecord, match=r"run 2026-x is older than the last twenty live changes"):
        ask_to_undo(host, STEPS, "2026-x")


def test_a_removal_has_the_settings_of_the_last_live_change() -> None:
    host = Host(record=record_of_a_deploy())
    assert ask_to_remove(host, STEPS).settings == SETTINGS
    assert host.asked[:2] == ["record", "look"]


ASKING: dict[str, Callable[[Channel], object]] = {
    "look": lambda channel: look_at(channel, SETTINGS, STEPS),
    "record": read_record,
    "rehearsal": lambda channel: rehearse(channel, PLAN, SETTINGS, LOOK),
}


@pytest.mark.parametrize("what", ASKING)
def test_an_answer_that_was_cut_off_is_none(what: str) -> None:
    host = Host(complaints=("perl: warning: Setting locale failed.", "Killed", " by the kernel "))
    setattr(host, what, getattr(host, what)[:-1])
    with pytest.raises(NoAnswer) as error:
        ASKING[what](host)
    assert str(error.value).startswith(f"the {what} ")
    assert str(error.value).endswith("is incomplete: Killed; by the kernel")


@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [
        ("sh: 1: perl: not found", "the program perl is not found on this host: install the package"),
        ("No Perl script found in input", "a start-up file of the login shell .* reads the program"),
    ],
)
@pytest.mark.parametrize("what", ASKING)
def test_a_program_that_did_not_run_has_a_cause(what: str, complaint: str, sentence: str) -> None:
    host = Host(complaints=(complaint, "something else"))
    setattr(host, what, ())
    with pytest.raises(NotAllowed, match=sentence):
        ASKING[what](host)


@pytest.mark.parametrize(
    ("what", "line"), [("look", "uid\tx"), ("record", "ledger\tx"), ("record", "before\tx")]
)
def test_an_answer_that_cannot_be_read_is_none(what: str, line: str) -> None:
    host = Host()
    setattr(host, what, (*getattr(host, what)[:-1], line, "complete\t1"))
    with pytest.raises(NoAnswer, match=rf"^the {what} .* cannot be read: \w+Error"):
        ASKING[what](host)


def test_a_host_without_a_word_is_told_so() -> None:
    with pytest.raises(NoAnswer, match="incomplete: the host gave no reason"):
        read_record(Host(record=()))


def test_to_ask_and_to_change_need_no_pyinfra() -> None:
    program = (
        "import sys, smtp_auth.on_host.asking, smtp_auth.on_host.changing\n"
        "print([name for name in sys.modules if name.startswith(('pyinfra', 'paramiko', 'gevent'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
