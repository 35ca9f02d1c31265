"""A verification of one host as a plugin of Nagios: a status line, further lines below it, four statuses."""

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum

from smtp_auth.fleet.console import write_results
from smtp_auth.fleet.written import Target
from smtp_auth.shown import counted, shown, shown_name
from smtp_auth.verify import measured
from smtp_auth.verify.report import NOT_MADE, Outcome

# Of the checks that fail, these say that the rest could not be looked at from here.
_DATA = "the data is valid"
_REACH = frozenset({_DATA, "the host is reached over ssh", "the name resolves"})

# What one plugin may print in bytes, the line ends included: agents such as NRPE read no more.
_MOST = 4096

# How many checks the status line names.
_NAMED = 3

_DAY = 86400


class State(IntEnum):
    """Nagios' own exit statuses."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Nagios:
    """The answer to Nagios, which is all that standard output gets.

    + host: the host's name
    + most_seconds: within how many seconds port 465 must greet; `None` if the host's data is not valid
    + now: the time, in seconds since 1970
    """

    def __init__(self, host: str, most_seconds: float | None, now: Callable[[], float]) -> None:
        self.target = Target("--nagios", "-")
        self._host, self._most_seconds, self._now = host, most_seconds, now
        # The exit status: nothing is known until it is written.
        self.state = State.UNKNOWN

    def write(self, outcomes: Sequence[Outcome], names: Sequence[str]) -> bool:
        """As `Output.write`."""
        self.state = state_of(outcomes)
        said = f"{shown_name(self._host)}: {_summary(outcomes)}"
        figures = _figures(outcomes, self._most_seconds, self._now())
        write_results(answer(self.state, said, figures, _details(outcomes)))
        return True


def answer(
    state: State, said: str, figures: Sequence[str] = (), details: Iterator[str] | Sequence[str] = ()
) -> list[str]:
    """The lines for Nagios, with their ends.

    + said: what the status line says
    + figures: performance data
    + details: further lines
    """
    more, end = "more is left out\n", f"|{' '.join(figures)}\n" if figures else "\n"
    whole = f"SMTP_AUTH {state.name} - {_without_bar(said)}"
    first = whole.encode()[: _MOST - len(f"{end}{more}")].decode(errors="ignore")
    found = [f"{first}{end}"]
    if first != whole:
        return [*found, more]
    left = _MOST - len(found[0].encode())
    for line in (f"{_without_bar(one)}\n" for one in details):
        left -= len(line.encode())
        if left < len(more):
            return [*found, more]
        found.append(line)
    return found


def state_of(outcomes: Sequence[Outcome]) -> State:
    """What all checks together say: a real failure counts more than what could not be looked at."""
    if _failed(outcomes):
        return State.CRITICAL
    if not outcomes or _unseen(outcomes):
        return State.UNKNOWN
    return State.WARNING if any(one.outcome == "warned" for one in outcomes) else State.OK


def _unseen(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The checks that say that something could not be looked at.

    A check that was skipped has failed if no other check fails for its reason, but for one that a server's
    limits have prevented. Without valid data, nobody knows where the host is.
    """
    is_nowhere = any(one.check == _DATA and one.outcome == "failed" for one in outcomes)
    return [
        one
        for one in outcomes
        if one.outcome == NOT_MADE
        or one.limited
        or (one.outcome == "failed" and (is_nowhere or one.reported_by or one.check in _REACH))
    ]


def _failed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The checks that say that something is wrong with the host."""
    unseen = _unseen(outcomes)
    return [one for one in outcomes if one.outcome == "failed" and one not in unseen]


def _summary(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "no check was made"
    warned = [one for one in outcomes if one.outcome == "warned"]
    told = {"failed": _failed(outcomes), "could not look": _unseen(outcomes), "warned": warned}
    for what, found in told.items():
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            return f"{what}: {', '.join(one.check for one in found[:_NAMED])}{more}"
    return f"{counted(sum(one.outcome == 'passed' for one in outcomes), 'check')} passed"


def _details(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What failed, what could not be looked at, and what warns, in this order, with the reasons."""
    for one in _failed(outcomes):
        yield from _lines(f"FAILED {one.check}: ", one.reason)
    for one in _unseen(outcomes):
        yield from _lines(f"could not look, {one.check}: ", one.reason or "the run ended before")
    for one in outcomes:
        for warning in one.warnings if one.outcome == "warned" else ():
            yield from _lines(f"warning {one.check}: ", warning)


def _lines(title: str, text: str) -> Iterator[str]:
    first, *rest = map(shown, text.split("\n"))
    yield f"{title}{first}"
    yield from (f"    {line}" for line in rest)


def _figures(outcomes: Sequence[Outcome], most_seconds: float | None, now: float) -> list[str]:
    """Performance data: seconds, days until the first certificate expires, counts."""
    found = []
    greeting, delivery = measured.greeting(outcomes), measured.delivery(outcomes)
    if greeting is not None:
        limit = f";;{most_seconds:g};0" if most_seconds is not None else ""
        found.append(f"greeting={greeting:.3f}s{limit}")
    if delivery is not None:
        found.append(f"delivery={delivery:.3f}s")
    if ends := measured.not_after(outcomes):
        found.append(f"certificate_days={(min(ends.values()) - now) / _DAY:.2f}")
    for outcome in ("passed", "warned", "failed", "skipped"):
        found.append(f"{outcome}={sum(one.outcome == outcome for one in outcomes)}")
    return found


def _without_bar(text: str) -> str:
    """A line without the character behind which Nagios reads performance data, and with an escape for it."""
    return text.replace("|", "\\x7c")
