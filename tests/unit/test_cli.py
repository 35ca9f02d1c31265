"""What somebody may do wrong with `smtp-auth` before any host is known, each in a process of its own."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smtp_auth.cli import COMMANDS, main
from tests.processes import wait_for
from tests.terminal import in_a_terminal

SMTP_AUTH = Path(sys.executable).parent / "smtp-auth"


def _run(*words: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["plan", "apply", "history"])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["inventory.py"], "inventory.py is no option: an inventory is given as --inventory inventory.py\n"),
        (["inventory.py", "deploy.py", "--sudo"], "inventory.py is no option: an inventory is given as "),
        (["--dry"], "--dry is no option: see --help\n"),
    ],
)
def test_what_is_typed_for_pyinfra_is_one_sentence(command: str, words: list[str], sentence: str) -> None:
    status, printed, complained = _run(SMTP_AUTH, command, *words)
    assert (status, printed) == (2, "")
    assert complained.startswith(sentence)
    assert complained.count("\n") == 1


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_says_what_its_options_are(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["smtp-auth", command, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith(f"usage: smtp-auth {command} ")


def test_a_folder_that_was_removed_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text("mail = ['a']\n")
    (tmp_path / "removed").mkdir()
    script = 'cd "$1/removed" && rmdir "$1/removed" && exec "$2" plan --inventory "$1/inventory.py"'
    found = _run("/bin/sh", "-c", script, "sh", tmp_path, SMTP_AUTH)
    assert found == (2, "", "the working directory does not exist any more: change to another one\n")


@pytest.mark.parametrize(("number", "is_of_writing"), [("ENOSPC", True), ("EIO", True), ("ENOENT", False)])
def test_only_what_a_write_fails_with_is_said_of_the_output(number: str, is_of_writing: bool) -> None:
    program = f"""
import sys
from smtp_auth import cli
def fail(arguments):
    raise OSError({getattr(errno, number)}, "it failed")
cli.COMMANDS = (cli.Command("fail", "fail", lambda parser: None, fail),)
sys.argv = ["smtp-auth", "fail"]
sys.exit(cli.main())
"""
    status, _, complained = _run(sys.executable, "-c", program)
    assert status == 1
    assert (complained == "the output cannot be written: it failed\n") == is_of_writing, complained


# It takes as long as a test needs.
SLOW = """
import os, signal
from gevent.monkey import get_original
from pathlib import Path

if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    os.kill(os.getpid(), signal.SIGHUP)
Path(__file__).with_name("begun").touch()
get_original("time", "sleep")(60)
mail = ["a"]
"""
NOHUP = ("nohup",)


@pytest.mark.parametrize(
    ("before", "number"),
    [((), signal.SIGINT), ((), signal.SIGTERM), ((), signal.SIGHUP), (NOHUP, signal.SIGTERM)],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGTERM below nohup, after SIGHUP"],
)
def test_interrupted_before_any_host_is_known(
    tmp_path: Path, before: tuple[str, ...], number: signal.Signals
) -> None:
    (tmp_path / "inventory.py").write_text(SLOW)
    words: list[str | Path] = [*before, SMTP_AUTH, "plan", "--inventory", tmp_path / "inventory.py"]
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(words, stdin=nothing, stdout=pipe, stderr=pipe) as process:
        wait_for((tmp_path / "begun").exists, "the inventory is not read")
        process.send_signal(number)
        assert process.communicate() == (b"", b"")
    assert process.returncode == 130


def test_a_terminal_that_is_closed_before_any_host_is_known_is_an_interruption(tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text(SLOW)
    words: list[str | Path] = [SMTP_AUTH, "plan", "--inventory", "inventory.py"]
    with in_a_terminal(words, tmp_path) as terminal:
        wait_for((tmp_path / "begun").exists, "the inventory is not read")
        with Path(os.devnull).open("r+b") as nothing:
            os.dup2(nothing.fileno(), terminal.descriptor)
        assert terminal.process.wait(60) == 130
