"""What stands on the console of a run of pyinfra's command line, and how often."""

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import in_a_terminal

ROOT = Path(__file__).resolve().parents[2]
PYINFRA = Path(sys.executable).parent / "pyinfra"

HOST: dict[str, Any] = {"mail_domain": "example.jp", "mail_hostname": "mail.example.jp"}
BAD = "ssh_pasword: unknown key; did you mean ssh_password?"

# A deploy of one step that changes something, and another one whose part the first one has made.
DEPLOY = """
from pyinfra import host, state
from pyinfra.api import operation
from pyinfra.context import ctx_host
from smtp_auth.on_host.channel import Limits
from smtp_auth.on_host.programs import history_program
from smtp_auth.runs.channel import channel_to
from smtp_auth.runs.operation import _reported
from smtp_auth.runs.pyinfra_internals import OwnCommand

class Change(OwnCommand):
    def carry_out(self, host, arguments):
        return True, []

@operation()
def first():
    yield Change("change")

@operation()
def second():
    yield _reported()

channel_to(ctx_host.get())("perl -x - a-word-of-a-command", history_program(), Limits())
host.log(f"differences are {'shown' if state.config.DIFF else 'not shown'}")
first(name="First")
second(name="Second")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """The command line of that deploy, on this machine and on a host whose data is wrong."""
    folder = tmp_path_factory.mktemp("run")
    # pyinfra pads the shorter name.
    hosts = [("@local", HOST), ("mail3.example.jp", {**HOST, "ssh_pasword": "secret"})]
    (folder / "inventory.py").write_text(f"mail = {hosts!r}\n")
    (folder / "ours.py").write_text(DEPLOY)
    return [PYINFRA, folder / "inventory.py", folder / "ours.py"]


@pytest.fixture(scope="module")
def said(run: list[str | Path]) -> Callable[..., str]:
    """Returns what a run with these options says without a terminal; each is run once."""

    @cache
    def output(*options: str) -> str:
        done = subprocess.run(
            [*run, *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stdout
        return re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", done.stdout)

    return output


@pytest.mark.parametrize("options", [("--dry", "-vvv"), ("-y",)])
def test_a_reason_stands_once_and_at_the_end(said: Callable[..., str], options: tuple[str, ...]) -> None:
    output = said(*options)
    assert output.count(BAD) == 1, output
    assert f"mail3.example.jp  refused: {BAD}" in output.partition("--> Report:")[2], output


@pytest.mark.parametrize("answer", ["y\n", "n\n"])
def test_a_question_stands_below_the_differences_and_who_is_left_out(
    run: list[str | Path], answer: str
) -> None:
    with in_a_terminal(run, ROOT) as terminal:
        terminal.wait_for("y or yes: ")
        before = terminal.shown
        assert "differences are shown" in before
        assert f"mail3.example.jp  refused: {BAD}" in before.partition("--> Left out:")[2], before
        terminal.type(answer)
        assert terminal.status() == 1, terminal.shown
    report = terminal.shown.partition("--> Report:")[2]
    assert "mail3.example.jp  refused: see above" in report, report
    assert terminal.shown.count(BAD) == 1, terminal.shown


def test_where_nothing_is_asked_the_differences_are_shown_on_demand(said: Callable[..., str]) -> None:
    for options in (("--dry", "-vvv"), ("-y",)):
        assert "differences are not shown" in said(*options)
    assert "differences are shown" in said("--dry", "--diff", "-vvv", "--debug")


def test_what_is_planned_is_all_that_is_carried_out(said: Callable[..., str]) -> None:
    output = said("--dry", "-vvv")
    assert "Detected changes:" in output
    assert "may not include" not in output


def test_only_the_step_that_changes_the_host_is_a_success(said: Callable[..., str]) -> None:
    lines = [line.partition("]")[2].strip() for line in said("-y").splitlines() if "[@local]" in line]
    assert lines[-2:] == ["Success", "Made with the first step"], lines


def test_commands_are_shown_with_debug_alone(said: Callable[..., str]) -> None:
    assert "a-word-of-a-command" not in said("--dry", "-vvv")
    assert "a-word-of-a-command" in said("--dry", "--diff", "-vvv", "--debug")
