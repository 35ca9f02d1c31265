"""The plan of every host: all are asked side by side, and nothing is changed."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from gevent.pool import Pool
from pyinfra.api import Host

from smtp_auth.facts.decode import in_bytes
from smtp_auth.facts.hold import Hold, hold_line
from smtp_auth.facts.look import LastChange
from smtp_auth.facts.record import Record
from smtp_auth.on_host.asking import Asked, NothingOnRecord, NotOnRecord, ask
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer, NotAllowed, NotReached
from smtp_auth.past.coming_back import closes_submissions
from smtp_auth.plan.as_json import digest, host_as_json
from smtp_auth.plan.plan import REMOVAL, Plan
from smtp_auth.plan.same_machine import Named, SameMachine, named, same_machines
from smtp_auth.plan.step import Step
from smtp_auth.plan.text import Block, plan_blocks, proof_due_line
from smtp_auth.runs.channel import connect, disconnect
from smtp_auth.runs.fault import fault
from smtp_auth.runs.host_settings import settings_of
from smtp_auth.settings import SettingsError


class State(Enum):
    """The state of a host, in the words of JSON and of the counts."""

    CONVERGED = "converged"
    PENDING = "pending"
    HELD = "held"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


TROUBLE = (State.REFUSED, State.UNREACHABLE, State.FAILED)

# A host that is held is passed over, which is no trouble.
WITHOUT_PLAN = (State.HELD, *TROUBLE)

# The parts of the work on a host, in their order, and the seconds that each took.
Took = tuple[tuple[str, float], ...]

Found = TypeVar("Found")

ChannelTo = Callable[[Host], Channel]


@dataclass(frozen=True)
class HostPlan:
    """What is kept of a host that was asked. Its look is not: it has all files of the host.

    + reasons: why it has no plan, one sentence each: it is held, refused, not reached or failed, or has no
      part in what is undone
    + warnings: what an administrator should know, one sentence each
    + hold_warning: a further warning, in any language: that a hold is overridden; empty if none is
    + blocks: the plan as text
    + proof_due: what a deploy proves once although it changes nothing; empty if it proves nothing
    + stays: what a removal leaves, because its owner has edited it or needs it, one sentence each
    + closes_submissions: whether port 465 closes
    + undone: the IDs of the changes that are undone
    + is_named: whether the host is named whatever the number of hosts with the same plan: it had a part in
      what is undone, and is left alone
    + last_change: the last live change, if there was one
    + digest: that of the plan; empty if there is none
    + plan: the plan in JSON; empty if there is none
    + named: what is compared with other names of the same machine
    + names: all names of this machine in this run, if there are several
    + took: how long each part took
    + hold: the hold, if it is held
    """

    state: State
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    hold_warning: str = ""
    blocks: tuple[Block, ...] = ()
    proof_due: str = ""
    stays: tuple[str, ...] = ()
    closes_submissions: bool = False
    undone: tuple[str, ...] = ()
    is_named: bool = False
    last_change: LastChange | None = None
    digest: str = ""
    plan: str = ""
    named: Named | None = None
    names: tuple[str, ...] = ()
    took: Took = ()
    hold: Hold | None = None

    @property
    def is_removal(self) -> bool:
        """Whether all that is ours would be removed."""
        return self.named is not None and self.named.kind == REMOVAL

    @property
    def edited(self) -> tuple[str, ...]:
        """The files of the last change that somebody has edited since."""
        return self.last_change.edited if self.last_change else ()


# Asks a host, over the channel to it; the second value says whether to rehearse.
Asking = Callable[[Channel, bool], Asked]


@dataclass(frozen=True)
class Task:
    """What hosts are asked about: a deploy, an undo or a removal.

    + asking: what asks a host. It raises `SettingsError` if the host's data is not valid, before it is
      connected to
    + commands: what each command of that is, in their order
    + blocks: a plan as text
    """

    asking: Callable[[Host], Asking]
    commands: tuple[str, ...]
    blocks: Callable[[Plan], tuple[Block, ...]]


def deploy(steps: Sequence[Step]) -> Task:
    """The task of a deploy. + steps: its steps, in their order"""

    def asking(host: Host) -> Asking:
        settings = settings_of(host)
        return lambda channel, rehearsing: ask(
            channel, settings, steps, even_held=settings.even_held, rehearsing=rehearsing
        )

    return Task(asking, ("look", "rehearsal"), lambda plan: plan_blocks(plan, steps))


def plans_of(
    hosts: Sequence[Host],
    at_once: int,
    task: Task,
    channel_to: ChannelTo,
    begins: Callable[[str], None],
    ends: Callable[[str, HostPlan], None],
    *,
    rehearsing: bool = True,
) -> dict[str, HostPlan]:
    """Each host's plan, by its name, in the order of the hosts.

    + at_once: how many hosts are asked at the same time
    + channel_to: makes the channel to a host
    + begins, ends: are called with the name of each host that is asked, and with its plan
    + rehearsing: whether the hosts' own programs are asked about the plans
    """
    # Most plans of a fleet are equal: each is kept once.
    shared: dict[tuple[Block, ...], tuple[Block, ...]] = {}

    def plan(host: Host) -> tuple[str, HostPlan]:
        begins(host.name)
        found, _ = ask_host(host, task, channel_to(host), rehearsing=rehearsing)
        disconnect(host)
        kept = replace(found, blocks=shared.setdefault(found.blocks, found.blocks))
        ends(host.name, kept)
        return host.name, kept

    found = dict(Pool(at_once).imap_unordered(plan, hosts))
    return compared({host.name: found[host.name] for host in hosts})


def ask_host(host: Host, task: Task, channel: Channel, *, rehearsing: bool) -> tuple[HostPlan, Asked | None]:
    """Ask one host. Whatever it answers, and whatever is raised, is its own plan.

    + rehearsing: whether the host's own programs are asked about the plan

    Returns the plan, and what it was made from if there is any.
    """
    # Wrong data is known before the host is connected to.
    asking = tried(lambda: task.asking(host))
    if isinstance(asking, HostPlan):
        return asking, None
    asked, took = answer_of(host, channel, task.commands, lambda timed: asking(timed, rehearsing))
    if isinstance(asked, HostPlan):
        return replace(asked, took=took), None
    return replace(_kept(asked, task), took=took), asked


def answer_of(
    host: Host, channel: Channel, parts: Iterable[str], asking: Callable[[Channel], Found]
) -> tuple[Found | HostPlan, Took]:
    """Connect to a host, and ask it.

    + parts: what each command is, in their order

    Returns the answer, or why there is none that is of use, as the host's plan; and how long each part took.
    """
    timed = _Timed(channel, parts)

    def ask_it() -> Found:
        timed.measure("connection", lambda: connect(host))
        return asking(timed)

    return tried(ask_it), timed.took


def tried(ask_it: Callable[[], Found]) -> Found | HostPlan:
    """What a host answers; or why it gives no answer that is of use, as its plan."""
    try:
        return ask_it()
    except SettingsError as error:
        return HostPlan(State.REFUSED, tuple(map(str, error.problems)))
    except (NothingOnRecord, NotOnRecord) as reason:
        if reason.hold:
            return held_by(reason.hold)
        state = State.REFUSED if isinstance(reason, NotOnRecord) else State.CONVERGED
        return HostPlan(state, (str(reason),), last_change=last_change_in(reason.record))
    except NotAllowed as error:
        return HostPlan(State.REFUSED, (str(error),))
    except NotReached as error:
        return HostPlan(State.UNREACHABLE, (str(error.__cause__),))
    except NoAnswer as error:
        return HostPlan(State.UNREACHABLE, (str(error),))
    except Exception as error:
        # An error on one host is that host's alone.
        return HostPlan(State.FAILED, (fault(error),))


def last_change_in(record: Record) -> LastChange | None:
    """The last live change on record, without what has been edited since."""
    last = record.live[-1] if record.live else None
    return LastChange(last.id, last.who, last.began) if last else None


def held_by(hold: Hold) -> HostPlan:
    """The plan of a host that is passed over because somebody holds it."""
    return HostPlan(State.HELD, (in_bytes(hold_line(hold)),), hold=hold)


def _kept(asked: Asked, task: Task) -> HostPlan:
    plan, look = asked.plan, asked.look
    compares = named(asked.settings, look, plan, is_held=bool(asked.hold))
    if asked.hold:
        return replace(held_by(asked.hold), last_change=look.last_change, named=compares)
    if asked.refusals:
        return HostPlan(
            State.REFUSED,
            asked.refusals,
            asked.warnings,
            hold_warning=asked.hold_warning,
            last_change=look.last_change,
            named=compares,
        )
    return HostPlan(
        State.CONVERGED if plan.is_empty else State.PENDING,
        warnings=asked.warnings,
        hold_warning=asked.hold_warning,
        blocks=task.blocks(plan),
        proof_due=proof_due_line(plan, look),
        stays=plan.stays,
        closes_submissions=closes_submissions(plan, look),
        undone=plan.kind.undone,
        last_change=look.last_change,
        digest=digest(plan),
        plan=json.dumps(host_as_json(plan)),
        named=compares,
    )


class _Timed:
    """A channel that measures how long each command takes. + parts: what the commands are, in their order"""

    def __init__(self, channel: Channel, parts: Iterable[str]) -> None:
        self._channel, self._parts = channel, iter(parts)
        self.took: Took = ()

    def __call__(self, command: str, stdin: str, limits: Limits) -> Answer:
        return self.measure(next(self._parts), lambda: self._channel(command, stdin, limits))

    def measure(self, part: str, work: Callable[[], Found]) -> Found:
        """What the work returns. + part: what is done"""
        began = time.monotonic()
        try:
            return work()
        finally:
            self.took = (*self.took, (part, time.monotonic() - began))


def compared(found: Mapping[str, HostPlan]) -> dict[str, HostPlan]:
    """The same plans, with what it means that several names are one machine.

    + found: the plans by the names of the hosts, in the inventory's order
    """
    machines = same_machines({name: one.named for name, one in found.items() if one.named})
    return {
        name: _with_names(one, machines[name]) if name in machines and not one.names else one
        for name, one in found.items()
    }


def _with_names(found: HostPlan, machine: SameMachine) -> HostPlan:
    known = replace(found, names=machine.names)
    if found.state in WITHOUT_PLAN:
        return known
    if machine.refusal:
        # It has no plan any more.
        return HostPlan(
            State.REFUSED,
            (machine.refusal,),
            found.warnings,
            hold_warning=found.hold_warning,
            last_change=found.last_change,
            named=found.named,
            names=machine.names,
            took=found.took,
        )
    return replace(known, warnings=(*found.warnings, machine.note))
