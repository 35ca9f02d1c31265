"""What Nagios is told of a verification."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from smtp_auth.verify.nagios import _REACH, Nagios, State, answer, state_of
from smtp_auth.verify.report import NOT_MADE, Outcome
from tests.terminal import CTRL_C, in_a_terminal
from tests.verify import test_reach

HOST = "mail1.example.jp"
SMTP_AUTH = str(Path(sys.executable).parent / "smtp-auth")

# No program listens on this port.
DOWN = {"mail_domain": "example.jp", "ssh_hostname": "127.0.0.1", "ssh_port": 1, "verify_addresses": "ssh"}

PASSED = Outcome(HOST, "port 465 greets inside tls", "passed")
WARNED = Outcome(HOST, "postfix has no complaint", "warned", warnings=("unused parameter",))
FAILED = Outcome(HOST, "the chain verifies", "failed", "clients refuse it")
# Of a host that answers, but not over SSH.
NO_SSH = Outcome(HOST, "the host is reached over ssh", "failed", "no key")
UNSEEN = Outcome(HOST, "no reload is pending", "skipped", "no key", reported_by=NO_SSH.check)
# The check that tells why was not chosen.
UNTOLD = Outcome(HOST, "no reload is pending", "failed", "no key", reported_by=NO_SSH.check)
# The server admitted this machine no more.
LIMITED = Outcome(HOST, "port 25 relays nothing", "skipped", "too many connections", limited=True)
INVALID = Outcome(HOST, "the data is valid", "failed", "mail_domain is missing")


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([PASSED, Outcome(HOST, "port 25 greets", "skipped", "it is not served")], State.OK),
        ([PASSED, WARNED], State.WARNING),
        ([PASSED, WARNED, FAILED], State.CRITICAL),
        ([PASSED, WARNED, NO_SSH, UNSEEN], State.UNKNOWN),
        ([NO_SSH, UNSEEN, FAILED], State.CRITICAL),
        ([PASSED, UNTOLD], State.UNKNOWN),
        ([PASSED, WARNED, LIMITED], State.UNKNOWN),
        ([LIMITED, FAILED], State.CRITICAL),
        ([Outcome(HOST, "the host is up", "failed", "no port answers")], State.CRITICAL),
        ([INVALID, Outcome(HOST, "the host is up", "failed", "no port answers")], State.UNKNOWN),
        ([PASSED, Outcome(HOST, "the host is up", NOT_MADE)], State.UNKNOWN),
        ([], State.UNKNOWN),
    ],
)
def test_a_failure_counts_more_than_what_could_not_be_looked_at(
    outcomes: list[Outcome], state: State
) -> None:
    assert state_of(outcomes) is state


def _said(outcomes: list[Outcome], capsys: pytest.CaptureFixture[str]) -> list[str]:
    nagios = Nagios(HOST, 2.5, lambda: 1_800_000_000)
    assert nagios.write(outcomes, [HOST])
    return capsys.readouterr().out.splitlines()


def test_the_status_line_has_the_figures_and_the_others_the_reasons(
    capsys: pytest.CaptureFixture[str],
) -> None:
    greets = Outcome(
        HOST, "port 465 greets in time", "passed", measured={"connection": 0.02, "greeting": 0.1}
    )
    arrives = Outcome(HOST, "the message arrives", "passed", measured={"delivery": 0.5})
    left = Outcome(HOST, "it has lifetime left", "passed", not_after={"a": 1_800_129_600.0, "b": 1.9e9})
    assert _said([PASSED, greets, arrives, left, WARNED, FAILED], capsys) == [
        f"SMTP_AUTH CRITICAL - {HOST}: failed: the chain verifies|greeting=0.120s;;2.5;0 delivery=0.500s "
        "certificate_days=1.50 passed=4 warned=1 failed=1 skipped=0",
        "FAILED the chain verifies: clients refuse it",
        "warning postfix has no complaint: unused parameter",
    ]


def test_what_a_server_has_not_let_be_looked_at_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = _said([PASSED, LIMITED], capsys)
    assert first.startswith(f"SMTP_AUTH UNKNOWN - {HOST}: could not look: port 25 relays nothing|")
    assert second == "could not look, port 25 relays nothing: too many connections"


def test_only_some_checks_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    failed = [Outcome(HOST, f"check {number}", "failed", "why") for number in range(5)]
    first = _said(failed, capsys)[0]
    assert first.startswith(f"SMTP_AUTH CRITICAL - {HOST}: failed: check 0, check 1, check 2 and 2 more|")


def test_what_a_host_says_is_no_performance_data_and_no_more_than_an_agent_reads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = [
        Outcome(HOST, f"check {number}", "failed", "x | evil=1\nnew | line\x1b[2J" + "y" * 300)
        for number in range(50)
    ]
    lines = _said(hostile, capsys)
    assert [line.count("|") for line in lines] == [1] + [0] * (len(lines) - 1)
    assert lines[1].startswith("FAILED check 0: x \\x7c evil=1")
    assert lines[2].startswith("    new \\x7c line\\x1b[2J")
    assert lines[-1] == "more is left out"
    assert len("\n".join(lines)) < 4096
    assert len("\n".join(lines)) > 3600


def test_what_does_not_fit_is_cut_with_a_word() -> None:
    room = 4096 - len("SMTP_AUTH OK - x\n") - len("more is left out\n")
    fits = answer(State.OK, "x", details=["y" * (room - 1), "z"])
    assert [line[0] for line in fits] == ["S", "y", "m"]
    assert len("".join(fits)) == 4096
    assert [line[0] for line in answer(State.OK, "x", details=["y" * room])] == ["S", "m"]


@pytest.mark.parametrize("figures", [[], ["passed=1"]])
def test_a_long_status_line_is_cut_and_keeps_its_figures(figures: list[str]) -> None:
    # Each letter has three bytes, and none is torn.
    first, last = answer(State.UNKNOWN, "\u65e5" * 3000, figures, ["why"])
    assert re.fullmatch(r"SMTP_AUTH UNKNOWN - \u65e5+(\|passed=1)?\n", first)
    assert ("|" in first) is bool(figures)
    assert last == "more is left out\n"
    assert 4090 < len(f"{first}{last}".encode()) <= 4096


def test_the_checks_that_say_what_cannot_be_looked_at_are_there() -> None:
    names = {name.removeprefix("test_").replace("_", " ") for name in vars(test_reach)}
    assert names >= _REACH


# -- as Nagios runs it ----------------------------------------------------------------------------------


def _run(folder: Path, *words: str) -> tuple[int, str, str]:
    (folder / "inventory.py").write_text(f"mail = [({HOST!r}, {DOWN!r}), 'mail2.example.jp']\n")
    environment = {**os.environ, "LC_ALL": "C"}
    environment.pop("VERIFY_PASSWORD", None)
    done = subprocess.run(
        [SMTP_AUTH, "verify", *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_host_that_is_down_is_critical(tmp_path: Path) -> None:
    status, said, beside = _run(tmp_path, "--nagios", HOST)
    assert (status, beside) == (2, "")
    assert said.startswith(f"SMTP_AUTH CRITICAL - {HOST}: failed: the host is up|passed=")


MISTAKES = {
    "no such host": (["--nagios", "nobody"], "HOST nobody: no host or group of the inventory has this name"),
    "several": (["--nagios", "mail*"], "--nagios means 2 hosts: give the name of one"),
    "no word": (["--nagios"], "argument --nagios: expected one argument"),
    "a beginning of the option": (["--nag"], "argument --nagios: expected one argument"),
    "no option": (["--nagios", HOST, "--foo"], "--foo is no option: see --help"),
    "no number": (["--nagios", HOST, "--parallel", "x"], "argument --parallel: invalid int value: 'x'"),
    "no inventory": (["--nagios", HOST, "--inventory", "x.py"], "the inventory x.py does not exist"),
    "another host": (
        ["--nagios", HOST, "--limit", "x"],
        f"--limit x: --nagios {HOST} says which host is meant: leave one out",
    ),
    "a file": (
        ["--nagios", HOST, "--json", "x"],
        f"--json x: --nagios {HOST} writes no file: run another verification for it",
    ),
    "an option of pytest": (
        ["--nagios", HOST, "--", "-x"],
        f"-x: --nagios {HOST} makes every check: leave out what is behind --",
    ),
    "no password": (
        ["--nagios", HOST, "--mailbox", "alice"],
        "nobody can be asked for the password of alice: there is no terminal. Set VERIFY_PASSWORD",
    ),
    "wrong data": (
        ["--nagios", "mail2.example.jp"],
        "mail2.example.jp: could not look: the data is valid, the host is up|",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_unknown(tmp_path: Path, name: str) -> None:
    words, sentence = MISTAKES[name]
    status, said, beside = _run(tmp_path, *words)
    assert (status, beside) == (3, "")
    assert said.startswith(f"SMTP_AUTH UNKNOWN - {sentence}"), said


def test_an_error_of_this_program_is_unknown() -> None:
    program = """
import sys
from smtp_auth import cli
def fail(arguments):
    raise RuntimeError("odd | thing" + "x" * 5000)
cli.COMMANDS = (cli.Command("verify", "fail", cli._verify_options, fail),)
sys.argv = ["smtp-auth", "verify", "--nagios=x"]
sys.exit(cli.main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("SMTP_AUTH UNKNOWN - RuntimeError: odd \\x7c thingxxx")
    assert len(done.stdout) <= 4096


def test_an_interruption_is_unknown(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        data = {**DOWN, "ssh_port": hanging.getsockname()[1]}
        (tmp_path / "inventory.py").write_text(f"mail = [({HOST!r}, {data!r})]\n")
        with in_a_terminal([SMTP_AUTH, "verify", "--nagios", HOST], tmp_path, 200) as terminal:
            # It is connected to, and so under way.
            hanging.accept()
            terminal.type(CTRL_C)
            assert terminal.status() == 3
            assert terminal.lines()[-1].endswith(
                "SMTP_AUTH UNKNOWN - SIGINT has ended this before the host was looked at"
            )
