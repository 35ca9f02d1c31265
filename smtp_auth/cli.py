"""`smtp-auth`: commands over many hosts.

A command imports what it needs only when it runs, so that `smtp-auth --help` is fast.
"""

import argparse
import errno
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smtp_auth import __version__
from smtp_auth.fleet.options import JSON, PROMETHEUS, add_command, add_options, choice_of
from smtp_auth.fleet.own_files import deploy_files
from smtp_auth.rollout.options import add_layout, add_own
from smtp_auth.rollout.queue import cli as queue
from smtp_auth.runs.echo import mode_of_terminal, restore
from smtp_auth.runs.signals import ending
from smtp_auth.runs.status import Status
from smtp_auth.shown import shown

if TYPE_CHECKING:
    from smtp_auth.fleet.chosen import Chosen
    from smtp_auth.fleet.plan_command import Manner
    from smtp_auth.plan.step import Step
    from smtp_auth.rollout.out import Out
    from smtp_auth.verify.outputs import Output


# With which a write to a full disk, or to a terminal that is gone, fails.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


@dataclass(frozen=True)
class Command:
    """One command of `smtp-auth`.

    + meaning: what it does, for `--help`: with a small letter at the start and no full stop at the end
    + add_options: adds its own options to those that every command has
    + run: carries it out, and returns the exit status
    + asks_hosts: whether it is about hosts of an inventory: it has the options that choose them, and all of
      its connections are gevent's
    """

    name: str
    meaning: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    asks_hosts: bool = True


def main() -> int:
    """Run the command that the command line names.

    Returns the exit status: that of the command; 2 if the command line or the inventory is wrong; 1 if a
    question was not answered with yes, or the output cannot be written. For Nagios, it is Nagios' own.
    """
    # What a script has closed is None here, which no library expects; and a connection would get its number.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    from smtp_auth.verify.plugin import is_plugin, run_as_plugin

    if is_plugin(sys.argv[1:]):
        return run_as_plugin(lambda: _run(_loaded(_arguments())))
    arguments = _arguments()
    _end_when_interrupted()
    _loaded(arguments)
    from smtp_auth.fleet.console import Line, show_beside
    from smtp_auth.runs.mistakes import Declined, Mistake

    try:
        return _run(arguments)
    except (Mistake, Declined) as error:
        show_beside(Line(shown(line), under=4) for line in str(error).splitlines())
        return Status.MISTAKE if isinstance(error, Mistake) else Status.TROUBLE
    except BrokenPipeError:
        # The reader, such as head(1), has closed the pipe. Python would print an error when it flushes at
        # exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is not None or error.errno not in _OF_WRITING:
            raise
        # Each command handles what its hosts cause.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"the output cannot be written: {error.strerror}", file=sys.stderr)
        return Status.TROUBLE


def _loaded(arguments: argparse.Namespace) -> argparse.Namespace:
    """The same arguments, once what every command needs is loaded."""
    if arguments.asks_hosts:
        from smtp_auth.runs.startup import begin_loading

        begin_loading()
        from smtp_auth.runs.pyinfra_internals import make_sockets_cooperative

        # Before anything else that a command imports.
        make_sockets_cooperative()
    from smtp_auth.fleet.console import be_writable

    be_writable()
    return arguments


def _run(arguments: argparse.Namespace) -> int:
    status = int(arguments.run(arguments))
    sys.stdout.flush()
    return status


def _end_when_interrupted() -> None:
    """End at Ctrl-C at once, and without a traceback, until a command handles it in its own way.

    Likewise at SIGTERM, which the first process of a container would not even notice, and at SIGHUP.
    """
    mode = mode_of_terminal()

    def end(_number: int, _frame: object) -> None:
        restore(mode)
        os._exit(Status.INTERRUPTED)

    for number in ending():
        signal.signal(number, end)


def own_steps() -> "tuple[Step, ...]":
    """The deploy's steps, in its order.

    They are loaded from its folder. Were that on Python's path, an inventory that imports another
    `operations`, or is called `inventory.hosts`, would get ours.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "operations"]:
        del sys.modules[name]
    folder = deploy_files() / "operations"
    spec = importlib.util.spec_from_file_location("operations", folder / "__init__.py")
    assert spec
    assert spec.loader
    # The steps import each other by this name.
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.STEPS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smtp-auth", description="Commands over many hosts.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        options = add_command(commands, command.name, command.meaning)
        options.set_defaults(run=command.run, end=options.exit, asks_hosts=command.asks_hosts)
        if command.asks_hosts:
            add_options(options)
        command.add_options(options)
    return parser


def _arguments() -> argparse.Namespace:
    """What the command line says. Ends the program if it is wrong."""
    words = sys.argv[1:]
    place = words.index("--") if "--" in words else len(words)
    arguments, others = _parser().parse_known_args(words[:place])
    if hasattr(arguments, "behind"):
        arguments.behind = words[place + 1 :]
    else:
        others += words[place + 1 :]
    if others:
        # pyinfra's first argument is the inventory.
        is_option = others[0].startswith("-")
        advice = (
            "see --help"
            if is_option or not arguments.asks_hosts
            else f"an inventory is given as --inventory {others[0]}"
        )
        if not is_option and "named" in arguments:
            advice = "all hosts stand together, before the options"
        arguments.end(Status.MISTAKE, f"{others[0]} is no option: {advice}\n")
    return arguments


def _chosen(arguments: argparse.Namespace) -> "Chosen":
    """The hosts of a command, once all that it needs is loaded."""
    from smtp_auth.fleet.inventory import chosen_hosts
    from smtp_auth.runs.startup import end_loading

    chosen = chosen_hosts(choice_of(arguments))
    end_loading()
    return chosen


# -- plan ----------------------------------------------------------------------------------------------


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", **JSON)


def _console_options(parser: argparse.ArgumentParser) -> None:
    _json_option(parser)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show how long each part took, and all lines"
    )
    parser.add_argument("--debug", action="store_true", help="show the programs that are sent to the hosts")


def _manner(arguments: argparse.Namespace) -> "Manner":
    from smtp_auth.fleet.plan_command import Manner

    return Manner(arguments.verbose, arguments.debug)


def _plan_options(parser: argparse.ArgumentParser) -> None:
    _console_options(parser)
    parser.add_argument("--check", action="store_true", help="exit with status 3 if a host would change")
    parser.add_argument("--prometheus", **PROMETHEUS)
    rollout = parser.add_argument_group("a rollout's plan")
    rollout.add_argument(
        "--out", metavar="FILE", help="write the plan of a rollout to this file, for smtp-auth rollout --plan"
    )
    add_layout(rollout)


def _plan(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.plan_command import outputs_of, plan
    from smtp_auth.fleet.written import refuse_shared

    outputs, steps = outputs_of(arguments.json, arguments.prometheus), own_steps()
    out = _out_of(arguments)
    refuse_shared([one.target for one in (*outputs, out) if one])
    chosen = _chosen(arguments)
    outputs += [out.begin(chosen.hosts)] if out else []
    return plan(chosen, steps, _manner(arguments), outputs, checks=arguments.check)


def _out_of(arguments: argparse.Namespace) -> "Out | None":
    from smtp_auth.rollout.options import given_of_layout
    from smtp_auth.runs.mistakes import Mistake

    if arguments.out is not None:
        # The parts of a rollout are loaded for one alone.
        from smtp_auth.rollout.out import Out

        return Out(arguments.out, arguments)
    given = given_of_layout(arguments)
    if given:
        raise Mistake(f"{given[0]} is for the plan of a rollout: give --out FILE, too")
    return None


# -- what changes hosts -------------------------------------------------------------------------------


def _change_options(parser: argparse.ArgumentParser) -> None:
    _console_options(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def _apply(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.apply_command import apply
    from smtp_auth.fleet.written import target_of

    target, steps = target_of(arguments), own_steps()
    return apply(_chosen(arguments), steps, _manner(arguments), target, asks=not arguments.yes)


def _undo_options(parser: argparse.ArgumentParser) -> None:
    _change_options(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--to", metavar="ID", help="go back to before this run: undo it, and all later changes of its hosts"
    )
    which.add_argument(
        "--each-last", action="store_true", help="undo the last change of each host, whatever run it is of"
    )


def _undo(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.undo_command import undo_each_last, undo_runs
    from smtp_auth.fleet.written import target_of

    target, steps = target_of(arguments), own_steps()
    chosen, manner, asks = _chosen(arguments), _manner(arguments), not arguments.yes
    if arguments.each_last:
        return undo_each_last(chosen, steps, manner, target, asks=asks)
    return undo_runs(chosen, steps, manner, target, arguments.to, asks=asks)


def _remove(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.remove_command import remove
    from smtp_auth.fleet.written import target_of

    target, steps = target_of(arguments), own_steps()
    return remove(_chosen(arguments), steps, _manner(arguments), target, asks=not arguments.yes)


# -- rollout ------------------------------------------------------------------------------------------


def _rollout_options(parser: argparse.ArgumentParser) -> None:
    _change_options(parser)
    add_layout(parser)
    add_own(parser)


def _rollout(arguments: argparse.Namespace) -> int:
    from smtp_auth.rollout.rollout_command import rollout
    from smtp_auth.rollout.wishes import wishes_of

    wishes, steps = wishes_of(arguments), own_steps()
    return rollout(_chosen(arguments), steps, _manner(arguments), wishes)


# -- merge --------------------------------------------------------------------------------------------


def _merge_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, metavar="FILE", help="the plan that is carried out")
    parser.add_argument("--wave", required=True, type=int, metavar="NUMBER", help="the wave to judge")
    parser.add_argument(
        "--earlier", metavar="FILE", help="the merged report of the wave before, if it is not the first"
    )
    parser.add_argument(
        "reports", nargs="+", metavar="FILE", help="what --json of each slice of the wave has written"
    )
    _json_option(parser)


def _merge(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.written import target_of
    from smtp_auth.rollout.merge_command import merge

    target = target_of(arguments)
    return merge(arguments.plan, arguments.wave, arguments.earlier, arguments.reports, target)


# -- verify -------------------------------------------------------------------------------------------


def _verify_options(parser: argparse.ArgumentParser) -> None:
    from smtp_auth.verify.options import OWN_OPTIONS

    for name, settings in OWN_OPTIONS.items():
        parser.add_argument(name, **settings)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show every check and every host, and how long each took"
    )
    parser.add_argument(
        "--nagios",
        metavar="HOST",
        help="verify this host alone, as a plugin of Nagios: one status line, and Nagios' exit statuses",
    )
    parser.add_argument(
        "--blackbox-config",
        metavar="FILE",
        help="look at no host, but write modules of blackbox_exporter to this file, and show their targets",
    )
    parser.epilog = "Behind -- are options of pytest: -- -k EXPRESSION -x --junitxml FILE, and others."
    parser.set_defaults(behind=())


def _verify(arguments: argparse.Namespace) -> int:
    from smtp_auth.verify.outputs import outputs_of
    from smtp_auth.verify.password import taken_from_environment

    # What the inventory runs does not find it there.
    password = taken_from_environment()
    outputs = outputs_of(arguments)
    if arguments.blackbox_config is not None:
        return _write_blackbox_config(arguments, outputs)
    if arguments.nagios is not None:
        arguments.named = _only_host(arguments, outputs)
    steps, chosen = own_steps(), _chosen(arguments)
    from smtp_auth.verify.command import Wishes, verify
    from smtp_auth.verify.nagios_command import verify_for_nagios

    wishes = Wishes(arguments.mailbox, password, outputs, arguments.verbose, arguments.behind)
    return (verify if arguments.nagios is None else verify_for_nagios)(chosen, steps, wishes)


def _only_host(arguments: argparse.Namespace, outputs: "Sequence[Output]") -> list[str]:
    """The host that Nagios asks about. Raises `Mistake` if an option contradicts it."""
    from smtp_auth.runs.mistakes import Mistake

    option = f"--nagios {arguments.nagios}"
    if arguments.limit:
        raise Mistake(f"--limit {arguments.limit[0]}: {option} says which host is meant: leave one out")
    if outputs:
        raise Mistake(f"{outputs[0].target.option}: {option} writes no file: run another verification for it")
    if arguments.behind:
        raise Mistake(f"{arguments.behind[0]}: {option} makes every check: leave out what is behind --")
    return [arguments.nagios]


def _write_blackbox_config(arguments: argparse.Namespace, outputs: "Sequence[Output]") -> int:
    from smtp_auth.fleet.written import Target
    from smtp_auth.runs.mistakes import Mistake
    from smtp_auth.verify.blackbox_command import write_config

    option = f"--blackbox-config {arguments.blackbox_config}"
    others = [output.target.option for output in outputs]
    others += [f"--nagios {arguments.nagios}"] if arguments.nagios is not None else []
    others += arguments.behind[:1]
    if others:
        raise Mistake(f"{others[0]}: {option} looks at no host: leave one of them out")
    if arguments.blackbox_config == "-":
        raise Mistake(f"{option}: standard output gets the targets: give a file")
    target = Target("--blackbox-config", arguments.blackbox_config, 0o644)
    return write_config(_chosen(arguments).hosts, target)


# -- holds --------------------------------------------------------------------------------------------


def _hosts_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("named", nargs="+", metavar="HOST", help="a host, pattern or group, as for --limit")
    _console_options(parser)


def _hold_options(parser: argparse.ArgumentParser) -> None:
    _hosts_options(parser)
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="why, on one line: it is shown to everybody"
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="when the hold ends by itself: a date (its end) or 2026-12-01T18:00, in your own time zone "
        "unless an offset such as +01:00 is given",
    )


def _hold(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.hold_command import hold
    from smtp_auth.fleet.hold_words import reason_in
    from smtp_auth.fleet.typed_times import time_until
    from smtp_auth.fleet.written import target_of

    why, until = reason_in(arguments.reason), ""
    if arguments.until is not None:
        until = time_until("--until", arguments.until)
    target = target_of(arguments)
    return hold(_named(arguments), _manner(arguments), target, why, until)


def _release(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.hold_command import release
    from smtp_auth.fleet.written import target_of

    target = target_of(arguments)
    return release(_named(arguments), _manner(arguments), target)


def _named(arguments: argparse.Namespace) -> "Chosen":
    """The hosts that a command names, each as a HOST of its own."""
    from smtp_auth.runs.mistakes import Mistake

    if arguments.limit:
        raise Mistake(
            f"--limit {arguments.limit[0]}: HOST already says which hosts are meant: give them there alone"
        )
    return _chosen(arguments)


# -- history ------------------------------------------------------------------------------------------


def _history_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--show", metavar="ID", help="show what this run did; a beginning or an end of the ID is enough"
    )
    parser.add_argument(
        "--since", metavar="TIME", help="only what began since then: 2026-11-22, 2026-11-22T10:15, 7d"
    )
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="only what this host had a part in; all hosts are asked",
    )
    _json_option(parser)


def _history(arguments: argparse.Namespace) -> int:
    from smtp_auth.fleet.history_command import Asked, history

    asked = Asked(arguments.show, arguments.since, tuple(arguments.host))
    return history(_chosen(arguments), asked, arguments.json)


# In the order of `--help`.
COMMANDS = (
    Command("plan", "show what would change on which host, and change nothing", _plan_options, _plan),
    Command(
        "apply", "change the hosts: shows the plan, asks, and proves each change", _change_options, _apply
    ),
    Command(
        "rollout",
        "change the hosts in waves, each verified before the next",
        _rollout_options,
        _rollout,
    ),
    Command(
        "merge",
        "judge a wave that several controllers have carried out, by the reports of its slices",
        _merge_options,
        _merge,
        asks_hosts=False,
    ),
    Command(
        "verify",
        "prove from outside and inside that the hosts work, changing nothing",
        _verify_options,
        _verify,
    ),
    Command("history", "show who changed what, when, with which outcome", _history_options, _history),
    Command("undo", "take back the last run: restore what it replaced", _undo_options, _undo),
    Command(
        "remove",
        "remove all that this program has written on the hosts, and restore what was there before",
        _change_options,
        _remove,
    ),
    Command(
        "queue",
        "carry out a rollout with several controllers, over a PostgreSQL",
        queue.add_options,
        queue.run,
        asks_hosts=False,
    ),
    Command("hold", "keep hosts from being changed, for a reason that everybody sees", _hold_options, _hold),
    Command("release", "end the hold of hosts", _hosts_options, _release),
)


if __name__ == "__main__":
    sys.exit(main())
