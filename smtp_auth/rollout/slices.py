"""A slice: the part of a wave that one process carries out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from smtp_auth.rollout.plan_file import RolloutPlan
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown, shown_name

_SHARD = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", re.ASCII)


@dataclass(frozen=True)
class Slice:
    """Part of a wave.

    + wave: its number, from 1
    + zone: only hosts with this data key; `None`: those of every zone
    + shard, shards: one of so many parts of these, from 1: every host is in exactly one
    """

    wave: int
    zone: str | None = None
    shard: int = 1
    shards: int = 1

    def __str__(self) -> str:
        """Such as `wave 2, zone tokyo, shard 3/8`."""
        zone = "" if self.zone is None else f", zone {self.zone}"
        shard = "" if self.shards == 1 else f", shard {self.shard}/{self.shards}"
        return f"wave {self.wave}{zone}{shard}"

    def names(self, plan: RolloutPlan) -> list[str]:
        """The names of its hosts, in the plan's order.

        Those of a shard are not beside each other, so that a group of slow hosts is shared out.
        """
        found = [
            name
            for name, one in plan.hosts.items()
            if one.wave == self.wave and self.zone in (None, one.zone)
        ]
        return found[self.shard - 1 :: self.shards]


def slice_of(plan: RolloutPlan, wave: int, zone: str | None, shard: str | None) -> Slice:
    """The slice that options describe.

    Raises `Mistake` if the plan has no such wave or zone, or if zones do not have all of its hosts.

    + shard: such as `3/8`; `None`: all of it
    """
    refuse_absent_wave(plan, wave)
    zones = sorted({one.zone for one in plan.hosts.values() if one.zone is not None})
    if zone is not None and zone not in zones:
        which = f"is in it: the zones are {_listed(zones)}" if zones else "has a zone: leave the option out"
        raise Mistake(f"--zone {shown(zone)}: no host of the plan {which}")
    if zone is not None:
        refuse_mixed_zones(f"--zone {zone}", plan)
    shard = "1/1" if shard is None else shard
    found = _SHARD.fullmatch(shard)
    if not found or int(found[1]) > int(found[2]):
        raise Mistake(f"--shard {shown(shard)}: give which of how many, such as 3/8")
    return Slice(wave, zone, int(found[1]), int(found[2]))


def refuse_absent_wave(plan: RolloutPlan, wave: int) -> None:
    """Raise `Mistake` if the plan has no such wave."""
    if wave not in plan.waves:
        raise Mistake(f"--wave {wave}: the plan has no such wave: its waves are {_listed(plan.waves)}")


def refuse_mixed_zones(option: str, plan: RolloutPlan) -> None:
    """Raise `Mistake` if a host is in no zone, and others are in one. + option: what needs zones"""
    zones = {name: one.zone for name, one in plan.hosts.items() if one.wave is not None}
    without = [name for name, zone in zones.items() if zone is None]
    if without and len(without) < len(zones):
        raise Mistake(
            f"{option}: {shown_name(without[0])} has no zone, and others have one: give the data key zone to "
            "all of the hosts that would change, or to none"
        )


def _listed(ones: Iterable[object]) -> str:
    return ", ".join(map(str, ones)) or "none"
