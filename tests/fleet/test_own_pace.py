"""A host that hangs, in whatever phase, holds up no other host of `smtp-auth apply`."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from lab.host import LabHost
from tests.fleet.commands import command_line
from tests.fleet.deploying import ROOT, shim
from tests.fleet.test_hosts_that_hang import hung
from tests.fleet.test_in_the_middle import DPKG, locked

_HELD = "/run/held"


@contextmanager
def _looked_at(host: LabHost) -> Iterator[None]:
    """postconf waits until the block is over, before it begins."""
    script = f'while [ -e {_HELD} ]; do sleep 0.1; done\nexec /usr/sbin/postconf "$@"'
    host.run(f"touch {_HELD}\n{shim('postconf', script)}")
    try:
        yield
    finally:
        host.run(f"rm {_HELD}")


def _proved(host: LabHost) -> AbstractContextManager[None]:
    """Dovecot does not answer, and has not loaded its new configuration."""
    return hung(host, "cat /run/dovecot/master.pid")


def _changed(host: LabHost) -> AbstractContextManager[None]:
    return locked(host, DPKG)


@pytest.mark.parametrize("hangs", [hung, _looked_at, _changed, _proved])
def test_the_others_are_done_while_it_hangs(
    stock: list[LabHost], hangs: Callable[[LabHost], AbstractContextManager[None]]
) -> None:
    stuck, other = stock
    with ExitStack() as stack:
        words = stack.enter_context(command_line("apply", stock, "--yes"))
        with hangs(stuck):
            process = stack.enter_context(
                subprocess.Popen(
                    words,
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                )
            )
            assert process.stderr
            # What is under way is said once in a while.
            done = next(line for line in process.stderr if not line.startswith("applied "))
            assert done.startswith(f"{other.name}: changed, proved in "), done
            assert process.poll() is None
        output, progress = process.communicate(timeout=300)
    assert f"{stuck.name}: changed" in progress, progress
    assert output.rstrip().endswith("2 hosts: 2 changed"), output
