"""What became of the hosts of a run: as lines for people, and as JSON."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smtp_auth.fleet.as_json import host_as_json
from smtp_auth.fleet.console import Line, Style
from smtp_auth.fleet.names import in_order
from smtp_auth.fleet.planning import TROUBLE, HostPlan, State, Took
from smtp_auth.fleet.text import MARGIN
from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.plan.as_json import text_of
from smtp_auth.runs.proved import proved_lines
from smtp_auth.shown import counted, shown, shown_name

CHANGED, UNCHANGED = "changed", "unchanged"


@dataclass(frozen=True)
class Applied:
    """What became of a host.

    + word: the outcome, for people
    + said: why the host is not as wanted, one sentence each
    + proved: what was proved, in the words of the host; `seconds`: how long that took there
    + took: how long each part took
    """

    state: State
    word: str
    said: tuple[str, ...] = ()
    proved: tuple[str, ...] = ()
    seconds: float | None = None
    took: Took = ()

    @property
    def changed(self) -> bool:
        """Whether the change is live."""
        return self.word == CHANGED


NOT_BEGUN = Applied(State.PENDING, "not begun")


def outcome_lines(name: str, found: Applied, *, is_told: bool = False) -> Iterator[Line]:
    """What became of a host, with the reason if it is not as wanted.

    + is_told: whether the reason was shown to the same reader already
    """
    proved = f", proved in {found.seconds:.1f} s" if found.seconds is not None and not found.said else ""
    style = Style.TROUBLE if found.state in TROUBLE else Style.PLAIN
    reasons = "; ".join(map(shown, found.said))
    said = f"{', see above' if is_told else f': {reasons}'}" if found.said else ""
    yield Line(f"{shown_name(name)}: {found.word}{proved}{said}", style, under=len(MARGIN))


def result_lines(found: Mapping[str, Applied], told: Collection[str] = ()) -> Iterator[Line]:
    """What became of all hosts: a line for each that is not as wanted, what was proved, and the counts.

    + told: the hosts whose reasons were shown to the same reader already
    """
    for name in in_order(found):
        if found[name].state in TROUBLE:
            yield from outcome_lines(name, found[name], is_told=name in told)
    proofs = {
        name: Ended(ChangeOutcome.LIVE, (), found[name].proved, found[name].seconds)
        for name in in_order(found)
        if found[name].state is State.CONVERGED
    }
    yield from (Line(line, under=len(MARGIN)) for line in proved_lines(proofs))
    words = Counter(one.word for one in found.values())
    counts = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
    yield Line(f"{counted(len(found), 'host')}: {counts}", Style.TITLE, under=len(MARGIN))


def applied_as_json(plan: HostPlan | None, found: Applied, name: str) -> dict[str, Any]:
    """What is known of a host after a change: as before it, with its new state, and what was proved.

    `outcome` is in the words that people read. The flag `changed` says that the change is live.
    """
    before = host_as_json(plan or HostPlan(State.PENDING), name)
    return {
        **before,
        "state": found.state.value,
        "flags": [*before["flags"], *(["changed"] if found.changed else [])],
        "outcome": found.word,
        "reasons": [*map(text_of, found.said)],
        "proved": [*map(text_of, found.proved)],
        "proof_seconds": found.seconds,
    }
