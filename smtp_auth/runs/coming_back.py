"""What an undo or a removal says of all hosts together, before it asks."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyinfra import logger, state
from pyinfra.api import Host
from pyinfra.api.output import format_text

from smtp_auth.facts.look import LastChange
from smtp_auth.facts.record import Record
from smtp_auth.local_time import local_time
from smtp_auth.on_host.asking import Asked
from smtp_auth.past.coming_back import closes_submissions
from smtp_auth.past.runs import NoSuchRun, live_runs, run_called
from smtp_auth.plan.plan import DEPLOY, REMOVAL, Kind
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import counted, shown, shown_name, some_names


@dataclass(frozen=True)
class _Planned:
    """What is kept of a host's plan.

    + last: the host's last live change
    + stays: as in `Plan`
    + closes: whether port 465 closes
    + is_held: whether the host is passed over, because it is held
    """

    kind: Kind
    last: LastChange | None
    stays: tuple[str, ...]
    closes: bool
    is_held: bool


_planned: WeakKeyDictionary[Host, _Planned] = WeakKeyDictionary()

# The hosts that were asked for a run; with their record if they do not have it.
_asked_for: WeakKeyDictionary[Host, Record | None] = WeakKeyDictionary()


def keep_what_comes_back(host: Host, found: Asked) -> None:
    """Keep what `tell_what_comes_back` says of a host."""
    plan, look = found.plan, found.look
    if plan.kind != DEPLOY and not found.refusals:
        closes = closes_submissions(plan, look)
        _planned[host] = _Planned(plan.kind, look.last_change, plan.stays, closes, found.hold is not None)


def keep_asked_for(host: Host, without: Record | None = None) -> None:
    """Keep that a host was asked for the run that is to be undone. + without: its record does not have it"""
    _asked_for[host] = without


def hosts_removed_from() -> int:
    """On how many hosts a removal closes port 465."""
    return sum(one.closes for one in _active().values() if one.kind == REMOVAL)


def tell_what_comes_back() -> None:
    """Log what is undone on which hosts, on how many port 465 closes, and what stays.

    Raises `Mistake` if no host has the run that is to be undone on record.
    """
    _check_is_on_record()
    active = _active()
    closing = sum(one.closes for one in active.values())
    if closing:
        logger.info(format_text(f"--> Port 465 will close on {counted(closing, 'host')}", "red"))
    _tell_undone(active)
    stays = {host: one.stays for host, one in active.items() if one.stays}
    if stays:
        logger.info("--> What stays:")
    for host, sentences in stays.items():
        for sentence in sentences:
            logger.info(f"    {shown_name(host.name)}  {shown(sentence)}")


def _active() -> dict[Host, _Planned]:
    """The hosts that an undo or a removal goes on with, in the inventory's order."""
    hosts = (host for host in state.inventory if host not in state.failed_hosts)
    return {host: _planned[host] for host in hosts if host in _planned and not _planned[host].is_held}


def _check_is_on_record() -> None:
    records = {host.name: record for host, record in _asked_for.items() if record is not None}
    if not records or len(records) < len(_asked_for):
        return
    undo_to = next(str(host.data.get("undo_to")) for host in _asked_for)
    unread = sum(state.is_host_in_limit(host) and host not in _asked_for for host in state.inventory)
    try:
        run_called(undo_to, live_runs(records), unread)
    except NoSuchRun as error:
        raise Mistake(f"undo_to = {undo_to}: {error}") from None


def _tell_undone(active: dict[Host, _Planned]) -> None:
    """Log what is undone on which hosts, and that they differ in that."""
    hosts_of: dict[tuple[str, ...], list[Host]] = {}
    for host, one in active.items():
        if one.kind.undone:
            hosts_of.setdefault(tuple(dict.fromkeys(one.kind.undone)), []).append(host)
    if hosts_of:
        logger.info("--> Undo:")
    for changes, hosts in hosts_of.items():
        last = active[hosts[0]].last
        told = f" of {local_time(last.began)} by {last.who}" if last and len(changes) == 1 else ""
        names = some_names([shown_name(host.name) for host in hosts])
        logger.info(f"    {shown(', '.join(changes) + told)}: {names}")
    if len(hosts_of) > 1:
        text = "    not the same on all hosts; 'smtp-auth undo' undoes one run"
        logger.warning(format_text(text, "yellow"))
