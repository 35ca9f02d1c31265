"""Checks every host's data before any connection is made."""

from collections.abc import Sequence

from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.output import format_text

from smtp_auth.runs.host_settings import settings_of
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.pyinfra_internals import leave_out
from smtp_auth.runs.report import report
from smtp_auth.settings import SettingsError
from smtp_auth.shown import counted


def leave_out_bad_hosts(state: State) -> None:
    """Make a run leave out the hosts whose data is wrong.

    These hosts count as failed, so the run's exit status is 1; the others are deployed to.

    Raises pyinfra's `PyinfraError` if no host is left.
    """
    chosen = [host for host in state.inventory if state.is_host_in_limit(host)]
    problems = {host: _problems_of(host) for host in chosen}
    bad = {host for host in chosen if problems[host]}
    if warning := warning_of_port_25([host for host in chosen if host not in bad]):
        logger.warning(format_text(warning, "yellow"))
    if not bad:
        return
    count = sum(map(len, problems.values()))
    logger.error(
        f"{counted(count, 'problem')} in the data of {len(bad)} of {counted(len(chosen), 'host')}: this run "
        f"leaves {'it' if len(bad) == 1 else 'these'} out, see the report"
    )
    leave_out(state, bad)
    for host in bad:
        report(host, Outcome.REFUSED, *problems[host])
    if len(bad) == len(chosen):
        raise PyinfraError("no host is left")


def warning_of_port_25(hosts: Sequence[Host]) -> str:
    """The warning, once a run, if hosts offer logins on port 25, because their data does not decide it."""
    undecided = sum(host.data.get("smtp_auth_on_port_25") is None for host in hosts)
    return (
        f"smtp_auth_on_port_25 is not set for {undecided} of {counted(len(hosts), 'host')}: logins are "
        "offered on port 25, too, as the guide does, if they may do no more there than on port 465. Set it "
        "to False for logins on port 465 only, or to True to keep them on both without this warning"
        if undecided
        else ""
    )


def _problems_of(host: Host) -> list[str]:
    """Everything that is wrong with one host's data, one sentence per problem."""
    try:
        settings_of(host)
    except SettingsError as error:
        return [*map(str, error.problems)]
    except Exception as error:
        return [f"its data cannot be read: {error!r}"]
    return []
