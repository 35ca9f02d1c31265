"""`--on-event`: a program that is told, and whatever it does, the rollout goes on."""

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from smtp_auth.rollout import events
from smtp_auth.rollout.events import Events
from smtp_auth.runs.mistakes import Mistake
from tests.processes import wait_for

# More than a pipe takes.
MANY = 2000


class Told:
    """What a run of events has said, in one line each."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def run(self, command: str | None, count: int) -> list[str]:
        """Tell so many events. Returns what was said."""
        with Events(command, lambda lines: self.said.extend(line.text for line in lines)) as found:
            for number in range(count):
                found.tell("host_changed", run="run", host=f"host{number}")
        return self.said


def python(program: str, *arguments: object) -> str:
    """The command that runs a program in Python."""
    return shlex.join([sys.executable, "-c", program, *map(str, arguments)])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_TO_READ", 0.1)


def test_a_program_reads_every_event_in_order(tmp_path: Path) -> None:
    file = tmp_path / "events"
    assert Told().run(python("import sys; open(sys.argv[1], 'w').write(sys.stdin.read())", file), MANY) == []
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one.pop("host") for one in found] == [f"host{number}" for number in range(MANY)]
    assert all(one.pop("time").endswith("Z") for one in found)
    assert found == [{"version": 1, "event": "host_changed", "run": "run"}] * MANY


def test_what_a_host_says_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "events"
    with Events(f"tee {shlex.quote(str(file))}", lambda _lines: None) as found:
        found.tell("host_failed", reasons=("a\nb\x1b[2J",))
    assert json.loads(file.read_text())["reasons"] == ["a\nb\x1b[2J"]
    assert "\x1b" not in file.read_text()


def test_without_a_command_nobody_is_told() -> None:
    assert Told().run(None, 3) == []


def test_a_program_that_ends_is_said_at_once_and_what_it_has_not_read_at_the_end() -> None:
    said: list[str] = []
    with Events("sh -c 'exit 3'", lambda lines: said.extend(line.text for line in lines)) as found:
        assert found._program
        wait_for(lambda: found._program is None or found._program.status is not None, "it does not end")
        found.tell("host_changed")
        found.tell("host_changed")
        assert said == ["--on-event sh -c 'exit 3' has ended with status 3: the rollout goes on without it"]
    assert said[1:] == ["--on-event sh -c 'exit 3' has not read 2 events"]


@pytest.mark.usefixtures("impatient")
def test_a_program_that_reads_nothing_is_ended() -> None:
    said = Told().run("sleep 1000", MANY)
    assert said == [
        f"--on-event sleep 1000 has not read {MANY} events and was ended, because it was still at work 0 "
        "seconds after the rollout"
    ]


@pytest.mark.usefixtures("impatient")
def test_a_program_that_does_not_want_to_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    file = tmp_path / "child"
    program = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    pathlib.Path(sys.argv[1] + ".new").write_text(str(child))
    pathlib.Path(sys.argv[1] + ".new").rename(sys.argv[1])
time.sleep(1000)
"""
    with Events(python(program, file), lambda _lines: None):
        wait_for(file.exists, "it does not start another one")
    child = int(file.read_text())
    wait_for(lambda: not is_alive(child), "what it has started is alive")


@pytest.mark.usefixtures("impatient")
def test_a_program_that_may_not_be_ended_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with sudo, which makes it another user's."""
    end = os.killpg
    may_not = MagicMock(side_effect=PermissionError)
    monkeypatch.setattr(os, "killpg", may_not)
    said: list[str] = []
    found = Events("sleep 1000", lambda lines: said.extend(line.text for line in lines)).__enter__()
    assert found._program
    program = found._program._pid
    try:
        found.tell("host_changed")
        found.close()
        assert said == [
            "--on-event sleep 1000 is still at work 0 seconds after the rollout, and cannot be ended"
        ]
        assert [call.args for call in may_not.call_args_list] == [(program, 15), (program, 9)]
    finally:
        end(program, signal.SIGKILL)
        os.waitpid(program, 0)


def test_what_it_has_started_as_another_user_is_said(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    end = os.killpg

    def killpg(group: int, number: int) -> None:
        if number == 0:
            raise PermissionError
        end(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    assert Told().run("sleep 1000", 0) == [
        "--on-event sleep 1000 is still at work 0 seconds after the rollout, and cannot be ended"
    ]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_ctrl_c_at_the_terminal_does_not_reach_it() -> None:
    with Events("cat", lambda _lines: None) as found:
        assert found._program
        assert os.getsid(found._program._pid) != os.getsid(0)


def test_its_output_is_not_among_the_results(capfd: pytest.CaptureFixture[str]) -> None:
    Told().run("echo hello", 0)
    assert capfd.readouterr() == ("", "hello\n")


def test_a_program_that_fails_at_the_end_is_said() -> None:
    command = python("import sys; sys.stdin.read(); sys.exit(4)")
    assert [line.rpartition(" has ")[2] for line in Told().run(command, 1)] == ["ended with status 4"]


def test_it_can_be_closed_before_the_end_and_tells_nothing_more() -> None:
    told = Told()
    with Events("cat", lambda lines: told.said.extend(line.text for line in lines)) as found:
        found.close()
        found.tell("host_changed")
    assert told.said == []


@pytest.mark.usefixtures("impatient")
def test_an_interruption_while_it_is_waited_for_leaves_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    found = Events("sleep 1000", lambda lines: told.said.extend(line.text for line in lines)).__enter__()
    sleep, program = events._sleep, found._program

    def interrupted(_seconds: float) -> None:
        monkeypatch.setattr(events, "_sleep", sleep)
        # As the handler of the signal does, behind which nothing goes on.
        found.tell("run_ended")
        found.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(events, "_sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        found.close()
    assert program
    assert program.status == -signal.SIGTERM
    assert len(told.said) == 1


def test_a_program_that_a_signal_has_ended_is_said() -> None:
    command = python("import os, sys; sys.stdin.read(); os.kill(os.getpid(), 9)")
    assert [line.rpartition(" has ")[2] for line in Told().run(command, 1)] == ["ended with signal 9"]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program", "no-such-program: no-such-program is no program: give a name in PATH, or a path"),
        ("/etc/passwd x", "/etc/passwd x: /etc/passwd is no program"),
        ("/", "/: / is no program"),
        ("", ": there is no command in it"),
        ("  ", "  : there is no command in it"),
        ("say 'hello", "say 'hello: a quotation mark is not closed"),
        ("say \\", "say \\: a quotation mark is not closed, or a backslash is its end"),
        ("a\x1b", "a\\x1b: a\\x1b is no program"),
        ("a\0b", "a\\x00b: a\\x00b is no program"),
    ],
)
def test_a_program_that_cannot_be_run_is_a_mistake(command: str, sentence: str) -> None:
    with pytest.raises(Mistake) as raised, Events(command, lambda _lines: None):
        pass
    assert str(raised.value).startswith(f"--on-event {sentence}")


def test_a_program_that_cannot_be_started_is_a_mistake(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF\0")
    program.chmod(0o755)
    with (
        pytest.raises(Mistake, match="cannot be run: Exec format error"),
        Events(str(program), lambda _lines: None),
    ):
        pass
