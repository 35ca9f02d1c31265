"""What is done in front of the screens that are kept, on two of the lab's hosts.

All that differs from run to run is replaced: times, and the IDs of changes.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from lab.host import LabHost
from tests.fleet.deploying import TAKE_PORT_465, inventory_of, side_by_side
from tests.fleet.faults import Faults
from tests.terminal import CTRL_C, Row, Terminal, in_a_terminal

QUESTION = "Only 'yes' does: "

# Who makes the changes: `admin@controller`.
_CONTROLLER = ("unshare", "--uts", "sh", "-c", 'hostname controller && exec "$@"', "sh")
_ADMIN = {"LOGNAME": "admin"}

_SMTP_AUTH = Path(sys.executable).parent / "smtp-auth"

_FIXED = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-[0-9a-f]{4}"), "2026-11-22T10:15:00Z-3f2a"),
    (re.compile(r"\bin \d+\.\d s\b"), "in 0.4 s"),
)


def write_inventory(folder: Path, hosts: Sequence[LabHost], **data: object) -> None:
    """Let a command in this folder have these hosts, with this data besides what each has."""
    given = {"smtp_auth_on_port_25": True, "verify_addresses": "ssh", **data}
    (folder / "inventory.py").write_text(inventory_of(hosts, given, {}))


@contextmanager
def typed(
    folder: Path, *words: str, columns: int = 80, environment: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """`smtp-auth` with these words in a terminal, with the inventory of this folder."""
    command = [*_CONTROLLER, str(_SMTP_AUTH), *words]
    with in_a_terminal(command, folder, columns, {**_ADMIN, **(environment or {})}) as terminal:
        yield terminal


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same without a terminal."""
    return subprocess.run(
        [*_CONTROLLER, str(_SMTP_AUTH), *words],
        cwd=folder,
        env={**os.environ, **_ADMIN},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def held_up(folder: Path, hosts: Sequence[LabHost], *words: str, columns: int = 80) -> Iterator[Terminal]:
    """`smtp-auth apply --yes`, while the change of the first host waits, and no other host has begun."""
    first = Faults(hosts[0])
    with ExitStack() as stack:
        stack.enter_context(first)
        stack.enter_context(first.in_ssh())
        first.arm_effect(1, "pause", "rename")
        terminal = stack.enter_context(
            typed(folder, "apply", "--yes", "--parallel", "1", *words, columns=columns)
        )
        while not first.is_paused():
            assert terminal.read(), terminal.shown
        yield terminal


def _plan(folder: Path, hosts: Sequence[LabHost], columns: int) -> Terminal:
    hosts[1].reset()
    write_inventory(folder, hosts[1:])
    with typed(folder, "plan", columns=columns) as terminal:
        assert terminal.status() == 0, terminal.shown
        return terminal


def _apply(folder: Path, hosts: Sequence[LabHost], columns: int) -> Terminal:
    """The first host is refused, the second one gets another value."""
    first, second = hosts
    side_by_side(LabHost.reset, hosts)
    write_inventory(folder, [second], tls_minimum_version="TLSv1.2")
    before = run(folder, "apply", "--yes")
    assert before.returncode == 0, before.stderr
    write_inventory(folder, hosts, tls_minimum_version="TLSv1.3")
    first.run(TAKE_PORT_465)
    try:
        with typed(folder, "apply", columns=columns) as terminal:
            terminal.wait_for(QUESTION)
            terminal.type("yes\n")
            assert terminal.status() == 1, terminal.shown
            return terminal
    finally:
        first.run("systemctl stop taken")


def _interrupted(folder: Path, hosts: Sequence[LabHost], columns: int) -> Terminal:
    side_by_side(LabHost.reset, hosts)
    write_inventory(folder, hosts)
    with held_up(folder, hosts, columns=columns) as terminal:
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit")
        Faults(hosts[0]).go_on()
        assert terminal.status() == 130, terminal.shown
        return terminal


def _left(folder: Path, hosts: Sequence[LabHost], columns: int) -> Terminal:
    side_by_side(LabHost.reset, hosts)
    write_inventory(folder, hosts)
    with held_up(folder, hosts, columns=columns) as terminal:
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit")
        terminal.type(CTRL_C)
        assert terminal.status() == 130, terminal.shown
        Faults(hosts[0]).go_on()
        Faults(hosts[0]).wait_over()
        return terminal


_Scene = Callable[[Path, Sequence[LabHost], int], Terminal]

# The words of each command line, and what happens in front of it.
_SCENES: Mapping[str, tuple[str, _Scene]] = {
    "plan": ("plan", _plan),
    "apply": ("apply", _apply),
    "interrupted": ("apply --yes --parallel 1", _interrupted),
    "left": ("apply --yes --parallel 1", _left),
}

SCENES = (*_SCENES,)


def rows(name: str, folder: Path, hosts: Sequence[LabHost], columns: int) -> list[Row]:
    """What a terminal shows at the end of a scene.

    + folder: an empty one
    + hosts: two
    """
    words, scene = _SCENES[name]
    terminal = scene(folder, hosts, columns)
    # Where the terminal shows what was typed depends on what is drawn at that moment.
    shown = [row for row in terminal.rows() if row.text != "^C"]
    found = [Row(f"$ smtp-auth {words}"), *shown]
    return [replace(row, text=_fixed(row.text)) for row in found]


def _fixed(text: str) -> str:
    for pattern, instead in _FIXED:
        text = pattern.sub(instead, text)
    return text
