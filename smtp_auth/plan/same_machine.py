"""Whether several names in one run are one machine, and which of them may change it.

Changes under two names would be made one over the other. All look at the machine before the first change, so
the second would be refused on the machine or, with other data, overwrite what the first has written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from smtp_auth.accepted_values import host_name
from smtp_auth.facts.look import Look
from smtp_auth.facts.machine import machines_with_names
from smtp_auth.plan.plan import Kind, Plan
from smtp_auth.settings import Settings
from smtp_auth.shown import some_names

_IDENTITY = "the same /etc/machine-id and SSH host keys"

# How the data keys begin that decide nothing of what is written.
_DECIDE_NOTHING = ("verify_", "even_held", "host_seconds", "zone")

_DELETE = "delete all names of this machine but one from the inventory"


@dataclass(frozen=True)
class Named:
    """What is compared of a host under one of its names.

    + machine: the look's; empty if it is unknown
    + kind: what kind of change is planned
    + changes: whether the plan changes anything
    + is_held: whether the host is passed over under this name, because somebody holds it
    """

    settings: Settings
    machine: str
    kind: Kind
    changes: bool
    is_held: bool = False


def named(settings: Settings, look: Look, plan: Plan, *, is_held: bool = False) -> Named:
    """What is compared of a host. It keeps neither look nor plan, which have all files of the host.

    + is_held: whether the host is passed over because somebody holds it
    """
    return Named(settings, look.machine, plan.kind, not (plan.is_empty or is_held), is_held)


@dataclass(frozen=True)
class SameMachine:
    """What several names mean for a host under one of them.

    Both sentences are the same for all names of a machine, so that they can be shown once.

    + names: all of them, in the inventory's order
    + note: what an administrator should know
    + refusal: why the machine cannot be changed under this name; empty if it can, or if nothing would change
    """

    names: tuple[str, ...]
    note: str
    refusal: str = ""


def same_machines(hosts: Mapping[str, Named]) -> dict[str, SameMachine]:
    """For each host of a run that has further names in it: what this means.

    If the data are the same, the first name that is not passed over may change the machine; if they differ,
    none may.

    + hosts: those of the run that have been looked at, by their names, in the inventory's order
    """
    found: dict[str, SameMachine] = {}
    for names in machines_with_names({name: host.machine for name, host in hosts.items()}):
        found.update(_judged({name: hosts[name] for name in names}))
    return found


def note(names: Sequence[str]) -> str:
    """The sentence about the names of one machine."""
    return f"{some_names(names)} are one machine ({_IDENTITY}): {_DELETE}"


def _judged(hosts: Mapping[str, Named]) -> dict[str, SameMachine]:
    """What the names of one machine mean for it under each. + hosts: it under each of them"""
    names = tuple(hosts)
    some, told, may_change = some_names(names), note(names), ""
    way_out = f"{_DELETE}, or limit the run to one of them (--limit NAME)"
    if _have_the_same_data(hosts):
        may_change = next((name for name, host in hosts.items() if not host.is_held), names[0])
        refusal = (
            f"{some} are one machine ({_IDENTITY}), which this run changes as {may_change} alone: {way_out}"
        )
    else:
        refusal = (
            f"{some} are one machine ({_IDENTITY}), and their data differ, so the change of one name would "
            f"overwrite that of another: {way_out}"
        )
    return {
        name: SameMachine(names, told, "" if name == may_change or not host.changes else refusal)
        for name, host in hosts.items()
    }


def _have_the_same_data(hosts: Mapping[str, Named]) -> bool:
    as_given = [_data(host) for host in hosts.values()]
    # Without data, `mail_hostname` is the host's name.
    without_names = [
        {**data, "mail_hostname": None} if data["mail_hostname"] == _as_data(name) else data
        for name, data in zip(hosts, as_given, strict=True)
    ]
    return any(all(one == found[0] for one in found) for found in (as_given, without_names))


def _data(host: Named) -> dict[str, object]:
    """The data that decide what is written."""
    found = {key.name: getattr(host.settings, key.name) for key in fields(Settings)}
    kept = {key: value for key, value in found.items() if not key.startswith(_DECIDE_NOTHING)}
    # Two names may be given different changes to undo.
    return {**kept, "kind": host.kind}


def _as_data(name: str) -> str:
    try:
        return host_name(name)
    except ValueError:
        return name
