"""The hosts of a command, out of the inventory and data that pyinfra deploys with.

pyinfra's own functions read them: `--inventory`, `--limit` and `--data` mean the same as in pyinfra.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from pyinfra import logger
from pyinfra.api import Config, Host, State
from pyinfra.context import ctx_state

from smtp_auth.runs.pyinfra_internals import limited, make_sockets_cooperative, read_inventory
from smtp_auth.runs.run import matches

# All hosts are asked side by side, each in a thread. This is done before anybody starts one.
make_sockets_cooperative()


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
    # pyinfra logs nothing: the caller reports the errors of its hosts.
    logger.setLevel(logging.CRITICAL)
    state = State()
    ctx_state.set(state)
    hosts, patterns = read_inventory(inventory, data), list(limits)
    for pattern in patterns:
        if not matches(pattern, hosts):
            raise FleetError(f"--limit {pattern}: no host or group of {inventory} is called so")
    wanted = limited(hosts, patterns)
    state.init(hosts, Config(), initial_limit=wanted)
    chosen = [host for host in hosts if wanted is None or host in wanted]
    if not chosen:
        raise FleetError(f"{inventory}: no host")
    return chosen
