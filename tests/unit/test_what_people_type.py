"""Mistakes on the command line and in the inventory, answers to the question, and Ctrl-C."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import wait_for
from tests.terminal import CTRL_C, CTRL_D, Terminal, in_a_terminal

ROOT = Path(__file__).resolve().parents[2]
PYINFRA = Path(sys.executable).parent / "pyinfra"

HOST: dict[str, Any] = {"mail_domain": "example.jp", "mail_hostname": "mail.example.jp"}

# No program listens on this port.
DOWN = f"mail = [('mail1.example.jp', { ({**HOST, 'ssh_hostname': '127.0.0.1', 'ssh_port': 1})!r})]\n"

THIS_MACHINE = f"mail = [('@local', {HOST!r})]\n"

# A deploy whose change waits until the test lets it end; it plans nothing if there is a file `nothing`.
WAITING = """
from pathlib import Path
from gevent import sleep
from pyinfra.api import operation
from smtp_auth.runs.interruption import change_under_way
from smtp_auth.runs.pyinfra_internals import OwnCommand

FOLDER = Path(__file__).parent

class Change(OwnCommand):
    def carry_out(self, host, arguments):
        with change_under_way():
            (FOLDER / "begun").touch()
            while not (FOLDER / "go on").exists():
                sleep(0.01)
            (FOLDER / "done").touch()
        return True, []

@operation()
def change():
    if not (FOLDER / "nothing").exists():
        yield Change("change")

(FOLDER / "planning").touch()
while (FOLDER / "wait").exists():
    sleep(0.01)
change(name="Change")
"""


def both_ways(*words: str | Path, folder: Path = ROOT) -> list[tuple[int, str]]:
    """Exit status and output of pyinfra: without a terminal, and in one, side by side."""
    command = [PYINFRA, *words]
    with in_a_terminal(command, folder) as terminal:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        plain = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", done.stdout)
        return [(done.returncode, plain), (terminal.status(), terminal.shown)]


def _is_one_sentence(output: str, sentence: str) -> bool:
    is_clean = "Traceback" not in output and 'File "' not in output and "pyinfra error in" not in output
    return is_clean and len(re.findall(sentence, output)) == 1


INVENTORIES = {
    "empty": ("", r"inventory.py has no host: write a list of names"),
    "a text": ("mail = 'mail1.example.jp'\n", "inventory.py has no host: mail is no list of hosts"),
    "a dictionary": ("mail = {'mail1.example.jp': {}}\n", "mail is no list of hosts"),
    "a tuple": ("mail = ('mail1.example.jp', 'mail2.example.jp')\n", "mail is a tuple, but no group"),
    "a syntax error": (
        "\nmail = ['mail1.example.jp'\n",
        r"the inventory cannot be read: \S*inventory.py, line 2: '\[' was never closed",
    ),
    "a NUL": ("mail = ['\0']\n", "inventory.py: SyntaxError: source code string cannot contain null bytes"),
    "an exception": (
        "\nmail = [host]\n",
        r"cannot be read: \S*inventory.py, line 2: NameError: name 'host' is not defined",
    ),
    "it ends the program": ("raise SystemExit\n", "inventory.py, line 1: it ends the program"),
    "a port that is a text": (
        "mail = (['mail1.example.jp'], {'ssh_port': '22'})\n",
        "cannot be read: mail1.example.jp: Invalid connector data `ssh_port`: str is not an instance of int",
    ),
    "a host twice": (
        "mail = ['mail1.example.jp', 'mail2.example.jp', 'mail1.example.jp']\n",
        "inventory.py: mail names mail1.example.jp twice",
    ),
}


@pytest.mark.parametrize("name", INVENTORIES)
def test_an_inventory_that_is_wrong_is_one_sentence(tmp_path: Path, name: str) -> None:
    text, sentence = INVENTORIES[name]
    (tmp_path / "inventory.py").write_text(text)
    for status, output in both_ways(tmp_path / "inventory.py", "deploy.py", "-y"):
        assert status == 2, output
        assert _is_one_sentence(output, sentence), output
        assert "Connecting" not in output


def test_group_data_that_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text(DOWN)
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "mail.py").write_text("\n\nmail_domain = example\n")
    for status, output in both_ways(tmp_path / "inventory.py", "deploy.py", "-y"):
        assert status == 2, output
        assert _is_one_sentence(output, r"group_data/mail.py, line 3: NameError: name 'example'"), output


WORDS = {
    "a file that does not exist": (("inventry.py", "deploy.py", "-y"), "the inventory inventry.py does not"),
    "a host that does not exist": (
        ("mail1.example.invalid", "deploy.py", "-y"),
        "mail1.example.invalid is no inventory: there is no such file",
    ),
    "a folder": (("tests", "deploy.py", "-y"), "the inventory tests is a folder"),
    "a comma too many": (("a.example.jp,", "deploy.py", "-y"), "has an empty name"),
    "an unknown connector": (("@dokcer/a", "deploy.py", "-y"), "cannot be read: Invalid connector: dokcer"),
    "a function": (("@local", "operations.postfix_tls.certificate", "-y"), "does not run as a function"),
    "two programs": (("@local", "deploy.py", "undo.py"), "deploy.py and undo.py in one run"),
    "data without a value": (("@local", "deploy.py", "--data", "mail_domain"), "is not KEY=VALUE"),
    "a file as a folder of data": (
        ("@local", "deploy.py", "--group-data", "README.md"),
        "README.md: there is no such folder, and no such file that ends with .py",
    ),
    "fewer than no hosts at a time": (("@local", "deploy.py", "--parallel", "-3"), "--parallel -3: give a"),
    "the program before the inventory": (
        ("deploy.py", "inventory.py", "-y"),
        "deploy.py is no inventory: give it behind that",
    ),
    "a file name in capitals": (("@local", "deploy.PY", "-y"), "does not run as a function"),
    "another word behind the program": (("@local", "deploy.py", "-y", "--", "-v"), "not run as a function"),
    "a folder of data": (("@local", "deploy.py", "--group-data", "data"), "data: there is no such folder"),
    "no host is left": (
        ("@local", "deploy.py", "-y", "--exclude", "@local"),
        "--exclude leaves no host",
    ),
    "an unknown group": (("@local", "deploy.py", "-y", "--limit", "a"), "--limit a: no host or group"),
    "an exclusion of nobody": (
        ("@local", "deploy.py", "-y", "--exclude", "a"),
        "--exclude a: no host or group",
    ),
    # pyinfra itself says so, before it reads config.py.
    "no program": (("inventory.py",), "Missing argument 'OPERATIONS...'"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_command_line_that_is_wrong_is_one_sentence(name: str) -> None:
    words, sentence = WORDS[name]
    for status, output in both_ways(*words):
        assert status == 2, output
        assert _is_one_sentence(output, re.escape(sentence)), output
        assert "Connecting" not in output
        # pyinfra's own words for what one of our sentences says.
        assert "No host matches" not in output
        assert "is neither" not in output


def test_a_program_that_does_not_exist_is_one_sentence() -> None:
    """pyinfra itself says so, and exits with 1, before it reads config.py."""
    for status, output in both_ways("inventory.py", "deply.py"):
        assert status == 1
        assert _is_one_sentence(output, "No deploy file: deply.py"), output


def test_a_function_that_uses_this_deploy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(
        "from pyinfra.api import deploy\n"
        "from smtp_auth.runs.host import ready\n"
        "@deploy()\n"
        "def mail():\n"
        "    ready(())\n"
    )
    (tmp_path / "config.py").write_text((ROOT / "config.py").read_text())
    for status, output in both_ways("@local", "ours.mail", "-y", folder=tmp_path):
        assert status == 2, output
        assert _is_one_sentence(output, "does not run as a function"), output


def test_a_host_that_is_down_is_told_without_lines_of_code(tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text(DOWN)
    for status, output in both_ways(tmp_path / "inventory.py", "deploy.py", "-y"):
        assert status == 1, output
        assert _is_one_sentence(output, "1 host: 1 not reached"), output


@pytest.fixture
def waiting(tmp_path: Path) -> list[str | Path]:
    """A command line whose change waits."""
    (tmp_path / "inventory.py").write_text(THIS_MACHINE)
    (tmp_path / "waiting.py").write_text(WAITING)
    return [PYINFRA, tmp_path / "inventory.py", tmp_path / "waiting.py"]


@pytest.mark.parametrize(
    ("answer", "status"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("yess\n", 1), (CTRL_D, 1)]
)
def test_only_yes_means_yes(waiting: list[str | Path], tmp_path: Path, answer: str, status: int) -> None:
    (tmp_path / "go on").touch()
    with in_a_terminal(waiting, ROOT) as terminal:
        terminal.wait_for("1 host would change.")
        terminal.wait_for("y or yes: ")
        terminal.type(answer)
        assert terminal.status() == status, terminal.shown
    assert (tmp_path / "done").exists() == (status == 0)
    if status:
        assert _is_one_sentence(terminal.shown, "no host was changed"), terminal.shown
        assert "1 host: 1 not begun" in terminal.shown


def test_what_is_typed_before_the_question_does_not_answer_it(
    waiting: list[str | Path], tmp_path: Path
) -> None:
    (tmp_path / "wait").touch()
    with in_a_terminal(waiting, ROOT) as terminal:
        wait_for((tmp_path / "planning").exists, "nothing is planning")
        terminal.type("y\ny\n")
        # The terminal shows what is typed, so it has arrived.
        terminal.wait_for("y\ny\n")
        (tmp_path / "wait").unlink()
        terminal.wait_for("y or yes: ")
        terminal.type("n\n")
        assert terminal.status() == 1, terminal.shown
    assert not (tmp_path / "begun").exists()


def test_without_a_terminal_nobody_is_asked(waiting: list[str | Path], tmp_path: Path) -> None:
    for typed in ("", "y\n", "\n"):
        done = subprocess.run(waiting, cwd=ROOT, input=typed, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert _is_one_sentence(done.stderr, "standard input is no terminal. Use -y"), done.stderr
    assert not (tmp_path / "begun").exists()
    (tmp_path / "nothing").touch()
    assert (
        subprocess.run(waiting, cwd=ROOT, input="", capture_output=True, text=True, check=False).returncode
        == 0
    )


def _interrupt(terminal: Terminal, number: signal.Signals) -> None:
    if number == signal.SIGINT:
        terminal.type(CTRL_C)
    else:
        terminal.process.send_signal(number)


NUMBERS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)


@NUMBERS
def test_an_interruption_waits_for_the_changes_under_way(
    waiting: list[str | Path], tmp_path: Path, number: signal.Signals
) -> None:
    with in_a_terminal([*waiting, "-y"], ROOT) as terminal:
        wait_for((tmp_path / "begun").exists, "nothing is begun")
        _interrupt(terminal, number)
        terminal.wait_for("waiting for 1 change under way; no other begins")
        assert terminal.process.poll() is None
        (tmp_path / "go on").touch()
        assert terminal.status() == 130, terminal.shown
    assert (tmp_path / "done").exists()
    assert "1 host: " in terminal.shown


@NUMBERS
def test_a_second_interruption_leaves_them_to_their_hosts(
    waiting: list[str | Path], tmp_path: Path, number: signal.Signals
) -> None:
    with in_a_terminal([*waiting, "-y"], ROOT) as terminal:
        wait_for((tmp_path / "begun").exists, "nothing is begun")
        _interrupt(terminal, number)
        terminal.wait_for("Interrupt again to quit")
        _interrupt(terminal, number)
        assert terminal.status() == 130, terminal.shown
    assert not (tmp_path / "done").exists()
    assert "1 host: " in terminal.shown


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM, signal.SIGHUP),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
    ],
    ids=["the end of a session", "a service with a worker", "Ctrl-C below GNU parallel"],
)
def test_what_is_passed_on_is_one_interruption(
    waiting: list[str | Path], tmp_path: Path, numbers: tuple[signal.Signals, ...]
) -> None:
    with in_a_terminal([*waiting, "-y"], ROOT) as terminal:
        wait_for((tmp_path / "begun").exists, "nothing is begun")
        for number in numbers:
            terminal.process.send_signal(number)
        terminal.wait_for("Interrupt again to quit")
        (tmp_path / "go on").touch()
        assert terminal.status() == 130, terminal.shown
    assert (tmp_path / "done").exists(), terminal.shown


@NUMBERS
def test_an_interruption_ends_a_run_that_changes_nothing_yet(
    waiting: list[str | Path], tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "wait").touch()
    with in_a_terminal(waiting, ROOT) as planning:
        wait_for((tmp_path / "planning").exists, "nothing is planning")
        _interrupt(planning, number)
        assert planning.status() == 130, planning.shown
    (tmp_path / "wait").unlink()
    with in_a_terminal(waiting, ROOT) as asking:
        asking.wait_for("y or yes: ")
        _interrupt(asking, number)
        assert asking.status() == 130, asking.shown
    with socket.create_server(("127.0.0.1", 0)) as silent:
        data = {**HOST, "ssh_hostname": "127.0.0.1", "ssh_port": silent.getsockname()[1]}
        (tmp_path / "inventory.py").write_text(f"mail = [('mail1.example.jp', {data!r})]\n")
        with in_a_terminal([*waiting, "-y"], ROOT) as connecting, silent.accept()[0]:
            _interrupt(connecting, number)
            assert connecting.status() == 130, connecting.shown
    for terminal in (planning, asking, connecting):
        assert _is_one_sentence(terminal.shown, "no change is under way"), terminal.shown
    assert not (tmp_path / "begun").exists()


def test_ctrl_c_just_before_an_answer_is_read_is_not_left_until_one_is_typed() -> None:
    """The read itself is not interrupted then. Nor is it if another thread gets the signal, as here."""
    program = (
        "import os, signal, threading\n"
        "from smtp_auth.runs.question import answer_to\n"
        "signal.signal(signal.SIGINT, lambda *_: os._exit(130))\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "answer_to('Change it? ')\n"
    )
    with in_a_terminal([sys.executable, "-c", program], ROOT) as terminal:
        terminal.wait_for("Change it? ")
        terminal.type(CTRL_C)
        assert terminal.status() == 130, terminal.shown


def test_an_answer_is_read_beside_a_thousand_connections() -> None:
    program = (
        "import os, resource\n"
        "from smtp_auth.runs.question import answer_to\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "for _ in range(1100):\n"
        "    os.dup(1)\n"
        "print('answered', answer_to('Change it? '))\n"
    )
    with in_a_terminal([sys.executable, "-c", program], ROOT) as terminal:
        terminal.wait_for("Change it? ")
        terminal.type("y\n")
        assert terminal.status() == 0, terminal.shown
    assert "answered y" in terminal.shown


@NUMBERS
def test_an_interruption_while_the_inventory_is_read_is_no_mistake_in_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "inventory.py").write_text(
        "from gevent.monkey import get_original\n"
        "print('asking a database', flush=True)\n"
        "get_original('time', 'sleep')(60)\n"
        "mail = ['mail1.example.jp']\n"
    )
    with in_a_terminal([PYINFRA, tmp_path / "inventory.py", "deploy.py"], ROOT) as terminal:
        terminal.wait_for("asking a database")
        _interrupt(terminal, number)
        assert terminal.status() == 130, terminal.shown
    assert _is_one_sentence(terminal.shown, "no change is under way"), terminal.shown
    assert "cannot be read" not in terminal.shown


def test_an_interruption_while_the_program_is_loaded_is_no_success(tmp_path: Path) -> None:
    """pyinfra itself would exit with 0."""
    text = (ROOT / "config.py").read_text()
    place = "from smtp_auth.runs.run import"
    assert text.count(place) == 1
    # What is imported there takes as long as the test needs.
    slow = (
        "from gevent.monkey import get_original\n"
        "print('importing', flush=True)\n"
        "get_original('time', 'sleep')(60)\n"
    )
    (tmp_path / "config.py").write_text(text.replace(place, slow + place))
    (tmp_path / "inventory.py").write_text(DOWN)
    (tmp_path / "deploy.py").touch()
    with in_a_terminal([PYINFRA, "inventory.py", "deploy.py", "-y"], tmp_path) as terminal:
        terminal.wait_for("importing")
        terminal.type(CTRL_C)
        assert terminal.status() == 130, terminal.shown
    assert _is_one_sentence(terminal.shown, "no change is under way"), terminal.shown


def test_the_report_has_a_line_for_a_host_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text("mail = ['mail1.example.jp\\n2']\n")
    for status, output in both_ways(tmp_path / "inventory.py", "deploy.py", "-y"):
        assert status == 1, output
        assert r"    mail1.example.jp\n2  refused: " in output
