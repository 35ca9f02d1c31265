"""What became of the hosts of a rollout, a wave or a slice: as JSON without times, so that it compares."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from types import NoneType
from typing import Any

from smtp_auth.facts.decode import in_bytes
from smtp_auth.fleet import as_json
from smtp_auth.fleet.outcomes import OF_NO_PLAN
from smtp_auth.fleet.planning import State
from smtp_auth.plan.as_json import text_of
from smtp_auth.rollout import reading
from smtp_auth.rollout.plan_file import PlannedHost
from smtp_auth.runs.outcome import Outcome


@dataclass(frozen=True)
class HostReport:
    """What became of a host.

    + wave, zone: as in the plan
    + state, outcome: in the words of JSON (`State`), and of people (`Outcome`)
    + verified: whether every check of the verification passed or only warned; `None`: it was not verified
    + failed_checks: their names
    + undone: whether the change was taken back; `None`: nobody wanted that, or there was none of this run
    + reasons: why it is not as wanted, one sentence each
    """

    wave: int | None
    zone: str | None
    state: str
    outcome: str
    verified: bool | None = None
    failed_checks: tuple[str, ...] = ()
    undone: bool | None = None
    reasons: tuple[str, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether it counts as a failure: it was not changed as planned, or does not verify.

        What was wrong with a host before the rollout, is not one of the rollout.
        """
        return self.wave is not None and (
            self.state in ("refused", "unreachable", "failed") or self.verified is False
        )

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do: it is as wanted, and verified if it was changed; or it is held.

        A host that was to be taken back has to be asked: whether it was is known there.
        """
        return self.undone is None and (
            self.state == "held" or (self.state == "converged" and bool(self.verified or self.wave is None))
        )


def are_all_held(hosts: Iterable[HostReport]) -> bool:
    """Whether hosts had their turn in a wave, and each is held, so that nothing is known of the change."""
    tried = [one for one in hosts if one.wave is not None and one.outcome != Outcome.NOT_BEGUN.value]
    return bool(tried) and all(one.state == State.HELD.value for one in tried)


def planned_report(one: PlannedHost) -> HostReport:
    """What is known of a host from the plan alone."""
    state, outcome = one.found.state, Outcome.UNCHANGED
    if one.is_done:
        state, outcome = State.CONVERGED, Outcome.CHANGED
    elif one.wave is not None:
        outcome = Outcome.NOT_BEGUN
    elif state in OF_NO_PLAN:
        outcome = OF_NO_PLAN[state]
    reasons = () if one.wave is not None else tuple(map(text_of, one.found.reasons))
    return HostReport(
        one.wave, one.zone, state.value, outcome.value, verified=one.is_done or None, reasons=reasons
    )


@dataclass(frozen=True)
class Report:
    """What became of some hosts of a plan.

    + run, plan: the run's ID, and `RolloutPlan.identity`
    + wave: the only wave, or the last one of a report that `smtp-auth merge` has made; `None`: all waves
    + zone, shard: of a slice (`3/8`); `None`: every zone; all of it
    + is_merged: whether all of the waves up to this one are in it
    + hosts: by their names
    """

    run: str
    plan: str
    wave: int | None
    zone: str | None
    shard: str | None
    is_merged: bool
    hosts: Mapping[str, HostReport]

    @property
    def failures(self) -> int:
        """How many hosts have failed."""
        return sum(one.has_failed for one in self.hosts.values())


def lines(report: Report) -> Iterator[str]:
    """The report as JSON, line by line, without line ends: one host per line."""
    head = {
        "version": as_json.VERSION,
        **{one.name: getattr(report, one.name) for one in fields(Report) if one.name != "hosts"},
    }
    yield json.dumps(head)[:-1] + ', "hosts": {'
    for index, (name, one) in enumerate(report.hosts.items(), 1):
        end = "," if index < len(report.hosts) else ""
        yield f"{json.dumps(name)}: {json.dumps(asdict(one))}{end}"
    yield "}}"


def read(option: str, file: str) -> Report:
    """The report in a file. Raises `Mistake` if it is none. + option: with which it was given, if with one"""
    return reading.read(option, file, report_in)


def report_in(text: str) -> Report:
    """The report that `lines` has written. Raises `ValueError` with a sentence if it is none."""
    none = "this is no report of smtp-auth rollout --json or smtp-auth merge --json"
    try:
        found: dict[str, Any] = json.loads(text)
        if found.pop("version") != as_json.VERSION:
            raise ValueError(none)
        hosts = {name: _host_in(one) for name, one in found.pop("hosts").items()}
        _check(found, _OF_REPORT)
        return Report(**found, hosts=hosts)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise ValueError(none) from None


_TEXT = (str,)
_PERHAPS_TEXT = (str, NoneType)
_PERHAPS_NUMBER = (int, NoneType)
_PERHAPS_TRUE = (bool, NoneType)

# The types of what is read.
_OF_REPORT = {
    "run": _TEXT,
    "plan": _TEXT,
    "wave": _PERHAPS_NUMBER,
    "zone": _PERHAPS_TEXT,
    "shard": _PERHAPS_TEXT,
    "is_merged": (bool,),
}
_OF_HOST = {
    "wave": _PERHAPS_NUMBER,
    "zone": _PERHAPS_TEXT,
    "state": _TEXT,
    "outcome": _TEXT,
    "verified": _PERHAPS_TRUE,
    "failed_checks": (list,),
    "undone": _PERHAPS_TRUE,
    "reasons": (list,),
}


def _host_in(one: dict[str, Any]) -> HostReport:
    _check(one, _OF_HOST)
    State(one["state"])
    Outcome(one["outcome"])
    texts = {key: tuple(one[key]) for key in ("failed_checks", "reasons")}
    for text in (*texts["failed_checks"], *texts["reasons"]):
        if not isinstance(text, str):
            raise TypeError
        # Half a character has no bytes.
        in_bytes(text)
    return HostReport(**{**one, **texts})


def _check(found: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> None:
    """Raise `TypeError` if a value has another type, or `KeyError` if it is absent."""
    for key, wanted in types.items():
        # For isinstance, true is a number.
        if type(found[key]) not in wanted:
            raise TypeError(key)
