"""What became of the hosts of a run: as lines for people, and as JSON."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smtp_auth.fleet.as_json import fleet_entry
from smtp_auth.fleet.console import Line, Style
from smtp_auth.fleet.names import in_order
from smtp_auth.fleet.planning import TROUBLE, WITHOUT_PLAN, HostPlan, State, Took
from smtp_auth.fleet.text import MARGIN, words_line
from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.plan.as_json import text_of
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.proved import proved_lines
from smtp_auth.shown import shown, shown_name, shown_words

_STATES = {
    Outcome.CHANGED: State.CONVERGED,
    Outcome.UNCHANGED: State.CONVERGED,
    Outcome.HELD: State.HELD,
    Outcome.NOT_BEGUN: State.PENDING,
    Outcome.REFUSED: State.REFUSED,
    Outcome.PUT_BACK: State.FAILED,
    Outcome.FAILED: State.FAILED,
    Outcome.NOT_REACHED: State.UNREACHABLE,
    # What became of it is not known.
    Outcome.NOT_AWAITED: State.UNREACHABLE,
}

# Why a host has no plan.
OF_NO_PLAN = {
    State.HELD: Outcome.HELD,
    State.REFUSED: Outcome.REFUSED,
    State.UNREACHABLE: Outcome.NOT_REACHED,
    State.FAILED: Outcome.FAILED,
}


@dataclass(frozen=True)
class Applied:
    """What became of a host.

    + said: why the host is not as wanted, one sentence each
    + proved: what was proved, in the words of the host; `seconds`: how long that took there
    + took: how long each part took
    """

    outcome: Outcome
    said: tuple[str, ...] = ()
    proved: tuple[str, ...] = ()
    seconds: float | None = None
    took: Took = ()

    @property
    def state(self) -> State:
        """The state of the host, as far as it is known."""
        return _STATES[self.outcome]


NOT_BEGUN = Applied(Outcome.NOT_BEGUN)


def outcome_lines(name: str, found: Applied, *, is_told: bool = False) -> Iterator[Line]:
    """What became of a host, with the reason if it is not as wanted.

    + is_told: whether the reason was shown to the same reader already
    """
    proved = f", proved in {found.seconds:.1f} s" if found.seconds is not None and not found.said else ""
    style = Style.TROUBLE if found.state in TROUBLE else Style.PLAIN
    if found.outcome is Outcome.HELD and not is_told:
        # The sentence has the outcome in it, and somebody's words in any language.
        hold = shown_words(text_of("; ".join(found.said)))
        yield Line(f"{shown_name(name)}: {hold}", style, under=len(MARGIN))
        return
    reasons = "; ".join(map(shown, found.said))
    said = f"{', see above' if is_told else f': {reasons}'}" if found.said else ""
    yield Line(f"{shown_name(name)}: {found.outcome.value}{proved}{said}", style, under=len(MARGIN))


def result_lines(found: Mapping[str, Applied], told: Collection[str] = ()) -> Iterator[Line]:
    """What became of all hosts: a line for each that is not as wanted, what was proved, and the counts.

    + told: the hosts whose reasons were shown to the same reader already
    """
    for name in in_order(found):
        if found[name].state in WITHOUT_PLAN:
            yield from outcome_lines(name, found[name], is_told=name in told)
    proofs = {
        name: Ended(ChangeOutcome.LIVE, (), found[name].proved, found[name].seconds)
        for name in in_order(found)
        if found[name].state is State.CONVERGED
    }
    yield from (Line(line, under=len(MARGIN)) for line in proved_lines(proofs))
    yield words_line(one.outcome.value for one in found.values())


def applied_as_json(plan: HostPlan | None, found: Applied, name: str) -> dict[str, Any]:
    """What is known of a host after a change: as before it, with its new state, and what was proved.

    `outcome` is in the words that people read. The flag `changed` says that the change is live.
    """
    known = plan or HostPlan(State.PENDING)
    before = fleet_entry(known, name)
    state = known.state if found.outcome is Outcome.NOT_BEGUN else found.state
    return {
        **before,
        "state": state.value,
        "flags": [*before["flags"], *(["changed"] if found.outcome is Outcome.CHANGED else [])],
        "outcome": found.outcome.value,
        "reasons": [*map(text_of, found.said)],
        "proved": [*map(text_of, found.proved)],
        "proof_seconds": found.seconds,
    }
