"""Compares the names of a run's hosts: several may be one machine.

deploy.py sees one host at a time, and pyinfra may run it in batches. So the names are compared when all hosts
have been planned.
"""

from weakref import WeakKeyDictionary

from pyinfra import logger, state
from pyinfra.api import Host
from pyinfra.context import ctx_host

from smtp_auth.on_host.asking import Asked
from smtp_auth.plan.same_machine import named, same_machines
from smtp_auth.runs.outcome import Outcome
from smtp_auth.runs.trouble import tell
from smtp_auth.shown import shown

# All that were looked at, also those that were refused.
_looked_at: WeakKeyDictionary[Host, Asked] = WeakKeyDictionary()


def keep_for_comparison(host: Host, found: Asked) -> None:
    """Keep what was found out about a host for `compare_names`."""
    _looked_at[host] = found


def compare_names() -> None:
    """Note which hosts of this run are one machine, and fail those that cannot be changed for that reason.

    Raises pyinfra's `PyinfraError` if no host is left.
    """
    found = {host: _looked_at[host] for host in state.inventory if host in _looked_at}
    _looked_at.clear()
    judged = same_machines(
        {
            host.name: named(one.settings, one.look, one.plan, is_held=bool(one.hold))
            for host, one in found.items()
        }
    )
    refused = set()
    for this in (host for host in found if host.name in judged and host not in state.failed_hosts):
        one = judged[this.name]
        with ctx_host.use(this):
            if one.refusal:
                tell([one.refusal], Outcome.REFUSED)
                refused.add(this)
            else:
                this.log_styled(shown(one.note), fg="yellow", log_func=logger.warning)
    # All at once, because pyinfra stops the run if no host is left.
    state.fail_hosts(refused)
