"""What a run costs a host, counted: SSH channels, processes, reloads. Exact, on both releases.

The benchmark (`bench`) measures times; these counts are what the times come from.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.counts import Counts, counted, make_countable
from lab import Lab, LabHost
from tests.fleet.deploying import deploy, succeed, typed
from tests.fleet.test_verify_breakages import verify

# Processes of the look and of sshd itself; Debian 13's sshd has more of them.
_PROCESSES = {"bookworm": 13, "trixie": 15}

# The most processes that a first deploy may start on a host, including those of the services' reloads.
_OF_A_FIRST_DEPLOY = 100

# SSH channels: the plan's look; the rehearsal, if there is a preview; the change; a verification's commands.
_LOOK = _REHEARSAL = _CHANGE = _COMMANDS = 1


@pytest.fixture
def countable(stock: list[LabHost]) -> Iterator[list[LabHost]]:
    """Stock hosts whose SSH channels can be counted."""
    for host in stock:
        make_countable(host)
    yield stock
    for host in stock:
        host.reset()
        host.run("systemctl reload ssh")


def _count(lab: Lab, hosts: list[LabHost], *options: str, **data: object) -> dict[str, Counts]:
    with ExitStack() as stack:
        counts = {host.name: stack.enter_context(counted(lab, host)) for host in hosts}
        succeed(deploy(hosts, *options, data=data))
    return counts


def test_every_command_is_counted(lab: Lab, countable: list[LabHost]) -> None:
    for counts in _count(lab, countable, "--dry").values():
        assert (counts.connections, counts.channels) == (1, _LOOK + _REHEARSAL)
        assert (counts.postfix_reloads, counts.dovecot_reloads) == (0, 0)

    for counts in _count(lab, countable).values():
        assert (counts.connections, counts.channels) == (1, _LOOK + _CHANGE)
        assert (counts.postfix_reloads, counts.dovecot_reloads) == (1, 1)
        assert counts.processes <= _OF_A_FIRST_DEPLOY

    # Twice: the host itself may start processes meanwhile, so the lower count is used.
    nothing_to_do = [_count(lab, countable) for _ in range(2)]
    for host in countable:
        counts = min((run[host.name] for run in nothing_to_do), key=lambda counts: counts.processes)
        assert (counts.connections, counts.channels) == (1, _LOOK)
        assert (counts.postfix_reloads, counts.dovecot_reloads) == (0, 0)
        assert counts.processes == _PROCESSES[host.release]

    for counts in _count(lab, countable, smtpd_tls_security_level="encrypt").values():
        assert (counts.connections, counts.channels) == (1, _LOOK + _CHANGE)
        assert (counts.postfix_reloads, counts.dovecot_reloads) == (1, 0)


def test_a_run_with_a_preview_has_one_channel_more(lab: Lab, countable: list[LabHost]) -> None:
    with ExitStack() as stack:
        counts = [stack.enter_context(counted(lab, host)) for host in countable]
        with typed(countable, "--diff") as terminal:
            terminal.wait_for("y or yes: ")
            terminal.type("y\n")
            assert terminal.status() == 0, terminal.shown
    assert [count.channels for count in counts] == [_LOOK + _REHEARSAL + _CHANGE] * len(countable)


def test_a_verification_has_two_channels(lab: Lab, countable: list[LabHost], tmp_path: Path) -> None:
    succeed(deploy(countable))
    with ExitStack() as stack:
        counts = [stack.enter_context(counted(lab, host)) for host in countable]
        data = {host.name: {"verify_ca_file": str(lab.ca)} for host in countable}
        found = verify(tmp_path, countable, data, "-k", "not wrong_password")
    assert found.status == 0, found.output
    assert [(count.connections, count.channels) for count in counts] == [(1, _LOOK + _COMMANDS)] * len(
        countable
    )
