"""`smtp-auth plan` and `apply` in a terminal, and where there is none, with stand-ins for the hosts."""

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.terminal import CTRL_C, CTRL_D, Terminal, in_a_terminal

ROOT = Path(__file__).resolve().parents[2]

QUESTION = "Only 'yes' does: "
NAMES = ("new1.example.jp", "done1.example.jp", "stopped1.example.jp", "gone1.example.jp")


@dataclass
class Fleet:
    """Stand-ins for hosts, and the folder of their inventory."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def has(self, *names: str) -> None:
        """Let these be the hosts."""
        data = {
            "mail_domain": "example.jp",
            "mail_hostname": "mail1.example.jp",
            "smtp_auth_on_port_25": True,
        }
        (self.folder / "inventory.py").write_text(f"hosts = ({[*names]!r}, {data!r})\n")

    def words(self, *words: str) -> list[str]:
        """The command line of `smtp-auth` with these words."""
        return [sys.executable, "-m", "tests.unit.stand_ins", str(self.folder), *words]

    def typed(self, *words: str, columns: int = 80) -> AbstractContextManager[Terminal]:
        """It in a terminal."""
        return in_a_terminal(self.words(*words), self.folder, columns, self.full_environment)

    def shell(self, rest: str, *words: str) -> AbstractContextManager[Terminal]:
        """It in a terminal, as a part of a shell's command. + rest: what is behind it"""
        # An interruption is for the program, and its status counts.
        script = f"trap : INT; {shlex.join(self.words(*words))} {rest}; exit ${{PIPESTATUS[0]}}"
        return in_a_terminal(["bash", "-c", script], self.folder, environment=self.full_environment)

    def run(
        self, *words: str, typed: str = "", stdout: int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        """It without a terminal."""
        return subprocess.run(
            self.words(*words),
            cwd=self.folder,
            env={**os.environ, **self.full_environment},
            input=typed,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    @property
    def full_environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT), **self.environment}

    def holds(self, what: str) -> None:
        """Let a host wait where it is asked, or changed: `ask NAME`, `change NAME`."""
        (self.folder / what).touch()

    def goes_on(self, what: str) -> None:
        """Let it wait no more."""
        (self.folder / what).unlink()

    def is_(self, what: str) -> bool:
        """Whether the change of a host has begun or is live: `begun NAME`, `live NAME`."""
        return (self.folder / what).exists()


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    for name in ("NO_COLOR", "TERM", "LANG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    fleet = Fleet(tmp_path)
    fleet.has(*NAMES)
    return fleet


def until_it_is(fleet: Fleet, what: str, terminal: Terminal) -> None:
    """Wait until a change has begun, or is live."""
    while not fleet.is_(what):
        assert terminal.read(), terminal.shown


def is_left_as_it_was(terminal: Terminal, *said: str) -> None:
    """The program has ended in order, and has said each of this exactly once."""
    assert "Traceback" not in terminal.shown
    assert "under way: " not in "\n".join(terminal.lines()), terminal.lines()
    text = " ".join(" ".join(terminal.lines()).split())
    for words in said:
        assert text.count(words) == 1, terminal.lines()
    assert terminal.is_as_before()
    names_are_whole(terminal.lines())


def names_are_whole(lines: list[str]) -> None:
    """No name of a host is cut."""
    for first, second in pairwise(lines):
        for name in NAMES:
            together = first + second.lstrip()
            assert together.count(name) == first.count(name) + second.count(name), (first, second)


# -- interruptions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_interrupted_while_hosts_are_asked(fleet: Fleet, command: str) -> None:
    fleet.holds("ask new1.example.jp")
    with fleet.typed(command) as terminal:
        terminal.wait_for("asked 3 of 4 hosts (1 converged, 1 refused, 1 unreachable); under way: ")
        terminal.type(CTRL_C)
        assert terminal.status() == 130
        is_left_as_it_was(terminal, "Interrupted: no change is under way.")
    assert len(terminal.lines()) == 1


def test_interrupted_at_the_question(fleet: Fleet) -> None:
    with fleet.typed("apply") as terminal:
        terminal.wait_for(QUESTION)
        terminal.type(CTRL_C)
        assert terminal.status() == 130
        is_left_as_it_was(terminal, QUESTION + "^C Interrupted: no change is under way.")
    assert not fleet.is_("begun new1.example.jp")


def test_interrupted_once_it_waits_for_the_change_and_begins_no_other(fleet: Fleet) -> None:
    fleet.has("new1.example.jp", "new2.example.jp")
    fleet.holds("change new1.example.jp")
    with fleet.typed("apply", "--yes", "--parallel", "1") as terminal:
        terminal.wait_for("applied 0 of 2 hosts; under way: new1.example.jp")
        until_it_is(fleet, "begun new1.example.jp", terminal)
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit")
        fleet.goes_on("change new1.example.jp")
        assert terminal.status() == 130
        is_left_as_it_was(terminal, "waiting for 1 change under way", "2 hosts: 1 changed, 1 not begun")
    assert fleet.is_("live new1.example.jp")
    assert not fleet.is_("begun new2.example.jp")


def test_interrupted_twice_it_leaves_the_change_to_its_host(fleet: Fleet) -> None:
    fleet.holds("change new1.example.jp")
    with fleet.typed("apply", "--yes") as terminal:
        until_it_is(fleet, "begun new1.example.jp", terminal)
        # What is typed appears where the terminal is written to at that moment.
        terminal.wait_for("applied 3 of 4 hosts")
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit")
        terminal.type(CTRL_C)
        assert terminal.status() == 130
        is_left_as_it_was(
            terminal,
            "Interrupted again.",
            "new1.example.jp: not waited for: the host completes the change",
            "4 hosts: 1 not reached, 1 not waited for, 1 refused, 1 unchanged",
        )


def test_a_terminal_that_is_closed_interrupts_in_the_same_way(fleet: Fleet, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    fleet.holds("change new1.example.jp")
    with fleet.typed("apply", "--yes", "--json", str(found)) as terminal:
        terminal.wait_for("applied 3 of 4 hosts")
        until_it_is(fleet, "begun new1.example.jp", terminal)
        os.dup2(os.open(os.devnull, os.O_RDWR), terminal.descriptor)
        fleet.goes_on("change new1.example.jp")
        assert terminal.process.wait(60) == 130
    assert json.loads(found.read_text())["hosts"]["new1.example.jp"]["outcome"] == "changed"


@pytest.mark.parametrize("words", [("plan",), ("plan", "--check"), ("apply", "--yes")])
def test_json_behind_a_closed_pipe_does_not_hide_the_status(fleet: Fleet, words: tuple[str, ...]) -> None:
    with fleet.shell("| true", *words, "--json", "-") as terminal:
        assert terminal.status() == 1, terminal.shown
    assert "Traceback" not in terminal.shown


def test_the_json_of_a_change_is_written_whatever_becomes_of_its_words(fleet: Fleet, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    found.touch(mode=0o600)
    with Path("/dev/full").open("w") as full:
        done = fleet.run("apply", "--yes", "--json", str(found), stdout=full.fileno())
    assert done.returncode == 1
    assert "the output cannot be written: No space left on device" in done.stderr
    assert json.loads(found.read_text())["hosts"]["new1.example.jp"]["outcome"] == "changed"
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert {entry.name for entry in tmp_path.glob(".*")} == set()


def test_the_results_are_shown_although_json_cannot_be_written(fleet: Fleet) -> None:
    done = fleet.run("apply", "--yes", "--json", "/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "--json /dev/full: No space left on device"
    assert "1 changed" in done.stdout.splitlines()[-1]


def test_a_plan_is_shown_to_whoever_is_asked(fleet: Fleet) -> None:
    with fleet.typed("apply", "--json", "-") as terminal:
        terminal.wait_for(QUESTION)
        assert "+smtpd_sasl_path = private/auth" in terminal.shown
        terminal.type("no\n")
        assert terminal.status() == 1


def test_interrupted_while_nobody_reads_what_is_written(fleet: Fleet) -> None:
    """A pager that does not go on. What is written there is cut off, and the rest is in order."""
    names = [f"new{number}.example.jp" for number in range(200)]
    fleet.has(*names)
    fleet.holds(f"ask {names[-1]}")
    reader, writer = os.pipe()
    with in_a_terminal(
        fleet.words("plan", "--json", "-"),
        fleet.folder,
        environment=fleet.full_environment,
        stdout=os.fdopen(writer, "w"),
    ) as terminal:
        terminal.wait_for("asked 199 of 200 hosts")
        fleet.goes_on(f"ask {names[-1]}")
        os.read(reader, 1)
        terminal.type(CTRL_C)
        assert terminal.status() == 130, terminal.shown
        is_left_as_it_was(terminal, "Interrupted: no change is under way.")
    os.close(reader)


# -- what is typed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["y\n", "no\n", "\n", CTRL_D])
def test_only_yes_changes_a_host(fleet: Fleet, answer: str) -> None:
    with fleet.typed("apply") as terminal:
        terminal.wait_for(QUESTION)
        terminal.type(answer)
        assert terminal.status() == 1, terminal.shown
        is_left_as_it_was(terminal, "the answer is not yes: no host was changed", "Dovecot is not running")
    assert not fleet.is_("begun new1.example.jp")


@pytest.mark.parametrize("early", ["\n", "yes\n"])
def test_what_is_typed_before_the_question_is_thrown_away(fleet: Fleet, early: str) -> None:
    fleet.holds("ask new1.example.jp")
    with fleet.typed("apply") as terminal:
        terminal.wait_for("under way: ")
        terminal.type(early + "~\n~")
        # The terminal shows what is typed, so it has arrived.
        terminal.wait_for("~\n~")
        fleet.goes_on("ask new1.example.jp")
        terminal.wait_for(QUESTION)
        terminal.type("yes\n")
        assert terminal.status() == 1, terminal.shown
        is_left_as_it_was(terminal, "4 hosts: 1 changed, 1 not reached, 1 refused, 1 unchanged")
    assert fleet.is_("live new1.example.jp")


REMOVE = ("last1.example.jp", "last2.example.jp", "stock1.example.jp")
REMOVAL = [
    "2 hosts would change, and port 465 would close on 2 of them.",
    "Type the number of hosts where it closes, 2, to go on:",
]


@pytest.mark.parametrize("answer", ["yes\n", "3\n", "\n", CTRL_D])
def test_only_the_number_of_hosts_removes(fleet: Fleet, answer: str) -> None:
    fleet.has(*REMOVE)
    with fleet.typed("remove") as terminal:
        terminal.wait_for("to go on: ")
        assert terminal.lines()[-2:] == REMOVAL
        assert terminal.lines()[0] == "Port 465 will close on 2 hosts"
        terminal.type(answer)
        assert terminal.status() == 1, terminal.shown
        is_left_as_it_was(terminal, "the answer is not 2: no host was changed")
    assert not fleet.is_("begun last1.example.jp")


def test_the_number_of_hosts_removes(fleet: Fleet) -> None:
    fleet.has(*REMOVE)
    with fleet.typed("remove") as terminal:
        terminal.wait_for("to go on: ")
        assert terminal.lines()[-2:] == REMOVAL
        terminal.type("2\n")
        assert terminal.status() == 0, terminal.shown
        is_left_as_it_was(terminal, "3 hosts: 2 changed, 1 unchanged")
    assert fleet.is_("live last1.example.jp")


def test_interrupted_while_records_are_read(fleet: Fleet) -> None:
    fleet.has("last1.example.jp", "done1.example.jp")
    fleet.holds("read last1.example.jp")
    with fleet.typed("undo") as terminal:
        terminal.wait_for("read 1 of 2 hosts (1 read); under way: ")
        terminal.type(CTRL_C)
        assert terminal.status() == 130
        is_left_as_it_was(terminal, "Interrupted: no change is under way.")


def test_an_undo_asks_and_is_interrupted_as_a_deploy_is(fleet: Fleet) -> None:
    fleet.has("last1.example.jp", "done1.example.jp", "gone1.example.jp")
    fleet.holds("change last1.example.jp")
    with fleet.typed("undo") as terminal:
        terminal.wait_for("1 host would change. Change it? " + QUESTION)
        terminal.type("yes\n")
        until_it_is(fleet, "begun last1.example.jp", terminal)
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupted")
        fleet.goes_on("change last1.example.jp")
        assert terminal.status() == 130, terminal.shown
        is_left_as_it_was(terminal, "3 hosts: 1 changed, 1 not reached, 1 unchanged")


def test_nobody_is_asked_where_nothing_would_change(fleet: Fleet) -> None:
    fleet.has("done1.example.jp")
    with fleet.typed("apply") as terminal:
        assert terminal.status() == 0
        assert QUESTION not in terminal.shown
    assert fleet.run("apply").returncode == 0


def test_without_a_terminal_nobody_is_asked(fleet: Fleet) -> None:
    for typed in ("", "yes\n"):
        done = fleet.run("apply", typed=typed)
        assert done.returncode == 2
        assert done.stderr == (
            "1 host would change, and nobody can be asked: standard input is no terminal. "
            "Use --yes to go on without a question\n"
        )
    assert not fleet.is_("begun new1.example.jp")
    assert fleet.run("apply", "--yes").returncode == 1
    assert fleet.is_("live new1.example.jp")


# -- where it is written to ---------------------------------------------------------------------------


def test_each_reason_is_said_once(fleet: Fleet) -> None:
    for words in (["plan"], ["apply", "--yes"]):
        with fleet.typed(*words) as terminal:
            assert terminal.status() == 1
            is_left_as_it_was(terminal, "Dovecot is not running", "no connection was made")


@pytest.mark.parametrize("words", [["plan"], ["apply", "--yes"]], ids=" ".join)
def test_results_and_progress_go_to_two_streams(fleet: Fleet, words: list[str]) -> None:
    with fleet.shell(">results", *words) as terminal:
        assert terminal.status() == 1
        is_left_as_it_was(terminal)
        results = (fleet.folder / "results").read_text()
        assert "4 hosts: " in results
        assert results.count("Dovecot is not running") == 1
        assert "\x1b" not in results
        assert "4 hosts: " not in terminal.shown
    with fleet.shell("2>progress", *words) as terminal:
        assert terminal.status() == 1
        is_left_as_it_was(terminal, "Dovecot is not running")
        assert "\x1b" not in (fleet.folder / "progress").read_text()


@pytest.mark.parametrize("columns", [30, 80, 130])
def test_a_plan_fits_a_terminal_of_any_width(fleet: Fleet, columns: int) -> None:
    with fleet.typed("plan", columns=columns) as terminal:
        assert terminal.status() == 1
        is_left_as_it_was(terminal)
    assert {row.style for row in terminal.rows()} == {"", "bold", "bold red", "green", "red"}
    if columns >= 80:
        # No word is torn.
        assert " ".join(terminal.lines()).split() == fleet.run("plan").stdout.split()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_there_are_no_colours_where_nobody_wants_them(fleet: Fleet, name: str, value: str) -> None:
    fleet.environment = {name: value}
    with fleet.typed("plan") as terminal:
        assert terminal.status() == 1
        is_left_as_it_was(terminal, "Dovecot is not running")
    assert not any(row.style for row in terminal.rows())
    if name == "TERM":
        assert b"\x1b" not in terminal.written


# The second one is not installed here. The last one has no letter of the name.
@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"LANG": "C"}, "new.メール.example.jp:"),
        ({"LANG": "ja_JP.UTF-8"}, "new.メール.example.jp:"),
        ({"PYTHONIOENCODING": "ascii"}, r"new.\u30e1\u30fc\u30eb.example.jp:"),
    ],
)
def test_a_name_that_is_not_ascii_is_shown_in_any_language(
    fleet: Fleet, environment: dict[str, str], shown: str
) -> None:
    fleet.environment = environment
    fleet.has("new.メール.example.jp")
    with fleet.typed("plan") as terminal:
        assert terminal.status() == 0, terminal.shown
        assert shown in terminal.shown, terminal.shown
    done = fleet.run("apply", "--yes")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_pipe_that_closes_hides_no_status_and_ends_no_change(fleet: Fleet) -> None:
    with fleet.shell("| head -1", "plan") as terminal:
        assert terminal.status() == 1
        is_left_as_it_was(terminal, "new1.example.jp:")
    with fleet.shell("2>&1 | head -1", "apply", "--yes") as terminal:
        assert terminal.status() == 1
        is_left_as_it_was(terminal)
    assert fleet.is_("live new1.example.jp")


def test_a_reader_that_is_interrupted_too_hides_no_status(fleet: Fleet) -> None:
    """`smtp-auth apply --yes | tee log`: Ctrl-C ends both."""
    fleet.holds("change new1.example.jp")
    with fleet.shell("| cat", "apply", "--yes") as terminal:
        until_it_is(fleet, "begun new1.example.jp", terminal)
        # What is typed appears where the terminal is written to at that moment.
        terminal.wait_for("applied 3 of 4 hosts")
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit")
        fleet.goes_on("change new1.example.jp")
        assert terminal.status() == 130, terminal.shown
        is_left_as_it_was(terminal)
    assert fleet.is_("live new1.example.jp")


def test_a_full_disk_is_said_and_ends_no_change(fleet: Fleet) -> None:
    for words in (["plan"], ["apply", "--yes"]):
        with fleet.shell(">/dev/full", *words) as terminal:
            assert terminal.status() == 1
            is_left_as_it_was(terminal, "the output cannot be written: No space left on device")
    assert fleet.is_("live new1.example.jp")
    fleet.has("done1.example.jp", "new2.example.jp")
    with fleet.shell("2>/dev/full", "apply", "--yes") as terminal:
        assert terminal.status() == 0
        is_left_as_it_was(terminal, "2 hosts: 1 changed, 1 unchanged")


def test_held_hosts_are_passed_over_in_words_that_fit(fleet: Fleet) -> None:
    fleet.has("new1.example.jp", "held1.example.jp", "held2.example.jp")
    with fleet.typed("apply") as terminal:
        terminal.wait_for("1 host would change. Change it? " + QUESTION)
        terminal.type("yes\n")
        assert terminal.status() == 0, terminal.shown
        is_left_as_it_was(
            terminal,
            "held on 2 hosts: held1.example.jp and held2.example.jp held since ",
            "by ann@desk as root, until somebody releases it: a new disk: ディスク",
            "3 hosts: 1 pending, 2 held",
            "held2.example.jp: held, see above",
            "3 hosts: 1 changed, 2 held",
        )
    done = fleet.run("plan", "--check", "--limit", "held*")
    assert done.returncode == 0, done.stderr


def test_hosts_are_held_without_a_question(fleet: Fleet) -> None:
    fleet.has(*NAMES, "held1.example.jp")
    with fleet.typed("hold", "held1*", "new*", "gone*", "--reason", "a new disk") as terminal:
        assert terminal.status() == 1, terminal.shown
        is_left_as_it_was(
            terminal,
            "held1.example.jp: held; before, it was held since ",
            "gone1.example.jp: not reached: ",
            "3 hosts: 2 held, 1 not reached",
        )


def test_an_interrupted_hold_waits_for_what_is_under_way(fleet: Fleet) -> None:
    fleet.has("done1.example.jp", "new1.example.jp", "held1.example.jp")
    fleet.holds("hold new1.example.jp")
    words = ("hold", "done*", "new*", "held*", "--reason", "a new disk", "--parallel", "1")
    with fleet.typed(*words) as terminal:
        terminal.wait_for("held 1 of 3 hosts (1 held); under way: ")
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit")
        fleet.goes_on("hold new1.example.jp")
        assert terminal.status() == 130, terminal.shown
        is_left_as_it_was(
            terminal, "waiting for 1 change under way; no other begins.", "3 hosts: 2 held, 1 not begun"
        )


def test_a_hold_that_is_interrupted_twice_says_what_is_known(fleet: Fleet) -> None:
    fleet.holds("hold new1.example.jp")
    with fleet.typed("hold", "new*", "done*", "--reason", "a new disk") as terminal:
        terminal.wait_for("held 1 of 2 hosts (1 held); under way: ")
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit: each host then may do as it was told.")
        terminal.type(CTRL_C)
        assert terminal.status() == 130, terminal.shown
        is_left_as_it_was(
            terminal,
            "Interrupted again.",
            "new1.example.jp: not waited for: the host may do it nevertheless",
            "2 hosts: 1 held, 1 not waited for",
        )
