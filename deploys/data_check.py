"""Every host's data is checked before any connection is made, and all problems are listed at once.

pyinfra reads config.py before the inventory, and deploy.py after it has connected. In between it calls
`state.init` with the inventory. pyinfra offers no other hook there, so the check wraps that method.
"""

import click
from pyinfra import logger
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.output import format_text
from pyinfra.context import ctx_state

from settings import SettingsError, settings_from_data
from shown import shown

_in_place: list[bool] = []


def is_in_place() -> bool:
    """Whether this run checks the data before it connects, which it does if config.py was loaded."""
    return bool(_in_place)


def check_before_connecting() -> None:
    """Make a run of a deploy leave out the hosts whose data is wrong. config.py calls this.

    These hosts count as failed, so the run's exit status is 1; the others go on. If none is left, the
    run ends. Runs without a deploy file (`fact`, `exec`, `debug-inventory`) do not check the data.
    """
    state = ctx_state.get()
    initialise = state.init

    def initialise_and_check(inventory: Inventory, config: Config | None, **options: object) -> None:
        initialise(inventory, config, **options)
        if _runs_a_deploy():
            _leave_out_bad_hosts(state)

    state.init = initialise_and_check
    _in_place.append(True)


def problems_of(host: Host) -> list[str]:
    """Everything that is wrong with one host's data, one sentence per problem."""
    try:
        settings_from_data(host.name, host.data.dict())
    except SettingsError as error:
        return [str(problem) for problem in error.problems]
    except Exception as error:
        return [f"{host.name}: its data cannot be read: {error!r}"]
    return []


def _runs_a_deploy() -> bool:
    """Whether the command line names deploy files, which is how pyinfra itself tells."""
    context = click.get_current_context(silent=True)
    words = context.params.get("operations", ()) if context else ()
    return any(word.endswith(".py") for word in words[:1])


def _leave_out_bad_hosts(state: State) -> None:
    chosen = [host for host in state.inventory if state.is_host_in_limit(host)]
    problems = {host: problems_of(host) for host in chosen}
    bad = {host for host in chosen if problems[host]}
    if not bad:
        return
    lines = [line for host in chosen for line in problems[host]]
    for line in lines:
        logger.error(format_text(shown(line), "red"))
    logger.error(
        f"{len(lines)} problems in the data of {len(bad)} hosts of {len(chosen)}: these are left out"
    )
    state.failed_hosts |= bad
    state.limit_hosts = [host for host in chosen if host not in bad]
    if not state.limit_hosts:
        raise PyinfraError("no host is left")
