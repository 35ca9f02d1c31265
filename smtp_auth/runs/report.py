"""The report at the end of a run: one line per host that did not succeed, and one line of counts."""

import atexit
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.output import format_text
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.context import ctx_host

from smtp_auth.on_host.changing import Ended
from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.proved import proved_lines
from smtp_auth.shown import shown


class Outcome(Enum):
    """The outcome of a host, in the words of the report."""

    CHANGED = "changed"
    WOULD_CHANGE = "would change"
    UNCHANGED = "unchanged"
    NOT_BEGUN = "not begun"
    REFUSED = "refused"
    PUT_BACK = "failed and put back"
    FAILED = "failed"
    NOT_REACHED = "not reached"
    NOT_AWAITED = "not waited for"


_WELL = (Outcome.CHANGED, Outcome.WOULD_CHANGE, Outcome.UNCHANGED, Outcome.NOT_BEGUN)


@dataclass
class _Told:
    """The outcomes so far, by host, with their reasons; what was proved; and what prints the report."""

    outcomes: dict[Host, tuple[Outcome, str]] = field(default_factory=dict)
    proofs: dict[Host, Ended] = field(default_factory=dict)
    tell: Callable[[], None] = lambda: None


_told = _Told()


def report(host: Host, outcome: Outcome, reason: str = "") -> None:
    """Keep the outcome of a host for the report. A host that did not succeed keeps its first reason.

    + reason: for people, on one line
    """
    before = _told.outcomes.get(host)
    if before is None or before[0] in (*_WELL, Outcome.NOT_AWAITED):
        _told.outcomes[host] = (outcome, reason)


def report_proof(host: Host, ended: Ended) -> None:
    """Keep for the report what was proved on a host."""
    _told.proofs[host] = ended


def report_at_the_end(state: State, *, is_dry: bool) -> None:
    """Print the report at the end of this run.

    + is_dry: whether nothing is executed, so that a host with a plan would change
    """
    state.add_callback_handler(_Callbacks())
    logger.addFilter(lambda record: not (_has_failed(state) and pyinfra_internals.is_ready_line(record)))
    _told.tell = partial(_tell, state, is_dry)
    atexit.register(report_now)


def report_now() -> None:
    """Print the report, if this run has one."""
    _told.tell()


class _Callbacks(BaseStateCallback):
    """pyinfra calls these when a host fails."""

    @staticmethod
    def host_connect_error(state: State, host: Host, error: Exception) -> None:
        # If a change loses its connection, it reports its outcome itself.
        if state.current_stage is StateStage.Connect:
            report(host, Outcome.NOT_REACHED, str(error.args[0]) if error.args else repr(error))

    @staticmethod
    def operation_host_error(
        state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        pyinfra_internals.fail_late(state, host)
        report(host, Outcome.FAILED, "an operation failed, see above")


def _has_failed(state: State) -> bool:
    """Whether the current host has failed: then pyinfra's line "Ready" would be wrong."""
    return ctx_host.isset() and ctx_host.get() in state.failed_hosts


def _tell(state: State, is_dry: bool) -> None:
    chosen = [host for host in state.inventory if state.is_host_in_limit(host) or host in state.failed_hosts]
    outcomes = {host: _outcome(state, host, is_dry) for host in chosen}
    trouble = {host: found for host, found in outcomes.items() if found[0] not in _WELL}
    # In the order of the inventory: hosts end in any order.
    proofs = proved_lines({host.name: _told.proofs[host] for host in chosen if host in _told.proofs})
    if proofs:
        logger.info("--> Proof:")
    for line in proofs:
        logger.info(f"    {line}")
    logger.info("--> Report:")
    names = {host: _on_one_line(host.name) for host in trouble}
    width = max(map(len, names.values()), default=0)
    for host, (outcome, reason) in trouble.items():
        text = f"    {names[host]:<{width}}  {outcome.value}: {shown(reason)}"
        logger.error(format_text(text, "red"))
    counts = {one: sum(found[0] is one for found in outcomes.values()) for one in Outcome}
    words = ", ".join(f"{count} {one.value}" for one, count in counts.items() if count)
    logger.info(f"    {len(chosen)} hosts: {words}")


def _on_one_line(name: str) -> str:
    return name if name.isprintable() else shown(name)


def _outcome(state: State, host: Host, is_dry: bool) -> tuple[Outcome, str]:
    outcome, reason = _told.outcomes.get(host, (Outcome.NOT_BEGUN, ""))
    if host in state.failed_hosts and outcome in _WELL:
        return Outcome.FAILED, "see above"
    if outcome is Outcome.WOULD_CHANGE and not is_dry:
        # The run ended before this host's turn.
        return Outcome.NOT_BEGUN, ""
    return outcome, reason
