"""A rollout's plan as a file: reviewed today, carried out tonight.

It holds the run's ID, and for each host its wave, its zone, the digest of its plan, and its lines. Lines of
files that not everybody may read on the host are not in it.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from smtp_auth import accepted_values
from smtp_auth.facts.decode import in_bytes
from smtp_auth.facts.hold import Hold
from smtp_auth.facts.look import LastChange
from smtp_auth.fleet.as_json import hold_as_json
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.local_time import is_time
from smtp_auth.plan.as_json import text_of
from smtp_auth.plan.text import Block
from smtp_auth.rollout import reading
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.origin import is_run_id
from smtp_auth.shown import shown

VERSION = 1

# Of a new file: it has lines of the hosts' configuration.
MODE = 0o600

# By how much the clock of another controller may be fast, in seconds.
_CLOCKS_DIFFER = 300


@dataclass(frozen=True)
class PlannedHost:
    """A host of the plan.

    + found: its plan, as far as the file has it
    + wave: in which it is changed; `None`: nothing would change on it, or it has no plan
    + zone: the data key
    + is_done: whether the run has changed and verified it already
    """

    found: HostPlan
    wave: int | None
    zone: str | None
    is_done: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether it would change. Others of a wave are at most reloaded or proved."""
        return self.found.state is State.PENDING and not self.is_done


@dataclass(frozen=True)
class RolloutPlan:
    """What a rollout shall do.

    + run: the run's ID
    + made: when the hosts were asked, such as `2026-11-22T10:15:00Z`
    + controller, commit: by whom, and with which version, as in `Origin`
    + steps: how the waves were described: `1,10%,100%`
    + most_failures: how many failures it goes on with
    + hosts: all hosts that were asked, by their names, in the inventory's order
    + taken_back_by: the ID of the run that took an earlier attempt back, if one did
    """

    run: str
    made: str
    controller: str
    commit: str
    steps: str
    most_failures: int
    hosts: Mapping[str, PlannedHost]
    taken_back_by: str = ""

    @cached_property
    def waves(self) -> dict[int, list[str]]:
        """The names of the hosts of each wave, by its number."""
        found: dict[int, list[str]] = {}
        for name, one in self.hosts.items():
            if one.wave is not None:
                found.setdefault(one.wave, []).append(name)
        return dict(sorted(found.items()))

    @property
    def left(self) -> dict[int, list[str]]:
        """The waves without the hosts that are done; one without others is left out."""
        found = {
            wave: [name for name in names if not self.hosts[name].is_done]
            for wave, names in self.waves.items()
        }
        return {wave: names for wave, names in found.items() if names}

    @cached_property
    def identity(self) -> str:
        """What reports say of their plan: a digest of everything but lines and sentences."""
        hosts = {
            name: (one.wave, one.zone, one.found.state.value, one.found.digest)
            for name, one in self.hosts.items()
        }
        return _digest([self.run, self.most_failures, hosts])

    def without_lines(self) -> "RolloutPlan":
        """The same plan without anything of the hosts' files: it approves the same."""
        return replace(
            self,
            hosts={
                name: replace(one, found=HostPlan(one.found.state, digest=one.found.digest))
                for name, one in self.hosts.items()
            },
        )

    def after(self, done: Collection[str], taken_back_by: str = "") -> "RolloutPlan":
        """The same plan once the work on these hosts is done, and on no others.

        + taken_back_by: the ID of the run that takes it back, if it does
        """
        return replace(
            self,
            taken_back_by=taken_back_by or self.taken_back_by,
            hosts={name: replace(one, is_done=name in done) for name, one in self.hosts.items()},
        )

    def refuse_old(self, most_seconds: float, option: str, file: str, begins: datetime | None = None) -> None:
        """Raise `Mistake` if the hosts were asked longer ago than that.

        + option, file: with which the plan was given
        + begins: when it is carried out; `None`: now
        """
        made = datetime.fromisoformat(self.made)
        age = (datetime.now(UTC) - made).total_seconds()
        if age < -_CLOCKS_DIFFER:
            why = "which is in the future by this machine's clock: set the clock"
        elif begins and age <= most_seconds < (begins - made).total_seconds():
            why = "which is longer before --at than --max-age allows: give a longer one, to the workers, too"
        elif age > most_seconds:
            why = "which is longer ago than --max-age allows: make a new plan with smtp-auth plan --out"
        else:
            return
        raise Mistake(f"{option} {file}: the hosts were asked at {self.made}, {why}")


def lines(plan: RolloutPlan) -> Iterator[str]:
    """The file, line by line, without line ends: one host per line."""
    told: dict[str, int] = {}
    hosts = {name: _host_as_json(one, told) for name, one in plan.hosts.items()}
    head = {
        "version": VERSION,
        "run": plan.run,
        "made": plan.made,
        "controller": plan.controller,
        "commit": plan.commit,
        "waves": plan.steps,
        "max_failures": plan.most_failures,
        "taken_back_by": plan.taken_back_by or None,
    }
    plans = [*map(json.loads, told)]
    checksum = _digest({**head, "plans": plans, "hosts": hosts})
    yield json.dumps(head)[:-1] + ","
    # Most plans of a fleet are equal: each is in the file once.
    yield '"plans": ['
    yield from _listed([json.dumps(one) for one in plans])
    yield '], "hosts": {'
    yield from _listed([f"{json.dumps(name)}: {json.dumps(one)}" for name, one in hosts.items()])
    yield f'}}, "checksum": {json.dumps(checksum)}}}'


def _listed(parts: list[str]) -> Iterator[str]:
    yield from (f"{part}," for part in parts[:-1])
    yield from parts[-1:]


def read(option: str, file: str) -> RolloutPlan:
    """The plan in a file. Raises `Mistake` if it is none, or damaged. + option: with which it was given"""
    return reading.read(option, file, plan_in)


def plan_in(text: str) -> RolloutPlan:
    """The plan that `lines` has written. Raises `ValueError` with a sentence if it is none."""
    none = "this is no plan of smtp-auth plan --out"
    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError(none)
        checksum = found.pop("checksum")
        is_whole = checksum == _digest(found)
    except (ValueError, RecursionError, KeyError):
        raise ValueError(none) from None
    if found.get("version") != VERSION:
        raise ValueError(f"a plan of version {found.get('version')}, and this program reads {VERSION}")
    if not is_whole:
        raise ValueError("its checksum is wrong: it was cut off, or edited: make a new plan")
    try:
        return _plan_in(found)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ValueError(none) from None


def _plan_in(found: Mapping[str, Any]) -> RolloutPlan:
    """A plan whose checksum is right. Whoever may write that may write anything, so all is checked.

    Raises `TypeError`, `ValueError` or another error for what `lines` does not write.
    """
    runs = [found["run"], *([found["taken_back_by"]] if found["taken_back_by"] is not None else [])]
    texts = [found["made"], found["controller"], found["commit"], found["waves"]]
    if not all(is_run_id(one) for one in runs) or not is_time(found["made"]) or not _are(str, texts):
        raise TypeError
    if type(found["max_failures"]) is not int or found["max_failures"] < 0:
        raise TypeError
    plans = [*map(_shared_in, found["plans"])]
    return RolloutPlan(
        found["run"],
        found["made"],
        found["controller"],
        found["commit"],
        found["waves"],
        found["max_failures"],
        {name: _host_in(one, plans) for name, one in found["hosts"].items()},
        found["taken_back_by"] or "",
    )


def _are(kind: type, values: Iterable[object]) -> bool:
    return all(type(value) is kind for value in values)


def _host_as_json(one: PlannedHost, told: dict[str, int]) -> dict[str, Any]:
    """A host. + told: the index of each different plan; this one is added"""
    found = one.found
    plan = {
        "lines": [{"path": block.path, "lines": [*block.lines]} for block in found.blocks],
        "proof_due": found.proof_due,
    }
    last = found.last_change
    return {
        "wave": one.wave,
        "zone": one.zone,
        "done": one.is_done,
        "state": found.state.value,
        "digest": found.digest or None,
        "plan": told.setdefault(json.dumps(plan), len(told)) if found.digest else None,
        "reasons": [*map(text_of, found.reasons)],
        "warnings": [*map(text_of, found.warnings)],
        "hold_warning": found.hold_warning,
        "same_machine": [*found.names],
        "last_change": {**asdict(last), "who": text_of(last.who)} if last else None,
        "hold": hold_as_json(found.hold),
    }


# What hosts share: the lines of their plan, and the proof that is due.
_Shared = tuple[tuple[Block, ...], str]


def _shared_in(plan: Mapping[str, Any]) -> _Shared:
    blocks = tuple(Block(block["path"], tuple(block["lines"])) for block in plan["lines"])
    lines = [text for block in blocks for text in (block.path, *block.lines)]
    if not _are(str, [*lines, plan["proof_due"]]):
        raise TypeError
    # A terminal shows them as they are.
    if any(shown(text) != text for text in lines):
        raise ValueError
    return blocks, plan["proof_due"]


def _host_in(one: Mapping[str, Any], plans: list[_Shared]) -> PlannedHost:
    blocks, proof_due = ((), "") if one["plan"] is None else plans[one["plan"]]
    last, hold = one["last_change"], one["hold"]
    if last:
        last = LastChange(last["id"], in_bytes(last["who"]), last["began"], tuple(last["edited"]))
    found = HostPlan(
        State(one["state"]),
        tuple(map(in_bytes, one["reasons"])),
        tuple(map(in_bytes, one["warnings"])),
        hold_warning=one["hold_warning"],
        blocks=blocks,
        proof_due=proof_due,
        last_change=last,
        digest=one["digest"] or "",
        names=tuple(one["same_machine"]),
        hold=Hold(**{key: value or "" for key, value in hold.items()}) if hold else None,
    )
    texts = [*one["reasons"], *one["warnings"], one["hold_warning"], *one["same_machine"], found.digest]
    texts += [last.id, last.began, *last.edited] if last else []
    texts += asdict(found.hold).values() if found.hold else []
    wave = one["wave"]
    is_wave = wave is None or (type(wave) is int and 0 < wave < 2**31)
    if not (is_wave and _are(str, texts) and type(one["done"]) is bool):
        raise TypeError
    if one["zone"] is not None:
        accepted_values.zone(one["zone"])
    return PlannedHost(found, wave, one["zone"], one["done"])


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
