"""The hosts of a command, from the inventory, the data and the configuration that pyinfra deploys with.

pyinfra's own functions read them: the options of `options.py` mean the same as in pyinfra.
"""

import logging
import sys
from contextlib import redirect_stdout
from pathlib import Path

from pyinfra import logger
from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_inventory, ctx_state

from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.options import Choice
from smtp_auth.fleet.own_files import deploy_files, imports_of_the_inventory
from smtp_auth.runs.bounds import bound_connections
from smtp_auth.runs.host_keys import heed_host_keys
from smtp_auth.runs.inventory_check import check_options, choose, read_checked
from smtp_auth.runs.mistakes import Mistake, sentence_of
from smtp_auth.runs.pyinfra_internals import (
    find_active_packages,
    make_sockets_cooperative,
    read_config,
    read_inventory,
)

# All hosts are asked side by side. This has to be called before the first thread starts.
make_sockets_cooperative()

# How many hosts are asked or changed at the same time, if nobody says it.
_SIDE_BY_SIDE = 64


def chosen_hosts(choice: Choice) -> Chosen:
    """The hosts that the options choose.

    Group data is read beside the inventory and in the working directory, config.py in the working directory,
    or else beside the inventory. Those of the deploy's own folder are only taken for an inventory in it.

    Raises `Mistake` if there is no host, or if anything of it is wrong.
    """
    # pyinfra must not log anything: the caller reports the errors of its hosts.
    logger.setLevel(logging.CRITICAL)
    heed_host_keys()
    state = State()
    ctx_state.set(state)
    _check_folder()
    check_options(choice.inventory, choice.data, choice.group_data, choice.parallel)
    # What an inventory prints is not what a command prints.
    with imports_of_the_inventory(), redirect_stdout(sys.stderr):
        find_active_packages()
        config, at_once = _configuration(choice, state)
        state.cwd = str(Path.cwd())
        inventory = read_checked(choice.inventory, lambda: _read(choice))
    ctx_inventory.set(inventory)
    hosts = choose(inventory, choice.limit, choice.exclude, choice.hosts)
    state.init(inventory, config, initial_limit=hosts)
    bound_connections(hosts)
    return Chosen(hosts, at_once)


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError:
        raise Mistake("the working directory does not exist any more: change to another one") from None


def _read(choice: Choice) -> Inventory:
    ours = deploy_files() / "group_data"
    is_wanted = _is_ours(choice) or ours in (Path(folder).resolve() for folder in choice.group_data)
    left_out = None if is_wanted else ours
    return read_inventory(choice.inventory, choice.data, choice.ssh_user, choice.group_data, left_out)


def _is_ours(choice: Choice) -> bool:
    """Whether the inventory is a file in the deploy's own folder: then its data is there, too."""
    file = Path(choice.inventory)
    # As pyinfra finds the data beside a file.
    return file.is_file() and file.parent.resolve().is_relative_to(deploy_files())


def _configuration(choice: Choice, state: State) -> tuple[Config, int]:
    """pyinfra's configuration, and how many hosts are asked or changed at the same time."""
    file = _config_file(choice)
    # Where REQUIRE_PACKAGES is looked for.
    state.cwd = str(file.parent if file else Path.cwd())
    try:
        config = read_config(file)
    except (Exception, SystemExit) as error:
        raise Mistake(f"the configuration cannot be read: {sentence_of(error)}") from None
    # True is a number in Python.
    if type(config.PARALLEL) is not int or config.PARALLEL < 0:
        raise Mistake(f"{file}: PARALLEL = {config.PARALLEL!r}: give a number of hosts")
    config.SUDO = choice.sudo or config.SUDO
    config.PARALLEL = choice.parallel or config.PARALLEL
    config.lock_current_state()
    return config, config.PARALLEL or _SIDE_BY_SIDE


def _config_file(choice: Choice) -> Path | None:
    """The working directory's config.py, or else the one beside the inventory."""
    folders = [Path.cwd()]
    if Path(choice.inventory).is_file():
        folders.append(Path(choice.inventory).parent.resolve())
    if not _is_ours(choice):
        folders = [folder for folder in folders if folder != deploy_files()]
    return next((file for folder in folders if (file := folder / "config.py").is_file()), None)
