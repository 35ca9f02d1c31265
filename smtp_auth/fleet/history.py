"""The records of a fleet's changes, read side by side.

"Who" is what the controller says about itself, and the account on the host. Nobody has checked that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gevent.pool import Pool
from pyinfra.api import Host

from smtp_auth.facts.machine import machines_with_names
from smtp_auth.facts.record import Record
from smtp_auth.on_host.asking import read_record
from smtp_auth.on_host.channel import NoAnswer
from smtp_auth.runs.channel import channel_to, disconnect


@dataclass(frozen=True)
class HostHistory:
    """A host's record, or why it could not be read."""

    record: Record = field(default_factory=Record)
    error: str = ""


# By the names of the hosts, in the inventory's order.
Histories = Mapping[str, HostHistory]


def histories_of(
    hosts: Sequence[Host],
    at_once: int,
    begins: Callable[[str], None],
    ends: Callable[[str, HostHistory], None],
) -> Histories:
    """Each host's record.

    + at_once: how many hosts are asked at the same time
    + begins, ends: are called with the name of each host that is asked, and with its record
    """

    def read(host: Host) -> tuple[str, HostHistory]:
        begins(host.name)
        history = _history(host)
        ends(host.name, history)
        return host.name, history

    # After Ctrl-C, nothing waits for greenlets; for threads, Python does.
    found = dict(Pool(at_once).imap_unordered(read, hosts))
    return {host.name: found[host.name] for host in hosts}


def _history(host: Host) -> HostHistory:
    try:
        return HostHistory(read_record(channel_to(host)))
    except NoAnswer as error:
        return HostHistory(error=str(error))
    except Exception as error:
        # An error on one host is reported for that host only.
        return HostHistory(error=f"{type(error).__name__}: {error}")
    finally:
        disconnect(host)


def machines(found: Histories) -> list[tuple[str, ...]]:
    """The names of each machine that has several."""
    return machines_with_names({name: history.record.machine for name, history in found.items()})
