"""The options that choose hosts: those of every command of `smtp-auth`, and of the verification.

They have pyinfra's names and meanings.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Choice:
    """Which hosts a command is for, and how they are connected to.

    + inventory: what pyinfra takes as its first argument: a file, names with commas, a function, a list, or a
      connector such as @terraform
    + limit, exclude: names, patterns or groups
    + data: KEY=VALUE words
    + group_data: further folders of group data, or files of one group
    + ssh_user: logs in as this user, whatever the data says
    + sudo: becomes root with sudo, unless the data says otherwise
    + parallel: how many hosts are asked or changed at the same time
    + hosts: names, patterns or groups, as in `limit`, that were given without that option
    """

    inventory: str = "inventory.py"
    limit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    group_data: tuple[str, ...] = ()
    ssh_user: str | None = None
    sudo: bool = False
    parallel: int | None = None
    hosts: tuple[str, ...] = ()


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, meaning: str
) -> argparse.ArgumentParser:
    """Add a command. + meaning: in a few words, in small letters. Returns its parser"""
    return commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")


def _several(metavar: str, meaning: str) -> dict[str, Any]:
    return {"action": "append", "default": [], "metavar": metavar, "help": meaning}


# As argparse takes them, and pytest.
OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "--inventory": {
            "default": Choice.inventory,
            "metavar": "WHAT",
            "help": "a file, names with commas, module.function, @local: as pyinfra's first argument "
            f"({Choice.inventory})",
        },
        "--limit": _several("HOST", "only this host, pattern or group"),
        "--exclude": _several("HOST", "not this host, pattern or group"),
        "--data": _several("KEY=VALUE", "a data key for all hosts, over what the inventory says"),
        "--group-data": _several("FOLDER", "a further folder of group data, or a file of one group"),
        "--ssh-user": {"metavar": "USER", "help": "log in as this user"},
        "--sudo": {"action": "store_true", "help": "become root with sudo"},
        "--parallel": {"type": int, "metavar": "NUMBER", "help": "so many hosts at the same time"},
    }
)

# Of every command with results for programs.
JSON: Mapping[str, Any] = MappingProxyType(
    {"metavar": "FILE", "help": "write JSON for programs to this file; -: standard output"}
)

# Of a plan, and of a verification.
PROMETHEUS: Mapping[str, Any] = MappingProxyType(
    {
        "metavar": "FILE",
        "help": "write figures for Prometheus to this file, for node_exporter's textfile collector; "
        "-: standard output",
    }
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to those of a command."""
    for name, settings in OPTIONS.items():
        parser.add_argument(name, **settings)


def choice_of(arguments: argparse.Namespace) -> Choice:
    """What the options on a command line choose."""
    return Choice(
        arguments.inventory,
        tuple(arguments.limit),
        tuple(arguments.exclude),
        tuple(arguments.data),
        tuple(arguments.group_data),
        arguments.ssh_user,
        arguments.sudo,
        arguments.parallel,
        tuple(getattr(arguments, "named", ())),
    )
