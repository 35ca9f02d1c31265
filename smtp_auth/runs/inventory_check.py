"""Reads an inventory so that each mistake in it is a sentence.

pyinfra takes most mistakes for an inventory without hosts, and is done with it at once: a file that does not
exist is the name of a host, and a text is no group.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import NoReturn

from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import NoGroupError, PyinfraError

from smtp_auth.runs import pyinfra_internals
from smtp_auth.runs.mistakes import Mistake, sentence_of

# How much of a word that is too long is shown.
_SHOWN = 60


def read_checked(given: str, read: Callable[[], Inventory]) -> Inventory:
    """The inventory that `read` returns; it has a host.

    + given: the command line's word for it: a file, a host, several with commas between them, or a function

    Raises `Mistake`.
    """
    ignored: list[str] = []
    imported: list[str] = []
    checks = (
        partial(_check_variable, given, ignored),
        partial(_check_function, given, imported),
        partial(_check_list, given, imported),
    )
    try:
        with pyinfra_internals.variables_checked(*checks):
            found = read()
    except Mistake:
        raise
    except (Exception, SystemExit) as error:
        raise Mistake(f"the inventory cannot be read: {sentence_of(error)}") from None
    if not len(found):
        _refuse_as_empty(given, ignored, is_there=bool(imported) or Path(given).exists())
    for host in found:
        _check_connector_data(host)
    return found


def choose(
    inventory: Inventory, limit: Sequence[str], exclude: Sequence[str], named: Sequence[str] = ()
) -> list[Host]:
    """The hosts that `--limit`, `--exclude` and HOST choose, in the inventory's order.

    + limit, exclude, named: names, patterns or groups; `named` are those of HOST

    Raises `Mistake` if one of them names nothing, or if they leave nothing.
    """
    wanted = [*(("--limit", word) for word in limit), *(("HOST", word) for word in named)]
    limited = {host for option, word in wanted for host in hosts_called(inventory, option, word)}
    excluded = {host for word in exclude for host in hosts_called(inventory, "--exclude", word)}
    found = [host for host in inventory if (host in limited or not wanted) and host not in excluded]
    if not found:
        raise Mistake("--exclude leaves no host")
    return found


def hosts_called(inventory: Inventory, option: str, pattern: str) -> Iterable[Host]:
    """The hosts that a name, a pattern or a group means. Raises `Mistake` if it means none.

    + option: with which it was given
    """
    try:
        found = inventory.get_group(pattern)
    except NoGroupError:
        found = [host for host in inventory if fnmatch(host.name, pattern)]
    if not found:
        raise Mistake(f"{option} {pattern}: no host or group of the inventory has this name")
    return found


def check_options(
    inventory: str, data: Iterable[str], group_data: Iterable[str], parallel: int | None
) -> None:
    """Raise `Mistake` for a word for the inventory, or a value of an option, that pyinfra misunderstands."""
    _check_word(inventory)
    if parallel is not None and parallel < 1:
        raise Mistake(f"--parallel {parallel}: give a number of hosts")
    check_data(data)
    for given in group_data:
        if not given:
            raise Mistake("--group-data is empty: give a folder, or a file of one group that ends with .py")
        path = Path(given)
        if not path.is_dir() and not (path.is_file() and given.endswith(".py")):
            raise Mistake(
                f"--group-data {given}: there is no such folder, and no such file that ends with .py"
            )


def check_data(words: Iterable[str]) -> None:
    """Raise `Mistake` if a word of --data is not KEY=VALUE."""
    for word in words:
        if not word.partition("=")[1] or word.startswith("="):
            # The word may be a password.
            raise Mistake("a word of --data is not KEY=VALUE: write, for example, --data verify_seconds=9")


def _check_connector_data(host: Host) -> None:
    try:
        pyinfra_internals.check_connector_data(host)
    except PyinfraError as error:
        raise Mistake(f"the inventory cannot be read: {host.name}: {str(error).replace('::', ':')}") from None


def _check_word(given: str) -> None:
    if not given:
        raise Mistake("the word for the inventory is empty: give a file, or names with commas between them")
    path = Path(given)
    try:
        is_folder = path.is_dir()
    except OSError as error:
        # pyinfra first looks for a file of this name.
        raise Mistake(
            f"the inventory {given[:_SHOWN]}… cannot be read: {error.strerror}: write the names in a file"
        ) from None
    if is_folder:
        raise Mistake(f"the inventory {given} is a folder: give a file in it")
    is_file_name = given.endswith(".py") or ("/" in given and "@" not in given)
    if is_file_name and not path.exists():
        raise Mistake(f"the inventory {given} does not exist")
    if path.exists():
        return
    names = given.split(",")
    if "" in names:
        raise Mistake(f"{given!r} has an empty name: delete the comma that is too many")
    for name in names:
        if name != name.strip():
            raise Mistake(
                f"{name!r} begins or ends with a space: delete it, because it would belong to the host's name"
            )
    _check_twice(names, "the command line")


def _check_variable(file: str, ignored: list[str], name: str, value: object) -> None:
    """Raise `Mistake` if pyinfra would take a variable of an inventory file for other hosts than were meant.

    + ignored: the names of those that it ignores are appended
    """
    if name.startswith("_"):
        return
    hosts = _hosts_of_group(file, name, value)
    if not isinstance(hosts, list | tuple):
        if isinstance(value, str | dict | set | frozenset):
            ignored.append(name)
    elif any(isinstance(host, str | tuple) for host in hosts):
        _check_hosts(file, name, hosts)
    else:
        # Something else, such as a list of ports.
        ignored += [name] if hosts else []


def _check_function(given: str, imported: list[str], found: object) -> None:
    """Raise `Mistake` if what a function returns is no dictionary of groups.

    + imported: the word for it is appended
    """
    imported.append(given)
    if not isinstance(found, dict):
        raise Mistake(
            f'{given} returns no dictionary: let it return groups, such as {{"mail": ["mail1.example.jp"]}}'
        )
    for name, value in found.items():
        if not isinstance(name, str):
            raise Mistake(f"{given}: the name of a group is no text: write it in quotation marks")
        hosts = _hosts_of_group(given, name, value)
        # pyinfra would read a text letter by letter, and lose what a dictionary says of its hosts.
        if isinstance(hosts, str | dict) or not isinstance(hosts, Collection):
            raise Mistake(f"{given}: {name} is no list of hosts, as a group has to be")
        _check_hosts(given, name, hosts)


def _check_list(given: str, imported: list[str], hosts: object) -> None:
    """Raise `Mistake` if what a module has under a name is no list of hosts.

    + imported: the word for it is appended
    """
    imported.append(given)
    if not isinstance(hosts, list | tuple):
        raise Mistake(f'{given} is no list of hosts: write one, such as ["mail1.example.jp"]')
    _check_hosts(given, "the list", hosts)


def _hosts_of_group(where: str, name: str, value: object) -> object:
    if not isinstance(value, tuple):
        return value
    if len(value) != 2 or not isinstance(value[0], list | tuple) or not isinstance(value[1], dict):
        raise Mistake(
            f"{where}: {name} is a tuple, but no group: write a list of hosts, or (list, dictionary)"
        )
    return value[0]


def _check_hosts(where: str, name: str, hosts: Collection[object]) -> None:
    wrong = [number for number, host in enumerate(hosts, 1) if not _is_host(host)]
    if wrong:
        # Not the element itself: it may be data with a password.
        raise Mistake(
            f"{where}: element {wrong[0]} of {name} is no host: write a name, or (name, dictionary of data)"
        )
    _check_twice([str(host[0] if isinstance(host, tuple) else host) for host in hosts], f"{where}: {name}")


def _is_host(value: object) -> bool:
    if isinstance(value, tuple):
        return (
            len(value) == 2
            and isinstance(value[1], dict)
            and not isinstance(value[0], tuple)
            and _is_host(value[0])
        )
    return isinstance(value, str) and value != ""


def _check_twice(names: list[str], where: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Mistake(f"{where} names {twice[0]} twice: delete one of both")


def _refuse_as_empty(given: str, ignored: list[str], *, is_there: bool) -> NoReturn:
    if ignored:
        names = ", ".join(ignored)
        raise Mistake(f"the inventory {given} has no host: {names} is no list of hosts, as a group has to be")
    if is_there:
        raise Mistake(
            f'the inventory {given} has no host: write a list of names, such as mail = ["mail1.example.jp"]'
        )
    raise Mistake(
        f"{given} is no inventory: there is no such file or function, and no host of this name is known. "
        "If it is a host, add --data ssh_hostname=ADDRESS"
    )
