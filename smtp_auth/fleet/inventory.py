"""The hosts of a command, from the inventory and data that pyinfra deploys with.

pyinfra's own functions read them: `--inventory`, `--limit` and `--data` mean the same as in pyinfra.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from pyinfra import logger
from pyinfra.api import Config, Host, State
from pyinfra.context import ctx_state

from smtp_auth.runs.bounds import bound_connections
from smtp_auth.runs.host_keys import heed_host_keys
from smtp_auth.runs.inventory_check import check_data, read_checked
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.runs.pyinfra_internals import limited, make_sockets_cooperative, read_inventory
from smtp_auth.runs.run import matches

# All hosts are asked in parallel, each in a thread. This has to be called before the first thread starts.
make_sockets_cooperative()


def chosen_hosts(inventory: Path, limits: Iterable[str], data: Iterable[str]) -> list[Host]:
    """The hosts, in the inventory's order.

    + inventory: pyinfra's inventory file; group_data/ is read beside it and in the current directory
    + limits: names, patterns or groups, as for pyinfra's --limit; none: every host
    + data: KEY=VALUE words, as for pyinfra's --data

    Raises `Mistake` if there is no host.
    """
    # pyinfra must not log anything: the caller reports the errors of its hosts.
    logger.setLevel(logging.CRITICAL)
    heed_host_keys()
    state = State()
    ctx_state.set(state)
    words, patterns = list(data), list(limits)
    check_data(words)
    hosts = read_checked(str(inventory), lambda: read_inventory(inventory, words))
    for pattern in patterns:
        if not matches(pattern, hosts):
            raise Mistake(f"--limit {pattern}: no host or group of {inventory} has this name")
    wanted = limited(hosts, patterns)
    state.init(hosts, Config(), initial_limit=wanted)
    chosen = [host for host in hosts if wanted is None or host in wanted]
    bound_connections(chosen)
    return chosen
