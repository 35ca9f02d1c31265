"""What somebody may do wrong with `smtp-auth` before any host is known, each in a process of its own."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from smtp_auth.cli import COMMANDS, main

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
