"""The command line of `smtp-auth queue`. It imports nothing that takes time, and nothing of the extra."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from smtp_auth.fleet.options import JSON, OPTIONS, add_command
from smtp_auth.rollout.options import MAX_AGE

if TYPE_CHECKING:
    from smtp_auth.rollout.queue.database import Database


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked of a queue, each with its own options."""
    whats = parser.add_subparsers(required=True, metavar="WHAT")
    for command in QUEUE_COMMANDS:
        options = add_command(whats, command.name, command.meaning)
        options.set_defaults(run_queue=command.run, end=options.exit)
        options.add_argument(
            "--database",
            default="",
            metavar="CONNINFO",
            help="where the queue's PostgreSQL is, if the environment (PGHOST, PGSERVICE) does not say it",
        )
        command.add_options(options)


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked of the queue. Returns the exit status. Raises `Mistake`, `Declined`."""
    # The program runs without what only a queue needs.
    from smtp_auth.rollout.queue.commands import reached

    return reached(lambda database: arguments.run_queue(database, arguments), arguments.database)


def _no_options(_parser: argparse.ArgumentParser) -> None:
    pass


def _setup(database: "Database", _arguments: argparse.Namespace) -> int:
    from smtp_auth.rollout.queue.commands import setup

    return setup(database)


_MAX_AGE: Mapping[str, Any] = MappingProxyType(
    {
        "default": MAX_AGE,
        "metavar": "AGE",
        "help": "refuse a plan whose hosts were asked longer ago: 12h, 3d (1d)",
    }
)


def _rollout_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, metavar="FILE", help="what smtp-auth plan --out has written")
    parser.add_argument("--max-age", **_MAX_AGE)
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="begin no host before this time: 22:00 (the next time that it is), or 2026-12-01T22:00",
    )
    parser.add_argument(
        "--not-after",
        metavar="TIME",
        help="begin no slice after this time, and pause then: 04:00 (the next time that it is), or with its "
        "date",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _rollout(database: "Database", arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.typed_times import next_time, seconds_in
    from smtp_auth.rollout.queue.commands import rollout
    from smtp_auth.rollout.queue.rows import Window

    seconds = seconds_in("--max-age", arguments.max_age)
    begins, ends = (
        None if given is None else next_time(option, given)
        for option, given in (("--at", arguments.at), ("--not-after", arguments.not_after))
    )
    return rollout(database, arguments.plan, seconds, Window(begins, ends), asks=not arguments.yes)


# A slice says which hosts are meant.
_OF_A_SLICE = ("--limit", "--exclude")


def _worker_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--zone",
        default="default",
        metavar="ZONE",
        help="carry out the slices of this zone; of hosts without one: default",
    )
    parser.add_argument("--max-age", **_MAX_AGE)
    parser.add_argument(
        "--check-at",
        metavar="CRON",
        help="check then, in UTC, what would change on the inventory's hosts, as plan --check: '30 4 * * *'",
    )
    for name, settings in OPTIONS.items():
        if name not in _OF_A_SLICE:
            parser.add_argument(name, **settings)


def _worker(database: "Database", arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.typed_times import seconds_in
    from smtp_auth.rollout.queue.commands import worker
    from smtp_auth.rollout.queue.worker import Wishes
    from smtp_auth.runs.inventory_check import check_options

    seconds_in("--max-age", arguments.max_age)
    # Otherwise, each try of a slice would end with it, and after three of them the rollout.
    check_options(arguments.inventory, arguments.data, arguments.group_data, arguments.parallel)
    wishes = Wishes(arguments.zone, _choice_words(arguments), arguments.max_age, arguments.check_at)
    return worker(database, wishes)


def _choice_words(arguments: argparse.Namespace) -> list[str]:
    """The options of every command, as they were given."""
    words = []
    for name in OPTIONS:
        given = getattr(arguments, name.removeprefix("--").replace("-", "_"), None)
        if given is True:
            words.append(name)
        elif given is not None and given is not False:
            values = given if isinstance(given, list) else [given]
            # A value may begin like an option.
            words += [f"{name}={value}" for value in values]
    return words


def _which_rollout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "which", nargs="?", metavar="RUN", help="which rollout; a beginning or an end of its ID is enough"
    )


def _status_options(parser: argparse.ArgumentParser) -> None:
    _which_rollout(parser)
    parser.add_argument("--json", **JSON)


def _status(database: "Database", arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.written import target_of
    from smtp_auth.rollout.queue.commands import show_status

    return show_status(database, arguments.which, target_of(arguments))


def _pause(database: "Database", arguments: argparse.Namespace) -> int:
    from smtp_auth.rollout.queue.commands import pause

    return pause(database, arguments.which)


def _resume(database: "Database", arguments: argparse.Namespace) -> int:
    from smtp_auth.rollout.queue.commands import resume

    return resume(database, arguments.which)


def _stop(database: "Database", arguments: argparse.Namespace) -> int:
    from smtp_auth.rollout.queue.commands import stop

    return stop(database, arguments.which)


@dataclass(frozen=True)
class QueueCommand:
    """One command of `smtp-auth queue`. Its fields are those of `Command`; + run: works in the database"""

    name: str
    meaning: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: "Callable[[Database, argparse.Namespace], int]"


QUEUE_COMMANDS = (
    QueueCommand("setup", "make the queue's tables in an empty PostgreSQL database", _no_options, _setup),
    QueueCommand("rollout", "put a plan in the queue", _rollout_options, _rollout),
    QueueCommand("worker", "carry out the slices of a zone", _worker_options, _worker),
    QueueCommand("status", "show waves, slices, failures, and who works where", _status_options, _status),
    QueueCommand("pause", "let no further host begin, until it is resumed", _which_rollout, _pause),
    QueueCommand("resume", "let a paused rollout go on", _which_rollout, _resume),
    QueueCommand("stop", "let no further host begin, for good", _which_rollout, _stop),
)
