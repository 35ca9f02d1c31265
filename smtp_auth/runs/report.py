"""The report at the end of a run: why each host that did not succeed did not, and one line of counts.

A reason stands once in a run: in the report, or in what is told before the question, which it decides.
"""

import atexit
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.output import format_text
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.context import ctx_host

from smtp_auth.on_host.changing import Ended
from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.outcome import WELL, Outcome
from smtp_auth.runs.proved import proved_lines
from smtp_auth.shown import counted, shown, shown_name

# Of hosts, with the reasons.
_Outcomes = dict[Host, tuple[Outcome, tuple[str, ...]]]


@dataclass
class _Told:
    """The outcomes so far, by host, with their reasons; what was proved; and what prints the report.

    + left_out: the hosts whose reasons were told before the question
    + parts_done: those on which an operation is under way whose part an earlier one has made
    """

    outcomes: _Outcomes = field(default_factory=dict)
    proofs: dict[Host, Ended] = field(default_factory=dict)
    left_out: set[Host] = field(default_factory=set)
    parts_done: set[Host] = field(default_factory=set)
    tell: Callable[[], None] = lambda: None


_told = _Told()


def report(host: Host, outcome: Outcome, *reasons: str) -> None:
    """Keep the outcome of a host for the report. A host that did not succeed keeps its first outcome.

    + reasons: for people, a line each
    """
    before = _told.outcomes.get(host)
    if before is None or before[0] in (*WELL, Outcome.NOT_AWAITED):
        _told.outcomes[host] = (outcome, reasons)


def report_proof(host: Host, ended: Ended) -> None:
    """Keep for the report what was proved on a host."""
    _told.proofs[host] = ended


def report_at_the_end(state: State, *, is_dry: bool) -> None:
    """Print the report at the end of this run.

    + is_dry: whether nothing is executed, so that a host with a plan would change
    """
    state.add_callback_handler(_Callbacks())
    logger.addFilter(lambda record: not _is_wrongly_ready(record, state))
    logger.addFilter(_rename_success)
    _told.tell = partial(_tell, state, is_dry)
    atexit.register(report_now)


def tell_left_out(state: State) -> None:
    """Print, before the question, which hosts are left out of the changes, and why."""
    trouble = _trouble(_outcomes(state, is_dry=False))
    if trouble:
        logger.info("--> Left out:")
        _tell_trouble(trouble)
    _told.left_out |= trouble.keys()


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
    def operation_host_success(state: State, host: Host, op_hash: str, retry_count: int = 0) -> None:
        _told.parts_done.discard(host)

    @staticmethod
    def operation_host_error(
        state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        pyinfra_internals.fail_late(state, host)
        report(host, Outcome.FAILED, "an operation failed, see above")


def note_part_done(host: Host) -> None:
    """Note that the operation under way on a host does nothing: an earlier one has made its part, too."""
    _told.parts_done.add(host)


def _rename_success(record: logging.LogRecord) -> bool:
    """Name the success of such an operation otherwise: pyinfra calls it as that of the change itself."""
    host = ctx_host.get() if ctx_host.isset() else None
    if host in _told.parts_done and pyinfra_internals.is_success_line(record, host):
        record.msg = record.getMessage().replace("Success", "Made with the first step")
    return True


def _is_wrongly_ready(record: logging.LogRecord, state: State) -> bool:
    """Whether a log line says that the current host has been planned, although it has failed."""
    host = ctx_host.get() if ctx_host.isset() else None
    return host in state.failed_hosts and pyinfra_internals.is_ready_line(record, host)


def _tell(state: State, is_dry: bool) -> None:
    outcomes = _outcomes(state, is_dry)
    # In the order of the inventory: hosts end in any order.
    proofs = proved_lines({host.name: _told.proofs[host] for host in outcomes if host in _told.proofs})
    if proofs:
        logger.info("--> Proof:")
    for line in proofs:
        logger.info(f"    {line}")
    logger.info("--> Report:")
    _tell_trouble(
        {
            host: (outcome, ("see above",) if host in _told.left_out else reasons)
            for host, (outcome, reasons) in _trouble(outcomes).items()
        }
    )
    counts = {one: sum(found[0] is one for found in outcomes.values()) for one in Outcome}
    words = ", ".join(f"{count} {one.value}" for one, count in counts.items() if count)
    logger.info(f"    {counted(len(outcomes), 'host')}: {words}")


def _outcomes(state: State, is_dry: bool) -> _Outcomes:
    chosen = [host for host in state.inventory if state.is_host_in_limit(host) or host in state.failed_hosts]
    return {host: _outcome(state, host, is_dry) for host in chosen}


def _trouble(outcomes: _Outcomes) -> _Outcomes:
    return {host: found for host, found in outcomes.items() if found[0] not in WELL}


def _tell_trouble(trouble: _Outcomes) -> None:
    """Print the reasons, a line each: every line names its host, so that it can be found by that."""
    names = {host: shown_name(host.name) for host in trouble}
    width = max(map(len, names.values()), default=0)
    for host, (outcome, reasons) in trouble.items():
        for reason in reasons or ("",):
            text = f"    {names[host]:<{width}}  {outcome.value}: {shown(reason)}"
            logger.error(format_text(text, "red"))


def _outcome(state: State, host: Host, is_dry: bool) -> tuple[Outcome, tuple[str, ...]]:
    outcome, reasons = _told.outcomes.get(host, (Outcome.NOT_BEGUN, ()))
    if host in state.failed_hosts and outcome in WELL:
        return Outcome.FAILED, ("see above",)
    if outcome is Outcome.WOULD_CHANGE and not is_dry:
        # The run ended before this host's turn.
        return Outcome.NOT_BEGUN, ()
    return outcome, reasons
