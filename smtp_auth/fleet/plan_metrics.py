"""Plans as figures for Prometheus (`plan --prometheus`)."""

import time
from collections.abc import Iterator, Mapping

from smtp_auth.fleet.metrics import gauge, lines
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.shown import shown_name

# A host in another state has given no answer to whether something would change.
_PENDING = {State.PENDING: 1.0, State.CONVERGED: 0.0}


def plan_lines(found: Mapping[str, HostPlan]) -> Iterator[str]:
    """The figures in Prometheus' text format, line by line. + found: by the names of the hosts"""
    now = time.time()
    states = {shown_name(name): one.state for name, one in found.items()}
    return lines(
        [
            gauge(
                "smtp_auth_pending_changes",
                "Whether a deploy would change the host (1) or not (0); no sample if that is not known.",
                ["host"],
                [([host], _PENDING[state]) for host, state in states.items() if state in _PENDING],
            ),
            gauge(
                "smtp_auth_state",
                "The state of the host: 1 for the one that it is in, 0 for the others.",
                ["host", "state"],
                [([host, one.value], float(one is state)) for host, state in states.items() for one in State],
            ),
            gauge(
                "smtp_auth_last_plan_timestamp_seconds",
                "When the host was last asked what would change, in seconds since 1970.",
                ["host"],
                [([host], now) for host in states],
            ),
        ]
    )
