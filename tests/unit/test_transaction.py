"""What a change returns to pyinfra, and what the report says of it."""

from typing import Any

import pytest
from pyinfra.api import Config, Host, Inventory, State

from operations import STEPS
from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import ChangeOutcome
from smtp_auth.plan.plan import plan_of
from smtp_auth.runs import report, transaction
from smtp_auth.runs.report import Outcome
from smtp_auth.runs.transaction import Transaction
from tests.unit.scenarios import stock, wanted

LOOK, SETTINGS = stock("3.10.5"), wanted()
ASKED = Asked(SETTINGS, LOOK, plan_of(SETTINGS, LOOK, STEPS))


@pytest.fixture
def host() -> Host:
    inventory = Inventory((["@local"], {}))
    State(inventory, Config())
    found: Host = inventory.get_host("@local")
    return found


def execute(host: Host, monkeypatch: pytest.MonkeyPatch, change: Any) -> tuple[bool, list[str]]:
    """What this function, used as a change, returns to pyinfra."""
    monkeypatch.setattr(transaction, "change", change)
    succeeded, output = Transaction(ASKED).execute(host.state, host, {})
    return succeeded, output.stderr_lines


@pytest.mark.parametrize("outcome", ChangeOutcome)
def test_the_outcome_is_reported_with_its_reasons(
    host: Host, monkeypatch: pytest.MonkeyPatch, outcome: ChangeOutcome
) -> None:
    succeeded, said = execute(host, monkeypatch, lambda *_: (outcome, ["one\x1b", "two"]))
    assert (succeeded, said) == (outcome is ChangeOutcome.LIVE, ["one\\x1b", "two"])
    reported, reason = report._told.outcomes[host]
    assert (reported is Outcome.CHANGED, reason) == (succeeded, "one\x1b two")


def test_the_plan_and_what_it_was_made_of_are_carried_out(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def change(*words: object) -> tuple[ChangeOutcome, list[str]]:
        given.extend(words[3:])
        return ChangeOutcome.LIVE, []

    execute(host, monkeypatch, change)
    assert given == [ASKED.plan, ASKED.settings, ASKED.look]


def test_an_error_in_this_program_fails_the_host_alone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(*_words: object) -> None:
        raise KeyError("unforeseen")

    succeeded, [line] = execute(host, monkeypatch, change)
    assert not succeeded
    assert "an error in this program, which fails only this host: KeyError: 'unforeseen'" in line
    assert report._told.outcomes[host][0] is Outcome.FAILED


def test_a_preview_shows_what_is_run_and_asks_nothing_of_git() -> None:
    assert str(Transaction(ASKED)) == "perl - start"
