"""What a run costs a host, counted: SSH channels, processes, reloads. Exact, on both releases.

The benchmark (`bench`) measures times; these counts are what the times come from.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.counts import Counts, counted, make_countable
from lab import Lab, LabHost
from tests.fleet.deploying import deploy, ended, started, succeed

# Processes of the look, of its confirmation and of sshd itself; Debian 13's sshd has more of them.
_PROCESSES = {"bookworm": 16, "trixie": 18}

# SSH channels: one for the plan's look, one for the confirmation, before the execution, that nothing has
# changed since.
_LOOK, _CONFIRMATION = 1, 1


@pytest.fixture
def countable(stock: list[LabHost]) -> Iterator[list[LabHost]]:
    """Stock hosts whose SSH channels can be counted."""
    for host in stock:
        make_countable(host)
    yield stock
    for host in stock:
        host.reset()
        host.run("systemctl reload ssh")


def _count(lab: Lab, hosts: list[LabHost], **data: object) -> dict[str, Counts]:
    with ExitStack() as stack:
        counts = {host.name: stack.enter_context(counted(lab, host)) for host in hosts}
        succeed(deploy(hosts, data=data))
    return counts


def test_every_command_is_counted(lab: Lab, countable: list[LabHost]) -> None:
    hook = dovecot = postfix = 1
    for counts in _count(lab, countable).values():
        assert counts.connections == 1
        assert counts.channels == _LOOK + _CONFIRMATION + hook + dovecot + postfix
        assert (counts.postfix_reloads, counts.dovecot_reloads) == (1, 1)

    # Twice: the host itself may start processes meanwhile, so the lower count is taken.
    nothing_to_do = [_count(lab, countable) for _ in range(2)]
    for host in countable:
        counts = min((run[host.name] for run in nothing_to_do), key=lambda counts: counts.processes)
        assert (counts.connections, counts.channels) == (1, _LOOK + _CONFIRMATION)
        assert (counts.postfix_reloads, counts.dovecot_reloads) == (0, 0)
        assert counts.processes == _PROCESSES[host.release]

    for counts in _count(lab, countable, smtpd_tls_security_level="encrypt").values():
        assert (counts.connections, counts.channels) == (1, _LOOK + _CONFIRMATION + postfix)
        assert (counts.postfix_reloads, counts.dovecot_reloads) == (1, 0)


def test_what_was_touched_since_the_plan_is_looked_at_anew(lab: Lab, countable: list[LabHost]) -> None:
    touched, untouched = countable
    with ExitStack() as stack:
        counts = {host.name: stack.enter_context(counted(lab, host)) for host in countable}
        process = stack.enter_context(started(countable, "--diff"))
        assert process.stdout is not None
        # The plan ends with a question.
        assert any("Detected changes" in line for line in process.stdout)
        touched.run("touch /etc/dovecot/conf.d/10-mail.conf")
        succeed(ended(process, "\n"))
    channels = {name: count.channels for name, count in counts.items()}
    assert channels[touched.name] == channels[untouched.name] + _LOOK
