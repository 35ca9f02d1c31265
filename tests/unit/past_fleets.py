"""Fleets of simulated hosts with changes on record. What a host is follows from its name.

`stock…` has no change on record. `done…` had the first run, `last…` the second one, too, and is edited if it
is called `last-edited…`. `newer…` has another change after these: its clock is behind, so that the second
run is the last one of the fleet. `owners…` had the first run, and a value of it was edited since.
`refused…` is as `newer…`, whose last change was refused. If `held` is in its name, it is held. `gone…` is not
reached.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

from smtp_auth.facts.hold import Hold
from smtp_auth.facts.look import MAIN_CF, Look
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.facts.rehearsal import Rehearsed
from smtp_auth.fleet import planning, undo_command
from smtp_auth.on_host import asking
from tests.unit.fleets import NEW, UNREACHABLE
from tests.unit.past import Host

FIRST, SECOND, THIRD = (f"2026-11-22T10:00:0{number}Z-3f2a" for number in (1, 2, 3))


@cache
def _done() -> Host:
    host = Host(NEW)
    host.deploy()
    return host


@cache
def _last() -> Host:
    host = deepcopy(_done())
    host.deploy(tls_minimum_version="TLSv1.3")
    return host


@cache
def _edited() -> Host:
    host = deepcopy(_last())
    host.edit(MAIN_CF, host.content(MAIN_CF) + "mydestination = localhost\n")
    return host


@cache
def _owners() -> Host:
    host = deepcopy(_done())
    host.edit(MAIN_CF, host.content(MAIN_CF).replace("smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no"))
    return host


@cache
def _newer() -> Host:
    host = deepcopy(_last())
    host.deploy(tls_minimum_version="TLSv1.2")
    began = ("2026-11-21T09:00:00Z", "2026-11-21T09:01:00Z", "2026-11-21T09:02:00Z")
    host.changes = [_begun(*one) for one in zip(host.changes, began, strict=True)]
    return host


@cache
def _refused() -> Host:
    host = deepcopy(_newer())
    *others, last = host.changes
    host.changes = [*others, replace(last, manifest={**last.manifest, "outcome": "refused"})]
    return host


def _begun(change: PastChange, began: str) -> PastChange:
    return replace(change, manifest={**change.manifest, "began": began})


_HOSTS: dict[str, Callable[[], Host]] = {
    "stock": lambda: Host(NEW),
    "done": _done,
    "last-edited": _edited,
    "last": _last,
    "newer": _newer,
    "owners": _owners,
    "refused": _refused,
}


def host_called(name: str) -> Host:
    """A simulated host. Raises what an unreachable one does."""
    if name.startswith("gone"):
        raise UNREACHABLE
    return next(host() for start, host in _HOSTS.items() if name.startswith(start))


HOLD = Hold("ann@controller as root", "2026-11-22T11:00:00Z", "the disk is changed", "")


def _hold_of(name: str) -> Hold | None:
    return HOLD if "held" in name else None


def read_record(channel: Any, files: str = "", **_: Any) -> Record:
    """What a host has on record."""
    record = replace(host_called(channel._channel).record, hold=_hold_of(channel._channel))
    if not files or files == "last":
        return record
    # From the first change of this run on, changes have their files.
    first = next((n for n, one in enumerate(record.changes) if one.id == files), len(record.changes))
    without = [replace(one, before={}, after={}) for one in record.changes[:first]]
    return replace(record, changes=(*without, *record.changes[first:]))


def _look_at(channel: Any, *_: Any, **__: Any) -> Look:
    return replace(host_called(channel._channel).look, hold=_hold_of(channel._channel))


def stand_ins() -> Sequence[tuple[Any, str, Any]]:
    """What asks hosts, and what stands for it: module, name, stand-in. A channel has a name in `_channel`."""
    return (
        (asking, "read_record", read_record),
        (undo_command, "read_record", read_record),
        (asking, "look_at", _look_at),
        (asking, "rehearse", lambda *_, **__: Rehearsed()),
        (planning, "connect", lambda _host: None),
    )
