"""The hosts of a command, out of the inventory and data that pyinfra deploys with.

pyinfra's own functions read them: `--inventory`, `--limit` and `--data` mean the same as in pyinfra.
Importing pyinfra's command line makes the standard library's sockets cooperative (gevent). Threads are
then light, and all hosts can be looked at side by side over pyinfra's own connections.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from pyinfra.api import Config, Host, State
from pyinfra.context import ctx_state
from pyinfra_cli.cli import _apply_inventory_limit, _set_override_data
from pyinfra_cli.inventory import make_inventory

from smtp_auth.runs.run import matches


class FleetError(Exception):
    """The inventory is missing, or no host of it was chosen."""


def chosen_hosts(inventory: Path, limits: Iterable[str], data: Iterable[str]) -> list[Host]:
    """The hosts, in the inventory's order.

    + inventory: pyinfra's inventory file; group_data/ is read beside it and in the present directory
    + limits: names, patterns or groups, as pyinfra's --limit takes them; none: every host
    + data: KEY=VALUE words, as pyinfra's --data takes them

    Raises `FleetError` if no host is left.
    """
    if not inventory.is_file():
        raise FleetError(f"no such inventory: {inventory}")
    # pyinfra logs nothing: who asked for the hosts reports their errors.
    logging.getLogger("pyinfra").setLevel(logging.CRITICAL)
    state = State()
    ctx_state.set(state)
    override = _set_override_data(list(data), None, None, None, None, None)
    hosts = make_inventory(str(inventory), override_data=override, cwd=str(Path.cwd()))
    for pattern in limits:
        if not matches(pattern, hosts):
            raise FleetError(f"--limit {pattern}: no host or group of {inventory} is called so")
    wanted = _apply_inventory_limit(hosts, list(limits))
    state.init(hosts, Config(), initial_limit=wanted)
    chosen = [host for host in hosts if wanted is None or host in wanted]
    if not chosen:
        raise FleetError(f"{inventory}: no host")
    return chosen
