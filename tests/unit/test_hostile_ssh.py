"""SSH servers that hang, trickle, flood or break off, beside a healthy host: a history of all of them."""

import json
import re
import signal
import socket
import sys
from pathlib import Path
from subprocess import DEVNULL, Popen, run
from typing import Any

import pytest

from tests.hostile_ssh import BEHAVIOURS, hostile_server, inventory_of
from tests.memory import measured, peak
from tests.terminal import without_progress

ROOT = Path(__file__).resolve().parents[2]

# Until a host that hangs is given up. The others have the default, for the sake of a busy machine.
SECONDS = 3

# In KiB, as wait4(2) counts.
SMALL = 200 << 10

_SLOW = (
    r"^not reached: no connection was made within 3 seconds: 'ssh -v HOST' shows where it hangs; if the host"
)
_MUCH = "^not reached: it sent more than 262144 bytes before it let anybody log in: 'ssh -v HOST' shows"
_CLOSED = "^not reached: it closed the connection before it let anybody log in: 'ssh -v HOST' shows where$"
# A busy machine has not logged in by then.
_LATE = (
    rf"{_SLOW}|^the host gave no complete answer within 3 seconds: find out what it waits for; if it is only"
)
_FLOOD = "^the host printed more than the 16777216 bytes that are read: a start-up file of the login shell"

SENTENCES = {
    "says nothing": _SLOW,
    "hangs up": _CLOSED,
    "trickles its first line": _SLOW,
    "trickles lines before its first": _SLOW,
    "has a first line without an end": _MUCH,
    "floods before its first line": r'^not reached: SSH error \(Indecipherable protocol version ""\)$',
    "hangs after its first line": _SLOW,
    "breaks off while keys are exchanged": _CLOSED,
    "sends a packet without an end": _MUCH,
    "sends packets that mean nothing": _MUCH,
    "trickles packets that mean nothing": _SLOW,
    "answers no login": _SLOW,
    "answers no command": _LATE,
    "answers nothing": _LATE,
    "breaks off in its answer": "^the (connection was lost: |record of this host is incomplete)",
    "answers that all is well": "^the host ended the session before the command began, and said nothing",
    "says why it reads no more": "^the account's login shell on this host is nologin",
    "trickles its answer": _LATE,
    "answers a line without an end": _FLOOD,
    "answers empty lines": _FLOOD,
    "complains without an end": _FLOOD,
    "greets without an end": _FLOOD,
    "ignores the window": _FLOOD,
}

# Ways to a host that lead nowhere, as the SSH configuration has them, where PORT never says anything.
WAYS = {
    "a jump host that hangs": ("ProxyJump root@127.0.0.1:PORT", _SLOW),
    "a command that hangs": ("ProxyCommand sleep 600", _SLOW),
    "a command that ends": ("ProxyCommand true", _CLOSED),
    "a command that floods": ("ProxyCommand cat /dev/zero", _MUCH),
}


def _name(words: str) -> str:
    return words.replace(" ", "-")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The history in JSON: each host's part by its name; and how much memory that took."""
    folder = tmp_path_factory.mktemp("hostile")
    inventory = folder / "inventory.py"
    with hostile_server() as ports:
        config = folder / "ssh_config"
        config.write_text(
            "".join(f"Host {_name(way)}\n    {WAYS[way][0]}\n" for way in WAYS).replace(
                "PORT", str(ports["says nothing"])
            )
        )
        impatient = {"host_seconds": SECONDS}
        ways = [
            (_name(way), {"ssh_config_file": str(config), **(impatient if said == _SLOW else {})})
            for way, (_, said) in WAYS.items()
        ]
        others = [*ways, ("no-number", {"host_seconds": "many"}), "@local"]
        hang = {name: port for name, port in ports.items() if SENTENCES[name] in (_SLOW, _LATE)}
        rest = {name: port for name, port in ports.items() if name not in hang}
        inventory.write_text(
            inventory_of(hang, folder, group="hang", host_seconds=SECONDS)
            + inventory_of(rest, folder, group="rest")
            + f"others = {others!r}\n"
        )
        words = ["history", "--json", "-", "--inventory", str(inventory)]
        command = [sys.executable, "-m", "smtp_auth.cli", *words]
        size = folder / "size"
        done = run(measured(command, size), cwd=ROOT, capture_output=True, text=True)
    return {**json.loads(done.stdout)["hosts"], "errors": without_progress(done.stderr), "KiB": peak(size)}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_hostile_host_has_one_sentence(told: dict[str, Any], behaviour: str) -> None:
    error = told[_name(behaviour)]["error"]
    assert re.search(SENTENCES[behaviour], error), error
    assert len(error) < 300


@pytest.mark.parametrize("way", WAYS)
def test_a_way_that_leads_nowhere_has_one_sentence(told: dict[str, Any], way: str) -> None:
    assert re.search(WAYS[way][1], told[_name(way)]["error"]), told[_name(way)]


def test_wrong_data_of_one_host_is_that_hosts(told: dict[str, Any]) -> None:
    wrong = "host_seconds = 'many': give a number of seconds, more than 0"
    assert told["no-number"]["error"] == f"not reached: {wrong}"


def test_a_healthy_host_beside_them_is_read(told: dict[str, Any]) -> None:
    assert told["@local"]["error"] is None


def test_nothing_else_is_printed_and_the_controller_stays_small(told: dict[str, Any]) -> None:
    heading, *keys = told["errors"].splitlines()
    assert heading.startswith("SSH keys of these hosts were not known; they are accepted and stored in ")
    assert all(re.match(r"\[127\.0\.0\.1\]:\d+: ", line) for line in keys)
    assert told["KiB"] < SMALL


def test_ctrl_c_does_not_wait_for_a_host_that_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        inventory = tmp_path / "inventory.py"
        ports = {"says nothing": listener.getsockname()[1]}
        inventory.write_text(inventory_of(ports, tmp_path, host_seconds=600))
        words = [sys.executable, "-m", "smtp_auth.cli", "history", "--inventory", str(inventory)]
        with Popen(words, cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL) as process, listener.accept()[0]:
            process.send_signal(signal.SIGINT)
            # That it ends is the point: the host has ten minutes.
            process.wait(60)
