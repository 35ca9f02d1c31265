"""What was proved on the hosts of a run, as text for people: hosts with the same proof together."""

from collections.abc import Iterable, Mapping, Sequence

from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.shown import shown, shown_name, some_names


def proved_lines(ended: Mapping[str, Ended]) -> list[str]:
    """What was proved where a change is live, or where nothing had to be changed.

    First a line with the hosts and the seconds, then one for each service or port, indented by two spaces.

    + ended: the name of a host to how its change has ended
    """
    groups: dict[tuple[str, ...], dict[str, float | None]] = {}
    for name, one in ended.items():
        if one.outcome is ChangeOutcome.LIVE and one.proved:
            groups.setdefault(one.proved, {})[name] = one.seconds
    return [line for words, hosts in groups.items() for line in _group(words, hosts)]


def _group(words: Sequence[str], hosts: Mapping[str, float | None]) -> Iterable[str]:
    took = [seconds for seconds in hosts.values() if seconds is not None]
    within = f" in {_range(min(took), max(took))}" if took else ""
    names = some_names([*map(shown_name, hosts)])
    yield f"proved on {f'{len(hosts)} hosts ({names})' if len(hosts) > 2 else names}{within}:"
    yield from (f"  {shown(text)}" for text in words)


def _range(shortest: float, longest: float) -> str:
    low, high = f"{shortest:.1f}", f"{longest:.1f}"
    return f"{high} s" if low == high else f"{low} to {high} s"
