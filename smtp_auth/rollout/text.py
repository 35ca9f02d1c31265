"""A rollout as lines for people: its waves beforehand, and what is left afterwards."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from smtp_auth.facts.decode import in_bytes
from smtp_auth.fleet.console import EMPTY, Line, Style
from smtp_auth.fleet.names import in_order
from smtp_auth.fleet.text import MARGIN, words_line
from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.rollout.report import HostReport
from smtp_auth.runs.outcome import Outcome
from smtp_auth.shown import counted, shown, shown_name

# How many hosts of a wave are named.
_NAMED = 5


def wave_lines(plan: RolloutPlan, names: Sequence[str]) -> Iterator[Line]:
    """The waves, and after how many failures it stops. + names: the hosts that are done here"""
    left, here = plan.left, {*names}
    waves = {number: [name for name in ones if name in here] for number, ones in left.items()}
    for number, ones in waves.items():
        if ones:
            named = ", ".join(map(shown_name, ones[:_NAMED]))
            more = f" and {len(ones) - _NAMED} more" if len(ones) > _NAMED else ""
            text = f"wave {number}, {counted(len(ones), 'host')}: {named}{more}"
            yield Line(text, Style.TITLE, under=len(MARGIN))
    if any(waves.values()):
        stops = _when_it_stops(plan.most_failures, sum(map(len, left.values())))
        yield Line(f"Each wave is verified before the next. {stops}")
        yield EMPTY


def _when_it_stops(most: int, count: int) -> str:
    # Of a slice, too, all hosts count: failures of other slices stop the run.
    if most >= count:
        return "Failures do not stop it."
    return (
        f"It stops once more than {counted(most, 'host')} failed." if most else "It stops once a host fails."
    )


def too_many(failed: int, most: int) -> str:
    """Why a rollout stops because of failures. + most: how many the plan accepts"""
    accepted = f"only {most}" if most else "none"
    return f"{counted(failed, 'host')} failed or did not verify, and the plan accepts {accepted}"


def wave_ended_line(title: str, found: Iterable[HostReport]) -> Line:
    """What became of the hosts of a wave. + title: which one it is"""
    counts = Counter(map(_word, found))
    return Line(title + ", ".join(f"{count} {word}" for word, count in sorted(counts.items())))


def end_lines(found: Mapping[str, HostReport], stopped: str) -> Iterator[Line]:
    """What is not as wanted, host by host, and the counts. + stopped: why it did not go on, if so"""
    waiting = dict.fromkeys(
        name
        for name in in_order(found)
        if found[name].outcome == Outcome.NOT_BEGUN.value and found[name].undone is None
    )
    for name in in_order(found):
        one = found[name]
        if not one.is_done and name not in waiting:
            reasons = "; ".join(shown(in_bytes(reason)) for reason in one.reasons)
            text = f"{shown_name(name)}: {_word(one)}{f': {reasons}' if reasons else ''}"
            yield Line(text, Style.TROUBLE if one.has_failed else Style.PLAIN, under=len(MARGIN))
    if waiting:
        names = ", ".join(map(shown_name, waiting))
        yield Line(f"not begun, {counted(len(waiting), 'host')}: {names}", under=len(MARGIN))
    if stopped:
        yield Line(f"stopped: {stopped}", Style.TROUBLE, under=len(MARGIN))
    yield words_line(_word(one) for one in found.values())


def _word(one: HostReport) -> str:
    if one.undone:
        return "taken back"
    if one.undone is False:
        return f"{one.outcome}, not taken back"
    if one.verified is False:
        return f"{one.outcome}, does not verify"
    if one.wave is not None and one.state == "converged" and one.verified is None:
        return f"{one.outcome}, not verified yet"
    return f"{one.outcome} and verified" if one.verified and one.wave is not None else one.outcome
