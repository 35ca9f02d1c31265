"""The command line of a verification: each mistake is one sentence, with the status of a mistake."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import CTRL_D, in_a_terminal

ROOT = Path(__file__).resolve().parents[3]

# No program listens on this port.
DOWN = {"mail_domain": "example.jp", "ssh_hostname": "127.0.0.1", "ssh_port": 1, "verify_addresses": "ssh"}


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    inventory = tmp_path / "inventory.py"
    inventory.write_text(f"mail = [('mail1.example.jp', {DOWN!r})]\n")
    only = ["-k", "the_name_resolves", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", "tests/verify", *only, "--inventory", str(inventory)]


def _verify(words: list[str], folder: Path = ROOT, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
    )
    return done.returncode, done.stdout


# In a folder with two hosts, a module of this program's names, and no other inventory.
CHOSEN = {
    "the inventory of this folder": ([], ["mail1.example.jp", "mail2.example.jp"]),
    "an option": (["--exclude", "mail1*", "--sudo", "--parallel", "2"], ["mail2.example.jp"]),
    "names": (["--inventory", "a,b", "--data", "mail_domain=example.jp", "--limit", "b"], ["b"]),
    "a function": (["--inventory", "operations.hosts"], ["mail3.example.jp", "mail4.example.jp"]),
    # pytest itself takes a word that begins with @ for the name of a file with arguments.
    "this machine": (["--inventory=@local"], ["@local"]),
}


def _collected(folder: Path, *options: str) -> tuple[int, str]:
    (folder / "operations.py").write_text(
        'def hosts():\n    return {"mail": ["mail4.example.jp", "mail3.example.jp"]}\n'
    )
    words = ["-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", str(ROOT / "tests/verify")]
    return _verify([sys.executable, *words, "-k", "the_name_resolves", *options], folder)


@pytest.mark.parametrize("name", CHOSEN)
def test_the_options_choose_the_hosts_as_for_smtp_auth(tmp_path: Path, name: str) -> None:
    (tmp_path / "inventory.py").write_text("mail = ['mail1.example.jp', 'mail2.example.jp']\n")
    options, hosts = CHOSEN[name]
    status, said = _collected(tmp_path, *options)
    assert status == 0, said
    assert re.findall(r"::test_the_name_resolves\[(.*)\]", said) == hosts


def test_in_a_folder_without_an_inventory_none_of_ours_is_taken(tmp_path: Path) -> None:
    status, said = _collected(tmp_path)
    assert (status, said.count("the inventory inventory.py does not exist")) == (4, 1), said


MISTAKES = {
    "nobody is left": (["--exclude", "*"], "", "--exclude leaves no host"),
    "less than no host": (["--parallel", "-1"], "", "--parallel -1: give a number of hosts"),
    "no terminal": (["--mailbox", "alice"], "", "nobody can be asked for the password of alice"),
    "an empty login": (["--mailbox", ""], "x", "--mailbox: the login is empty"),
    "bytes": (["--mailbox", "alice"], "\udcff", "the password of alice is not UTF-8"),
    "no such folder": (["--json", "/nonexistent/x"], "", "--json /nonexistent/x: there is no such folder"),
    "a folder": (["--json", "tests"], "", "--json tests: this is a folder"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_command_line_that_is_wrong_is_one_sentence(words: list[str], name: str) -> None:
    options, password, sentence = MISTAKES[name]
    status, said = _verify([*words, *options], VERIFY_PASSWORD=password)
    assert (status, said.count(sentence)) == (4, 1), said
    assert "INTERNALERROR" not in said
    assert "looked at" not in said


def test_no_password_at_the_prompt_is_one_sentence(words: list[str]) -> None:
    with in_a_terminal([*words, "--mailbox", "alice"], ROOT) as terminal:
        terminal.wait_for("Password of alice: ")
        terminal.type(CTRL_D)
        assert terminal.status() == 4, terminal.shown
    assert "no password of alice was given" in terminal.shown
    assert "INTERNALERROR" not in terminal.shown


def test_a_file_that_cannot_be_written_in_the_end_is_one_sentence(words: list[str]) -> None:
    status, said = _verify([*words, "--json", "/dev/full"])
    assert (status, said.count("/dev/full: No space left on device")) == (1, 1), said
    assert "Traceback" not in said
    assert "1 host: 1 failed" in said
