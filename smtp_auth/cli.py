"""`smtp-auth`: commands over many hosts."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from smtp_auth.fleet import history
from smtp_auth.fleet.inventory import FleetError, chosen_hosts

# As argparse ends after a wrong command line.
USAGE = 2


def main() -> int:
    """Run the command that the command line names; its exit status."""
    arguments = _parser().parse_args()
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except FleetError as error:
        print(error, file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # Who reads it has seen enough, such as head(1). Python would complain at its end, when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smtp-auth", description="Commands over many hosts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = _command(commands, "history", "who changed what, when, with which outcome", _history)
    command.add_argument("--show", metavar="ID", help="what this change did, host by host")
    command.add_argument("--json", action="store_true", help="for programs")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    meaning: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    command.set_defaults(run=run)
    command.add_argument("--inventory", metavar="FILE", type=Path, default=Path("inventory.py"))
    command.add_argument("--limit", action="append", default=[], metavar="HOST", help="as pyinfra's --limit")
    command.add_argument(
        "--data", action="append", default=[], metavar="KEY=VALUE", help="as pyinfra's --data"
    )
    return command


def _history(arguments: argparse.Namespace) -> int:
    hosts = chosen_hosts(arguments.inventory, arguments.limit, arguments.data)
    found = history.records(hosts, _progress(len(hosts)))
    if arguments.json:
        print(json.dumps(history.as_json(found, arguments.show), indent=2))
    else:
        lines = history.details(found, arguments.show) if arguments.show else history.table(found)
        print("\n".join(lines))
    return 1 if any(one.error for one in found.values()) else 0


def _progress(hosts: int) -> Callable[[str], None]:
    """What tells on a terminal how many hosts have answered."""
    answered: list[str] = []

    def tell(name: str) -> None:
        answered.append(name)
        if sys.stderr.isatty():
            end = "\n" if len(answered) == hosts else ""
            print(f"\r{len(answered)} of {hosts} hosts", end=end, file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
