"""What a run does to a host: SSH channels, bytes, processes, reloads. Counted, not timed."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import Lab, LabHost

# What sshd (at LogLevel VERBOSE), Postfix's master and Dovecot's master write into the journal.
_SESSION = re.compile(r"^Starting session: ")
_CONNECTION = re.compile(r"^Accepted publickey for ")
_RELOADS = {
    "Postfix": re.compile(r"^reload -- version "),
    "Dovecot": re.compile(r"^master: Warning: SIGHUP received - reloading configuration"),
}


@dataclass
class Counts:
    """What happened on one host.

    + connections: SSH connections with a successful login
    + channels: SSH channels with a command (RFC 4254, section 6.5)
    + sent, received: all bytes on the cable, from and to the controller
    + processes: processes and threads started
    + postfix_reloads, dovecot_reloads: how often each read its configuration again
    """

    connections: int = 0
    channels: int = 0
    sent: int = 0
    received: int = 0
    processes: int = 0
    postfix_reloads: int = 0
    dovecot_reloads: int = 0


# Makes sshd log each session that it starts: an SSH channel with a command.
_SSHD = ("etc/ssh/sshd_config.d/count.conf", "LogLevel VERBOSE\n")


def make_countable(host: LabHost) -> None:
    """Let the host's sshd log its sessions, until an earlier state of the host is restored."""
    path, text = _SSHD
    (host.root / path).write_text(text)
    host.run("systemctl reload ssh")


@contextmanager
def counted(lab: Lab, host: LabHost) -> Iterator[Counts]:
    """Count what happens on a host while the block runs; the counts are complete after the block.

    The host must be countable (`make_countable`).
    """
    interface = _interface(lab, host)
    counts = Counts()
    cursor = _journal(host, "--lines=0 --show-cursor")[-1].partition("cursor: ")[2]
    # Reading the last pid starts processes, too: always the same number, which is subtracted.
    own = -_last_pid(host) + _last_pid(host)
    sent, received = _traffic(interface)
    pid = _last_pid(host)
    yield counts
    counts.processes = _last_pid(host) - pid - own
    sent_now, received_now = _traffic(interface)
    counts.sent, counts.received = sent_now - sent, received_now - received
    lines = _journal(host, f"--after-cursor='{cursor}'")
    counts.channels = sum(bool(_SESSION.match(line)) for line in lines)
    counts.connections = sum(bool(_CONNECTION.match(line)) for line in lines)
    counts.postfix_reloads = sum(bool(_RELOADS["Postfix"].match(line)) for line in lines)
    counts.dovecot_reloads = sum(bool(_RELOADS["Dovecot"].match(line)) for line in lines)


def _interface(lab: Lab, host: LabHost) -> str:
    """The controller's end of the host's cable."""
    recorded = json.loads((lab.folder / "lab.json").read_text())
    return str(recorded["hosts"][host.name]["interface"])


def _journal(host: LabHost, options: str) -> list[str]:
    # The newest lines may not be in the journal yet: --sync waits for them.
    return host.run(f"journalctl --sync; journalctl --quiet -o cat {options}").stdout.splitlines()


def _last_pid(host: LabHost) -> int:
    """The host's newest pid; on a booted host, far below the largest, after which numbers start again."""
    return int(host.run("cat /proc/sys/kernel/ns_last_pid").stdout)


def _traffic(interface: str) -> tuple[int, int]:
    folder = Path("/sys/class/net", interface, "statistics")
    to_host, from_host = ((folder / name).read_text() for name in ("tx_bytes", "rx_bytes"))
    return int(to_host), int(from_host)
