"""Plans of rollouts, and reports of their slices, without any host."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan
from smtp_auth.rollout.report import HostReport, Report
from smtp_auth.rollout.slices import Slice

RUN, MADE = "2026-11-22T10:15:00Z-3f2a", "2026-11-22T10:15:00Z"


def plan_of(hosts: Sequence[tuple[int | None, str | None]], most_failures: int = 0) -> RolloutPlan:
    """A plan of hosts `host0`, `host1` and so on. + hosts: the wave and the zone of each"""
    return RolloutPlan(
        RUN,
        MADE,
        "ann@desk",
        "0000000",
        "1,10%,100%",
        most_failures,
        {
            f"host{number}": PlannedHost(
                HostPlan(State.CONVERGED if wave is None else State.PENDING, digest=f"{number:064}"),
                wave,
                zone,
            )
            for number, (wave, zone) in enumerate(hosts)
        },
    )


def done(plan: RolloutPlan, name: str, **others: Any) -> HostReport:
    """What becomes of a host if all is well. + others: what is different"""
    one = plan.hosts[name]
    values: dict[str, Any] = {"state": "converged", "outcome": "changed", "verified": True} | others
    return HostReport(one.wave, one.zone, **values)


def report_of(plan: RolloutPlan, part: Slice, **others: Any) -> Report:
    """The report of a slice in which all is well. + others: what is different of each host"""
    return Report(
        plan.run,
        plan.identity,
        part.wave,
        part.zone,
        f"{part.shard}/{part.shards}",
        is_merged=False,
        hosts={name: done(plan, name, **others) for name in part.names(plan)},
    )


def plans(most_hosts: int = 20) -> st.SearchStrategy[RolloutPlan]:
    """Plans with hosts in up to three waves, and in zones or none."""
    host = st.tuples(st.sampled_from([None, 1, 2, 3]), st.sampled_from([None, "tokyo", "osaka"]))
    return st.lists(host, min_size=1, max_size=most_hosts).map(plan_of)
