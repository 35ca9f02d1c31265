"""`smtp-auth queue status` for people."""

from collections.abc import Iterator, Sequence

from smtp_auth.fleet.console import Line, Style
from smtp_auth.fleet.planning import State
from smtp_auth.local_time import local_time
from smtp_auth.rollout.queue import rows
from smtp_auth.rollout.queue.status import CheckStatus, RolloutStatus, SliceStatus
from smtp_auth.shown import counted, shown_name, shown_words, some_names


def lines(found: Sequence[RolloutStatus], checked: Sequence[CheckStatus]) -> Iterator[Line]:
    """The status as lines."""
    for one in found:
        yield from _rollout_lines(one)
    if not found:
        yield Line("The queue has no rollout.")
    for check in checked:
        yield from _check_lines(check)


def _check_lines(check: CheckStatus) -> Iterator[Line]:
    of_states: dict[str, list[str]] = {}
    for name, state in sorted(check.states.items()):
        of_states.setdefault(state, []).append(shown_name(name))
    counts = ", ".join(f"{len(names)} {state}" for state, names in sorted(of_states.items()))
    said = f"it has failed: {check.said}" if check.said else counts or "no host"
    text = f"zone {check.zone} was checked {local_time(check.at)}: {said}"
    yield Line(shown_words(text), Style.TROUBLE if check.has_trouble else Style.PLAIN, under=4)
    for state, names in sorted(of_states.items()):
        if state != State.CONVERGED.value:
            yield Line(shown_words(f"    {state}: {some_names(names)}"), under=8)


def _rollout_lines(one: RolloutStatus) -> Iterator[Line]:
    why = f": {one.why}" if one.why else ""
    style = Style.TROUBLE if one.state == "stopped" else Style.TITLE
    yield Line(shown_words(f"{one.run}: {one.state}, wave {one.wave}{why}"), style, under=4)
    when = f", begins {local_time(one.begins)}" if one.begins else ""
    after = "any more, because it is after" if one.is_late else "after"
    when += f", begins nothing {after} {local_time(one.not_after)}" if one.not_after else ""
    yield Line(shown_words(f"    put in {local_time(one.put_in)} by {one.put_in_by}{when}"), under=8)
    for part in one.slices:
        yield Line(shown_words(f"    {_slice_line(part)}"), under=8)
    for name, host in one.failures.items():
        checks = f": {', '.join(host.failed_checks)}" if host.failed_checks else ""
        text = f"    {shown_name(name)}: {host.outcome}{', and does not verify' if checks else ''}{checks}"
        yield Line(shown_words(text), Style.TROUBLE, under=8)


def _slice_line(part: SliceStatus) -> str:
    # One that was given back is nobody's.
    worker = f" by {part.worker}" if part.state != "waiting" else ""
    if part.state == "under way":
        worker += f", heard {part.seen} s ago" if part.is_at_work else f", not heard of for {part.seen} s"
    said = f": {part.said}" if part.said else ""
    named = rows.slice_named(part.wave, part.zone, part.shard, part.shards)
    what = f"{named}, {counted(part.number, 'host')}"
    damaged = ": its report is damaged" if part.is_damaged else ""
    return f"{what}: {part.state}{worker}{_counts(part)}{said}{damaged}"


def _counts(part: SliceStatus) -> str:
    done = sum(one.is_done for one in part.hosts.values())
    failed = sum(one.has_failed for one in part.hosts.values())
    return f", {done} as wanted, {failed} failed" if part.hosts else ""
