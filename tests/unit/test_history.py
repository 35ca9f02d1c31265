"""A fleet's history as a table, in detail, and as JSON."""

import json
import os
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import pytest

from smtp_auth.facts.record import PastChange, Record
from smtp_auth.fleet.history import HostHistory, as_json, details, table
from tests.terminal import CTRL_C, in_a_terminal
from tests.unit.past import deployed
from tests.unit.scenarios import MAIN_CF, stock, wanted, with_file


def _change(mode: str = "0644", outcome: str = "live") -> PastChange:
    _, change = deployed(with_file(stock("3.10.5"), MAIN_CF, mode=mode), wanted())
    manifest = {
        **change.manifest,
        "outcome": outcome,
        "said": "Postfix\x1b refused" if outcome != "live" else "",
    }
    return replace(change, manifest=manifest)


FOUND = {
    "a.example": HostHistory(Record((_change(),))),
    "b.example": HostHistory(Record((_change(),))),
    "c.example": HostHistory(Record((_change(outcome="put back"),), unreadable=("2026-x",))),
    "d.example": HostHistory(error="not reached: timed out"),
}
ID = _change().id


def test_a_line_per_change_and_outcome_then_what_could_not_be_read() -> None:
    assert [line.split("  ")[:4] for line in table(FOUND)][:2] == [
        [ID, "admin@controller as root", "put back", "c.example"],
        [ID, "admin@controller as root", "live", ""],
    ]
    lines = list(table(FOUND))
    assert "a.example and b.example" in lines[1]
    assert lines[2:] == [
        "c.example: the manifest of change 2026-x cannot be read",
        "d.example: not reached: timed out",
    ]


def test_all_hosts_and_many_hosts_are_told_in_few_words() -> None:
    same = {f"h{number}.example": FOUND["a.example"] for number in range(5)}
    assert "all 5 hosts" in next(table(same))
    assert "h0.example, h1.example and 3 more" in next(table({**same, "d": HostHistory(error="x")}))


def test_nothing_on_record_is_said() -> None:
    assert list(table({"a.example": HostHistory()})) == ["no change is on record"]


def test_hosts_with_the_same_difference_are_told_once() -> None:
    lines = list(details(FOUND, ID))
    assert lines[0] == "a.example and b.example: live, by admin@controller as root"
    assert lines.count("    +smtpd_tls_auth_only = yes") == 2
    assert "    Postfix\\x1b refused" in lines
    assert "no host has a change nothing on record" in list(details(FOUND, "nothing"))


def test_lines_of_a_file_that_not_everybody_may_read_are_not_shown() -> None:
    found = {"a.example": HostHistory(Record((_change(mode="0640"),)))}
    lines = list(details(found, ID))
    assert "    (not shown: not everybody may read the file)" in lines
    assert not any("smtpd_tls_auth_only" in line for line in lines)
    (change,) = as_json(found, ID)["hosts"]["a.example"]["changes"]
    shown = {edit["path"]: edit["lines"] for edit in change["edits"]}
    assert shown["/etc/postfix/main.cf"] is None
    assert any("smtpd_tls_wrappermode" in line for line in shown["/etc/postfix/master.cf"])


def test_json_of_one_change_has_no_other() -> None:
    hosts = as_json(FOUND, "nothing on record")["hosts"]
    assert all(host["changes"] == [] for host in hosts.values())


def test_json_has_every_change_and_every_trouble() -> None:
    hosts = json.loads(json.dumps(as_json(FOUND)))["hosts"]
    assert hosts["d.example"] == {
        "error": "not reached: timed out",
        "same_machine": [],
        "unreadable": [],
        "changes": [],
    }
    assert hosts["c.example"]["unreadable"] == ["2026-x"]
    (entry,) = hosts["c.example"]["changes"]
    assert "edits" not in entry
    assert (entry["id"], entry["outcome"], entry["undone"]) == (ID, "put back", [])
    assert entry["about"].startswith("SMTP TLS; Certificate rotation; ")


def test_names_of_one_machine_are_noted() -> None:
    record = Record((_change(),), machine="m")
    found = {**FOUND, **{name: HostHistory(record) for name in ("x.example", "y.example")}}
    (line,) = [line for line in table(found) if "one machine" in line]
    assert line.startswith("x.example and y.example are one machine (")
    assert line in list(details(found, ID))
    hosts = as_json(found)["hosts"]
    assert {name: host["same_machine"] for name, host in hosts.items() if host["same_machine"]} == {
        "x.example": ["y.example"],
        "y.example": ["x.example"],
    }


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.py"
    inventory.write_text('hosts = ["@local"]\n')
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "smtp_auth.cli", "history", f"--inventory={inventory}"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(words, cwd=root, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


ROOT = Path(__file__).resolve().parents[2]

HISTORY = (sys.executable, "-m", "smtp_auth.cli", "history")


@pytest.fixture
def this_machine(tmp_path: Path) -> str:
    inventory = tmp_path / "inventory.py"
    inventory.write_text('hosts = ["@local"]\n')
    return f"--inventory={inventory}"


def test_a_full_disk_is_one_sentence(this_machine: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*HISTORY, this_machine, "--json"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    sentence = "the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, sentence)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_a_closed_stream_is_no_error(this_machine: str, closed: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *HISTORY, this_machine],
        capture_output=True,
        text=True,
        check=False,
    )
    printed = "" if closed == ">&-" else "no change is on record\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


def test_an_interrupted_prompt_leaves_the_terminal_as_it_was() -> None:
    program = (
        "import getpass, sys\n"
        "from smtp_auth import cli\n"
        "cli.COMMANDS = (cli.Command('ask', 'ask', lambda _: None, lambda _: getpass.getpass('sudo: ')),)\n"
        "sys.argv[1:] = ['ask']\n"
        "cli.main()\n"
    )
    with in_a_terminal([sys.executable, "-c", program], ROOT) as terminal:
        terminal.wait_for("sudo: ")
        terminal.type(CTRL_C)
        assert terminal.process.wait(60) == 130
        assert termios.tcgetattr(terminal.descriptor)[3] & termios.ECHO
