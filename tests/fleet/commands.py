"""Runs `smtp-auth` on the lab's hosts as a user would, with the test's own inventory and data."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.host import LabHost
from tests.fleet.deploying import ROOT, inventory_of

_TIMEOUT = 900

SMTP_AUTH = str(Path(sys.executable).parent / "smtp-auth")


@dataclass(frozen=True)
class Done:
    """A command that has ended. + output: its results; + progress: what it wrote to standard error"""

    status: int
    output: str
    progress: str


def smtp_auth(
    command: str,
    hosts: Iterable[LabHost],
    *options: str,
    data: Mapping[str, Any] | None = None,
    per_host: Mapping[str, Mapping[str, Any]] | None = None,
    stdin: str = "",
) -> Done:
    """Run `smtp-auth COMMAND` against these hosts alone.

    + options: further options
    + data: data keys for every host; + per_host: data keys by host name, over `data`
    + stdin: what can be read there, which is no terminal
    """
    with command_line(command, hosts, *options, data=data, per_host=per_host) as words:
        done = subprocess.run(words, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=_TIMEOUT)
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def command_line(
    command: str,
    hosts: Iterable[LabHost],
    *options: str,
    data: Mapping[str, Any] | None = None,
    per_host: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[list[str]]:
    """The words of a command, with an inventory that exists inside the `with`."""
    with tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder) / "inventory.py"
        inventory.write_text(inventory_of(hosts, data or {}, per_host or {}))
        yield [SMTP_AUTH, command, "--inventory", str(inventory), *options]
