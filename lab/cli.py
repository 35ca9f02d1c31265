"""The lab on the command line: `python3 -m lab up | down | clean | status | shell`."""

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import cleaning
from lab.claim import Claims
from lab.command import LabError, environment, require_machine
from lab.fleet import DEFAULT_FLEET, HostSpec
from lab.lab import Lab
from lab.state import boot_id, read

ROOT = Path(__file__).resolve().parents[1]

_printing = threading.Lock()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.do(options))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; `down` removes what was made", file=sys.stderr, flush=True)
        # A normal exit would wait until the hosts are made.
        os._exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m lab",
        description="Really booted Debian mail hosts on this machine.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="boot hosts; hosts that are up stay as they are")
    up.add_argument("hosts", nargs="*", metavar="HOST", help="hosts of the fleet; all by default")
    up.set_defaults(do=_up)

    down = commands.add_parser("down", help="remove the lab, also after a crash, and say what stays")
    down.set_defaults(do=_down)

    clean = commands.add_parser("clean", help="remove the lab and all else that is ours")
    clean.set_defaults(do=_clean)

    status = commands.add_parser("status", help="show the hosts and whether they are up")
    status.add_argument("--json", action="store_true", help="print JSON, for programs")
    status.set_defaults(do=_status)

    shell = commands.add_parser("shell", help="a root shell, or one command, inside a host")
    shell.add_argument("host", metavar="HOST")
    shell.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    shell.set_defaults(do=_shell)
    return parser


def _line(subject: str, text: str, seconds: float | None = None) -> None:
    end = "" if seconds is None else f"  {seconds:5.1f} s"
    with _printing:
        print(f"{subject:<18}  {text:<36}{end}".rstrip(), flush=True)


def _up(options: argparse.Namespace) -> int:
    lab = Lab(ROOT, tell=_line)
    lab.up(_chosen(options.hosts))
    _line("lab", f"{len(lab.hosts)} hosts up; ssh -F {_shown(lab.ssh_config)} HOST")
    return 0


def _chosen(names: Sequence[str]) -> Sequence[HostSpec]:
    if not names:
        return DEFAULT_FLEET
    fleet = {spec.name: spec for spec in DEFAULT_FLEET}
    for name in names:
        if name not in fleet:
            raise LabError(f"no such host in the fleet: {name} ({', '.join(fleet)})")
    return [fleet[name] for name in dict.fromkeys(names)]


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _down(_options: argparse.Namespace) -> int:
    Lab(ROOT, tell=_line).down()
    lines = list(cleaning.left(ROOT, Claims()))
    for line in lines:
        _line("stays", line)
    if lines:
        _line("", "`make clean` deletes this, and says how the packages are removed")
    return 0


def _clean(_options: argparse.Namespace) -> int:
    claims = Claims()
    for folder in {ROOT, *claims.below(ROOT)}:
        lab = Lab(folder, tell=_line)
        # Without a lab, the programs that it needs may be gone as well.
        if lab.is_there():
            lab.down()
    lines = list(cleaning.clean(ROOT, claims))
    for line in lines:
        _line("stays", line)
    if not lines:
        _line("clean", "nothing of ours is left")
    return 0


def _status(options: argparse.Namespace) -> int:
    rows = _rows()
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        _line("lab", "down")
    else:
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            print(f"{row['name']:<{width}}  {row['state']:<10}  {row['release']:<8}  {row['address']}")
    return 0


def _rows() -> list[dict[str, Any]]:
    """One row per host: its data, its address, and whether it is up, off, unfinished or stale."""
    state = read(ROOT)
    if state is None:
        return []
    rows = []
    for name, host in state.hosts.items():
        if state.boot != boot_id():
            word = "stale"
        elif not host.ready:
            word = "unfinished"
        else:
            word = "up" if host.process is not None and host.process.alive() else "off"
        rows.append(
            {
                "name": name,
                "release": host.spec.release,
                "domain": host.spec.domain,
                "group": host.spec.group,
                "address": state.names.address(host.index),
                "user": host.spec.user,
                "state": word,
            }
        )
    return rows


def _shell(options: argparse.Namespace) -> int:
    require_machine()
    hosts = Lab.load(ROOT).hosts
    if options.host not in hosts:
        raise LabError(f"no such host in the lab: {options.host} ({', '.join(hosts)})")
    # As with ssh, the words of a command are joined to one line for the host's shell.
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    inside = ["/bin/sh", "-c", " ".join(words)] if words else ["/bin/bash", "--login"]
    terminal = [f"TERM={os.environ['TERM']}"] if "TERM" in os.environ else []
    argv = [*hosts[options.host].enter(), *terminal, *inside]
    os.execvpe(argv[0], argv, environment())
