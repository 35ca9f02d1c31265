"""`smtp-auth verify`, in a terminal and where there is none: hosts that are down, and one that hangs."""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terminal import CTRL_C, in_a_terminal

# No program listens on this port.
DOWN = {"mail_domain": "example.jp", "ssh_hostname": "127.0.0.1", "ssh_port": 1, "verify_addresses": "ssh"}

NAMES = ("mail1.submission.customers.example.jp", "mail2.submission.customers.example.jp")

# Whoever reads the environment finds what is wrong here.
OF_THEIR_TESTS = {"PYTEST_ADDOPTS": "--nonsense", "PYTEST_PLUGINS": "nonsense"}


@dataclass(frozen=True)
class Folder:
    """A folder of somebody who has tests of their own, and an inventory."""

    path: Path

    def has(self, **hosts: dict[str, object]) -> None:
        """Let these be the hosts, and their data."""
        (self.path / "inventory.py").write_text(f"import operations\nmail = {[*hosts.items()]!r}\n")

    def words(self, *words: str) -> list[str]:
        """The command line of `smtp-auth verify` with these words."""
        return [str(Path(sys.executable).parent / "smtp-auth"), "verify", *words]

    def run(self, *words: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
        """It without a terminal."""
        return subprocess.run(
            self.words(*words),
            cwd=self.path,
            env={**os.environ, **OF_THEIR_TESTS},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            start_new_session=True,
        )

    def files(self) -> set[str]:
        """What is in it."""
        return {str(file.relative_to(self.path)) for file in self.path.rglob("*")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.delenv("VERIFY_PASSWORD", raising=False)
    for name in (
        "conftest.py",
        "tests/conftest.py",
        "tests/verify/conftest.py",
        "tests/verify/test_reach.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise SystemExit('this is not the one')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    (tmp_path / "operations").mkdir()
    (tmp_path / "operations" / "__init__.py").write_text("")
    found = Folder(tmp_path)
    found.has(**dict.fromkeys(NAMES, DOWN))
    return found


@pytest.fixture
def hanging() -> Iterator[dict[str, object]]:
    """The data of a host that accepts connections, and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield {**DOWN, "ssh_port": listening.getsockname()[1]}


def test_hosts_that_are_down_without_a_terminal(folder: Folder) -> None:
    before = folder.files()
    done = folder.run()
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"   1  {', '.join(NAMES)}"
    assert [line.split() for line in lines if line.endswith("FAIL")] == [["the", "host", "is", "up", "FAIL"]]
    assert f"FAILED  {', '.join(NAMES)}: the host is up" in lines
    assert lines[-1] == "2 hosts: 2 failed"
    # Nothing of pytest's own.
    assert not [line for line in lines if "==" in line or "%]" in line or line.startswith("tests/")]
    assert folder.files() == before


@pytest.mark.parametrize(("columns", "names"), [(40, ("mail1.example.jp", "mail2.example.jp")), (80, NAMES)])
def test_it_fits_a_terminal(folder: Folder, columns: int, names: tuple[str, ...]) -> None:
    folder.has(**dict.fromkeys(names, DOWN))
    with in_a_terminal(folder.words(), folder.path, columns) as terminal:
        assert terminal.status() == 1
        lines = terminal.lines()
        assert terminal.is_as_before()
    text = " ".join(" ".join(lines).split())
    for name in names:
        assert text.count(name) == 3, lines
    assert text.endswith("2 hosts: 2 failed")
    # No word is torn at the edge.
    words = {word for line in folder.run().stdout.splitlines() for word in line.split()}
    assert {word for line in lines for word in line.split()} - words == set()


def test_all_checks_pass(folder: Folder) -> None:
    done = folder.run("--json", "-", "--", "-k", "the_data_is_valid")
    assert (done.returncode, done.stderr) == (0, "")
    hosts = json.loads(done.stdout)["hosts"]
    assert {name: found["the data is valid"]["outcome"] for name, found in hosts.items()} == dict.fromkeys(
        NAMES, "passed"
    )
    done = folder.run("--limit", NAMES[0], "--", "-k", "the_data_is_valid")
    assert (done.returncode, done.stdout) == (0, "the check passes\n\n1 host: 1 passed\n")


def test_verbose_shows_every_check_and_how_long_each_host_took(folder: Folder) -> None:
    done = folder.run("-v", "--", "-k", "is_up or resolves or valid")
    assert {line.split(": ")[0] for line in done.stderr.splitlines()} == {*NAMES}
    assert [line.split()[-1] for line in done.stdout.splitlines()[2:5]] == ["ok", "FAIL", "-"]


# -- interrupted, and unread --------------------------------------------------------------------------


def test_interrupted_while_hosts_are_looked_at(folder: Folder, hanging: dict[str, object]) -> None:
    folder.has(**dict.fromkeys(NAMES, DOWN), hangs=hanging)
    words = folder.words("--json", "out.json", "--prometheus", "out.prom")
    with in_a_terminal(words, folder.path) as terminal:
        terminal.wait_for("looked at 2 of 3 hosts (2 not reached); under way: hangs")
        terminal.type(CTRL_C)
        assert terminal.status() == 130
        lines = terminal.lines()
        assert terminal.is_as_before()
    assert lines[0].endswith("Interrupted: what is known so far follows.")
    assert lines[-1] == "3 hosts: 2 failed, 1 not checked"
    assert "Traceback" not in terminal.shown
    assert not {"out.json", "out.prom"} & folder.files()


def test_interrupted_before_anything_is_known(folder: Folder, hanging: dict[str, object]) -> None:
    folder.has(hangs=hanging)
    with in_a_terminal(folder.words(), folder.path) as terminal:
        terminal.wait_for("under way: hangs")
        terminal.type(CTRL_C)
        assert terminal.status() == 130
        assert terminal.lines()[-1] == "1 host: 1 not checked"


def test_whoever_reads_it_stops(folder: Folder) -> None:
    script = f"{shlex.join(folder.words())} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder.path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("\n") == 1


def test_a_full_disk_is_one_sentence(folder: Folder) -> None:
    with Path("/dev/full").open("w") as full:
        done = folder.run(stdout=full.fileno())
    said = "the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)
    done = folder.run("--json", "/dev/full")
    assert (done.returncode, done.stderr) == (1, "--json /dev/full: No space left on device\n")
    assert done.stdout.endswith("2 hosts: 2 failed\n")


# -- the command line ---------------------------------------------------------------------------------


MISTAKES = {
    "an option": (["--foo"], "--foo is no option: see --help"),
    "an inventory": (["x.py"], "x.py is no option: an inventory is given as --inventory x.py"),
    "nobody is left": (["--exclude", "*"], "--exclude leaves no host"),
    "no terminal": (["--mailbox", "alice"], "nobody can be asked for the password of alice"),
    "an empty login": (["--mailbox="], "--mailbox: the login is empty"),
    "no such folder": (["--json", "none/x"], "--json none/x: there is no such folder"),
    "both on standard output": (
        ["--json", "-", "--prometheus", "-"],
        "--json - and --prometheus -: standard output is for one of them: give the others a file",
    ),
    "no option of pytest": (["--", "--foo"], "pytest: unrecognized arguments: --foo"),
    "no expression": (["--", "-k", "and and"], "pytest: Wrong expression passed to '-k'"),
    "no check": (["--", "-k", "nothing_at_all"], "pytest: its options leave no check"),
    "no folder of checks": (["--", "tests"], "pytest: tests is no option: checks are chosen with -k"),
    "no plugin": (["--", "-p", "nonsense"], "pytest: Error importing plugin \"nonsense\""),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(folder: Folder, name: str) -> None:
    words, sentence = MISTAKES[name]
    done = folder.run(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_what_is_behind_it_is_for_no_other_command(folder: Folder) -> None:
    done = subprocess.run(
        [*folder.words()[:1], "plan", "--", "-x"],
        cwd=folder.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "-x is no option: see --help\n")


def test_options_of_pytest_are_heeded(folder: Folder) -> None:
    done = folder.run("--", "-x", "-q", "--junitxml", "out.xml", "-k", "is_up or valid")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[-1] == "2 hosts: 1 failed, 1 not checked"
    assert "passed by every host" not in done.stdout
    assert [line for line in lines if line.startswith("not made")] == [
        f"not made  {NAMES[1]}: 2 checks; the run ended before"
    ]
    assert (folder.path / "out.xml").read_text().count("<failure") == 1


def test_pytest_shows_what_it_is_asked_for(folder: Folder) -> None:
    done = folder.run("--", "--collect-only", "-q", "-k", "the_name_resolves")
    assert (done.returncode, done.stderr) == (0, "")
    shown = [f"test_reach.py::test_the_name_resolves[{name}]" for name in NAMES]
    assert done.stdout.splitlines()[:3] == [*shown, ""]


def test_json_has_the_checks_that_were_not_made(folder: Folder) -> None:
    done = folder.run("--json", "-", "--", "-x", "-k", "is_up")
    assert done.returncode == 1
    hosts = json.loads(done.stdout)["hosts"]
    assert [found["the host is up"]["outcome"] for found in hosts.values()] == ["failed", "not made"]


@pytest.mark.parametrize("option", ["--collect-only", "--version"])
def test_it_is_said_that_no_json_is_written(folder: Folder, option: str) -> None:
    done = folder.run("--json", "out.json", "--", option)
    said = (
        "--json out.json: nothing was written, because an option behind -- lets pytest show something else\n"
    )
    assert (done.returncode, done.stderr) == (1, said)
    assert done.stdout
    assert not (folder.path / "out.json").exists()


def test_nagios_hears_of_a_full_disk_by_the_status_alone(folder: Folder) -> None:
    with Path("/dev/full").open("w") as full:
        done = folder.run("--nagios", "nothing.example", stdout=full.fileno())
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("option", ["--version", "--markers", "--help"])
def test_what_looks_at_no_host_counts_none(folder: Folder, option: str) -> None:
    done = folder.run("--", option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert "2 hosts" not in done.stdout


def test_a_file_of_pytests_that_cannot_be_written_is_one_sentence(folder: Folder) -> None:
    done = folder.run("--", "-k", "the_data_is_valid", "--junitxml", str(folder.path / "pytest.ini" / "x"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pytest.ini" in done.stderr
    assert done.stdout.endswith("2 hosts: 2 passed\n")
