"""What a change returns to its front end, and to pyinfra, and what the report says of it."""

import logging
from typing import Any

import pytest
from pyinfra.api import Config, Host, Inventory, State

from operations import STEPS
from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.on_host.channel import NoAnswer
from smtp_auth.plan.plan import plan_of
from smtp_auth.runs import carrying_out, report
from smtp_auth.runs.carrying_out import prove_services
from smtp_auth.runs.channel import channel_to
from smtp_auth.runs.outcome import Outcome
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
    monkeypatch.setattr(carrying_out, "change", change)
    succeeded, output = Transaction(ASKED).execute(host.state, host, {})
    return succeeded, output.stderr_lines


@pytest.mark.parametrize("outcome", ChangeOutcome)
def test_the_outcome_is_reported_with_its_reasons(
    host: Host, monkeypatch: pytest.MonkeyPatch, outcome: ChangeOutcome
) -> None:
    succeeded, said = execute(host, monkeypatch, lambda *_, **__: Ended(outcome, ("one\x1b", "two")))
    # pyinfra shows what is returned at once: it would stand there and in the report.
    assert (succeeded, said) == (outcome is ChangeOutcome.LIVE, [])
    reported, reasons = report._told.outcomes[host]
    assert (reported is Outcome.CHANGED, reasons) == (succeeded, ("one\x1b", "two"))


def test_the_plan_and_what_it_was_made_of_are_carried_out(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def change(*words: object, even_held: bool) -> Ended:
        given.extend((*words[3:], even_held))
        return Ended(ChangeOutcome.LIVE)

    execute(host, monkeypatch, change)
    assert given == [ASKED.plan, ASKED.settings, ASKED.look, ASKED.even_held]


def test_an_error_in_this_program_fails_the_host_alone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(*_words: object, **_more: object) -> None:
        raise KeyError("unforeseen")

    succeeded, _ = execute(host, monkeypatch, change)
    assert not succeeded
    outcome, [line] = report._told.outcomes[host]
    assert outcome is Outcome.FAILED
    assert line.startswith("an error in this program, which fails only this host: KeyError: 'unforeseen'")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoAnswer("no answer within 60 seconds"), "no answer within 60 seconds"),
        (
            KeyError("unforeseen"),
            "an error in this program, which fails only this host: KeyError: 'unforeseen'",
        ),
    ],
)
def test_a_proof_that_raises_fails_the_host_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def prove(*_words: object) -> None:
        raise error

    monkeypatch.setattr(carrying_out, "prove", prove)
    ended = prove_services(channel_to(host), ASKED)
    assert ended.outcome is ChangeOutcome.FAILED
    assert ended.said[0].startswith(said)


def test_a_preview_shows_what_is_run_and_asks_nothing_of_git() -> None:
    assert str(Transaction(ASKED)) == "perl - start"


def test_a_host_that_says_nothing_has_a_line_of_the_report_too(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    execute(host, monkeypatch, lambda *_, **__: Ended(ChangeOutcome.FAILED))
    monkeypatch.setattr(logging.getLogger("pyinfra"), "propagate", True)
    with caplog.at_level(logging.INFO, "pyinfra"):
        report._tell(host.state, is_dry=False)
    assert "    @local  failed: " in caplog.messages


def test_what_was_proved_does_not_name_the_host_itself(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, no two hosts would have the same proof."""
    own = ASKED.settings.mail_hostname
    proved = (f"465: TLS, certificate of {own}, www.{own} and example.jp",)
    monkeypatch.setattr(carrying_out, "prove", lambda *_, **__: Ended(ChangeOutcome.LIVE, (), proved))
    assert prove_services(channel_to(host), ASKED).proved == (
        f"465: TLS, certificate of its own name, www.{own} and example.jp",
    )
