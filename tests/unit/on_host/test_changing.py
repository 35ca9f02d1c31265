"""Changing a host is a function of a channel and values. A lost connection does not lose the outcome."""

from dataclasses import dataclass, field

import pytest

from operations import STEPS
from smtp_auth.on_host.changing import GOES_ON, ChangeOutcome, Ended, change, prove
from smtp_auth.on_host.channel import Answer, Limits, NoAnswer
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.on_host.origin import Origin
from smtp_auth.on_host.programs import follow_program, start_program
from smtp_auth.plan.plan import plan_of
from tests.unit.scenarios import stock, wanted

LOOK, SETTINGS = stock("3.10.5"), wanted()
PLAN = plan_of(SETTINGS, LOOK, STEPS)
ORIGIN = Origin("2026-11-22T10:15:00Z-3f2a", "admin@controller", "unknown")
LIVE = Answer(("said\t", "outcome\tlive"))


@dataclass
class Host:
    """A channel to a host that gives one of these answers after the other.

    + reached: whether a second connection succeeds
    """

    answers: list[Answer | NoAnswer]
    reached: bool = True
    commands: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)

    def __call__(self, command: str, stdin: str, limits: Limits) -> Answer:
        self.commands.append(command)
        self.programs.append(stdin)
        self.limits.append(limits)
        answer = self.answers[len(self.commands) - 1]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    def reconnect(self) -> None:
        self.commands.append("reconnect")
        self.answers.insert(len(self.commands) - 1, LIVE)
        self.programs.append("")
        if not self.reached:
            raise NoAnswer("timed out")

    def change(self) -> Ended:
        return change(self, self.reconnect, ORIGIN, PLAN, SETTINGS, LOOK)


START, FOLLOW = (f"perl -x - {what} {ORIGIN.id} {RECORD}" for what in ("start", "follow"))


def test_a_plan_that_is_live_took_one_command() -> None:
    host = Host([LIVE])
    assert host.change() == Ended(ChangeOutcome.LIVE)
    assert host.commands == [START]
    assert host.programs == [start_program(ORIGIN, PLAN, SETTINGS, LOOK)]


@pytest.mark.parametrize("outcome", ChangeOutcome)
def test_the_outcome_and_the_reasons_are_the_hosts(outcome: ChangeOutcome) -> None:
    answer = Answer(("said\tone%0Atwo", f"outcome\t{outcome.value}"), ("a complaint",))
    is_live = outcome is ChangeOutcome.LIVE
    assert Host([answer]).change() == Ended(outcome, () if is_live else ("one", "two", "a complaint"))


def test_what_was_proved_is_the_hosts_words_and_how_long_it_took() -> None:
    proved = ("said\t", "proved\t25: greeting", "proved\t465: TLS%09", "proof_seconds\t0.84", "outcome\tlive")
    ended = Ended(ChangeOutcome.LIVE, (), ("25: greeting", "465: TLS\t"), 0.84)
    assert Host([Answer(proved)]).change() == ended
    # Read after the connection was lost, it is the same.
    assert Host([NoAnswer("reset"), Answer(proved)]).change() == ended


@pytest.mark.parametrize("word", ["", "soon", "nan", "inf", "-1", "1e999"])
def test_a_host_that_says_no_time_has_none(word: str) -> None:
    answer = Answer(("proved\tx", f"proof_seconds\t{word}", "outcome\tlive"))
    assert Host([answer]).change() == Ended(ChangeOutcome.LIVE, (), ("x",), None)


@pytest.mark.parametrize("outcome", ["refused", "failed"])
def test_a_proof_alone_ends_in_the_same_way(outcome: str) -> None:
    answer = Answer(("said\tit dies", "proved\tDovecot", "proof_seconds\t0.1", f"outcome\t{outcome}"))
    ended = prove(Host([answer]), PLAN, SETTINGS, LOOK)
    assert (ended.outcome, ended.proved, ended.seconds) == (ChangeOutcome(outcome), ("Dovecot",), 0.1)
    [why] = ended.said
    assert why.endswith("it dies")
    assert why.startswith("nothing would change, but the proof of") == (outcome == "failed")


def test_a_proof_that_is_cut_off_has_failed() -> None:
    ended = prove(Host([Answer(("said\t",), ("perl: no memory",))]), PLAN, SETTINGS, LOOK)
    assert ended == Ended(ChangeOutcome.FAILED, ("the proof did not finish: perl: no memory",))


CUT_OFF = [(), ("said\tx",), ("said\t", "outcome"), ("said\t", "outcome\tliv"), ("said\t", "outcome\t")]


@pytest.mark.parametrize("lost", [NoAnswer("timed out"), *map(Answer, CUT_OFF)])
def test_a_lost_connection_is_made_once_more_and_the_outcome_read(lost: Answer | NoAnswer) -> None:
    host = Host([lost, Answer(("said\tno proof", "outcome\tput back"))])
    assert host.change() == Ended(ChangeOutcome.PUT_BACK, ("no proof",))
    assert host.commands == [START, "reconnect", FOLLOW]
    assert host.programs[-1] == follow_program()


def test_a_host_that_is_not_reached_again_goes_on() -> None:
    host = Host([NoAnswer("reset")], reached=False)
    why = f"the connection was lost (timed out); {GOES_ON}"
    assert host.change() == Ended(ChangeOutcome.UNKNOWN, (why,))


def test_a_host_does_not_have_the_deadline_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2000.0])
    monkeypatch.setattr("smtp_auth.on_host.changing.time.monotonic", lambda: next(clock))
    host = Host([NoAnswer("late"), LIVE])
    host.change()
    assert [limits.seconds for limits in host.limits] == [2520, 520]


@pytest.mark.parametrize(
    ("lost", "why"), [(NoAnswer("timed out"), "timed out"), (Answer(("outcome",)), "its answer was cut off")]
)
def test_a_connection_that_is_lost_twice_is_not_made_again(lost: Answer | NoAnswer, why: str) -> None:
    host = Host([NoAnswer("reset"), lost])
    sentence = f"the connection was lost twice ({why}); {GOES_ON}"
    assert host.change() == Ended(ChangeOutcome.UNKNOWN, (sentence,))
    assert host.commands == [START, "reconnect", FOLLOW]
