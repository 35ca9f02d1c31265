"""The options of a rollout and of its plan. It imports nothing that takes time."""

import argparse

from smtp_auth.rollout.waves import DEFAULT

# How old a plan may be, if nobody says it.
MAX_AGE = "1d"

Parser = argparse.ArgumentParser | argparse._ArgumentGroup


def add_layout(parser: Parser) -> None:
    """Add the options that are part of a rollout's plan."""
    parser.add_argument(
        "--waves",
        metavar="STEPS",
        # argparse fills something in behind a single %.
        help="how many hosts are done after each wave, as numbers or shares of all "
        f"({DEFAULT.replace('%', '%%')})",
    )
    parser.add_argument(
        "--first", action="append", default=[], metavar="HOST", help="a canary: in the first wave"
    )
    parser.add_argument(
        "--max-failures",
        metavar="COUNT",
        help="go on with so many failed hosts, or such a share of all as 5%% (0)",
    )


def given_of_layout(options: argparse.Namespace) -> list[str]:
    """The options of `add_layout` that are given."""
    values = {
        "--waves": options.waves,
        "--first": options.first or None,
        "--max-failures": options.max_failures,
    }
    return [name for name, value in values.items() if value is not None]


def add_own(parser: argparse.ArgumentParser) -> None:
    """Add the options of a rollout alone."""
    plan = parser.add_mutually_exclusive_group()
    plan.add_argument("--plan", metavar="FILE", help="carry out this plan of smtp-auth plan --out")
    plan.add_argument(
        "--resume", metavar="FILE", help="carry out what is left of a run, from a file of --remaining"
    )
    parser.add_argument(
        "--max-age", metavar="AGE", help="with a plan: refuse it if it is older: 90m, 12h or 7d (1d)"
    )
    back = parser.add_mutually_exclusive_group()
    for undoes, what in (("wave", "what the last wave has changed"), ("all", "the whole run")):
        back.add_argument(
            f"--undo-{undoes}",
            action="store_const",
            const=undoes,
            default="",
            dest="undoes",
            help=f"if failures stop it: take back {what}",
        )
    parser.add_argument("--pause", action="store_true", help="ask before each further wave")
    parser.add_argument(
        "--not-after",
        metavar="TIME",
        help="begin no wave after this time: 04:00 (the next time that it is), or 2026-12-01T04:00",
    )
    parser.add_argument("--remaining", metavar="FILE", help="keep in this file what is left, for --resume")
    parser.add_argument(
        "--on-event",
        metavar="COMMAND",
        help="give this command one line of JSON for each event, on its standard input (no shell)",
    )
    part = parser.add_argument_group("one part of a plan", "for several controllers: with --plan")
    part.add_argument("--wave", type=int, metavar="NUMBER", help="only this wave")
    part.add_argument("--zone", metavar="NAME", help="of it, only the hosts with this data key")
    part.add_argument("--shard", metavar="PART", help="of these, only such a part as 3/8")
