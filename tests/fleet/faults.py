"""Faults on a lab host: a change can be killed or paused at any of its effects, and its commands can fail.

A folder in front of root's PATH holds a stand-in for some commands. The stand-in counts its calls. At one of
them it does what the test wants, otherwise it becomes the real command. The stand-in of systemd-run lets the
change itself meet them, too, and loads Fault.pm in front of it, which counts the change's effects likewise.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import SYSTEM_PATH, environment, wait_until
from lab.host import LabHost
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.on_host.packing import PERL
from tests.processes import PATIENCE, wait_for

# Restoring a saved state of a host does not change this folder: `Faults` removes it.
_FOLDER = "/var/cache/faults"

COMMANDS = ("perl", "postconf", "systemctl", "systemd-run")

# What a stand-in can do instead of the real command, or before it becomes the real command.
KILL = "kill -KILL 0"
FAIL = 'echo "$name: made to fail" >&2; exit 1'
PAUSE = 'echo $$ >"$folder/paused"; until [ -e "$folder/go" ] || [ ! -e "$folder" ]; do sleep 0.02; done'

UNIT = "smtp-auth-change"

_STAND_IN = f"""#!/bin/sh
folder={_FOLDER} name=${{0##*/}}
before=$PATH PATH=${{PATH#*:}}
printf . >>"$folder/calls/$name"
read -r calls <"$folder/calls/$name"
read -r wanted compare number <"$folder/command"
if [ "$wanted" = "$name" ] && [ "${{#calls}}" "$compare" "$number" ]; then . "$folder/action"; fi
if [ "$name" = perl ]; then
    if [ "$3" = start ] && [ -e "$folder/recording" ]; then
        cat >"$folder/program"
        exec <"$folder/program"
    fi
    # The commands that it runs are replaced by their stand-ins, too.
    name=$(command -v perl) PATH=$before
fi
if [ "$name" = systemd-run ] && [ -e "$folder/traced" ]; then
    # In front of the command: perl, the program and `change`.
    total=$# at=0
    for word; do
        at=$((at + 1))
        [ $at != $((total - 2)) ] || set -- "$@" "$folder/traced"
        set -- "$@" "$word"
    done
    shift "$total"
    # The order of Perl's hashes is the order of some calls.
    set -- --setenv=PATH="$folder/fault/bin:$PATH" --setenv=PERL_HASH_SEED=0 "$@"
elif [ "$name" = systemd-run ]; then
    set -- --setenv=PATH="$folder/bin:$PATH" --setenv=FAULT_FOLDER=$folder --setenv=PERL5LIB=$folder \\
        --setenv=PERL5OPT=-MFault "$@"
fi
exec "$name" "$@"
"""


class Faults:
    """The stand-ins of one host, which exist inside a `with`."""

    def __init__(self, host: LabHost) -> None:
        self.host = host

    @property
    def _folder(self) -> Path:
        return self.host.root / _FOLDER.lstrip("/")

    def __enter__(self) -> "Faults":
        # A run that was killed has left them there.
        self.host.run(f"rm -rf {_FOLDER}")
        (self._folder / "bin").mkdir(parents=True)
        for command in COMMANDS:
            stand_in = self._folder / "bin" / command
            stand_in.write_text(_STAND_IN)
            stand_in.chmod(0o755)
        shutil.copy(Path(__file__).parents[1] / "faults" / "Fault.pm", self._folder)
        self.disarm()
        return self

    def __exit__(self, *_: object) -> None:
        self.disarm()
        self.host.run(f"rm -rf {_FOLDER}")

    def arm(self, number: int, action: str, command: str, *, and_later: bool = False) -> None:
        """Let one call of a command do something; calls are counted from now on.

        + number: which call
        + action: shell code; when it ends without `exit`, the real command runs
        + and_later: let all calls after it do the same
        """
        self._reset()
        (self._folder / "action").write_text(action + "\n")
        (self._folder / "command").write_text(f"{command} {'-ge' if and_later else '-eq'} {number}\n")

    def arm_effect(self, number: int, action: str, kind: str = "any", script: str = "") -> None:
        """Let something happen at one effect of the change; effects are counted from now on.

        + action: `kill`, `fail`, `pause`, `run` or `walk`, as in Fault.pm
        + kind: which effects are counted: Perl's name for them, such as `rename`
        + script: for `run`, shell code
        """
        self._reset()
        (self._folder / "action").write_text(script + "\n")
        (self._folder / "at").write_text(f"{number} {action} {kind}\n")

    @contextmanager
    def traced(self, prepare: Callable[[Path, str], list[str]]) -> Iterator[Path]:
        """Inside a `with`, the change runs behind words that trace it, and without Fault.pm.

        + prepare: is given an empty folder, as the test and as the host sees it; returns these words

        Yields the folder.
        """
        folder, inside = self._folder / "fault", f"{_FOLDER}/fault"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        words = shlex.join(prepare(folder, inside))
        traced = self._folder / "traced"
        traced.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        traced.chmod(0o755)
        try:
            yield folder
        finally:
            traced.unlink()

    def disarm(self) -> None:
        """Remove all faults."""
        self._reset()

    def _reset(self) -> None:
        folder = _FOLDER
        self.host.run(f"cd {folder} && rm -rf calls count paused go && mkdir calls && touch count")
        (self._folder / "command").write_text("none -eq 0\n")
        (self._folder / "at").write_text("0 nothing any\n")

    def effects(self) -> int:
        """The number of effects since the last `arm…`."""
        return (self._folder / "count").stat().st_size

    @contextmanager
    def in_ssh(self) -> Iterator[None]:
        """Inside a `with`, every command over SSH uses the stand-ins."""
        profile = self.host.root / "root/.bashrc"
        text = profile.read_text()
        profile.write_text(f"PATH={_FOLDER}/bin:$PATH\n{text}")
        try:
            yield
        finally:
            profile.write_text(text)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside a `with`, keep a copy of the program that changes the host."""
        recording = self._folder / "recording"
        recording.touch()
        try:
            with self.in_ssh():
                yield
        finally:
            recording.unlink()

    def recorded(self) -> str:
        """The recorded program."""
        return (self._folder / "program").read_text()

    def run(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program that changes the host, as it is sent, with the stand-ins first in its PATH."""
        match = re.search(r"^id\t(.*)$", program, re.MULTILINE)
        assert match
        path = f"PATH={_FOLDER}/bin:{SYSTEM_PATH}"
        return subprocess.run(
            [*self.host.enter(), "/usr/bin/env", path, *PERL, "start", match[1], RECORD],
            input=program,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env=environment(),
            start_new_session=True,
        )

    def wait_over(self, seconds: float = PATIENCE) -> None:
        """Wait until the change has finished, and also the process that restores the files."""
        # Its folder is created before its unit starts, and deleted before the unit stops.
        over = f"! ls -d /run/smtp-auth-2* && [ $(systemctl is-active {UNIT}) = inactive ]"
        wait_until(
            lambda: self.host.run(over, check=False).returncode == 0,
            f"the end of the change on {self.host.name}",
            timeout=seconds,
        )

    def is_paused(self) -> bool:
        """Whether something waits there."""
        paused = self._folder / "paused"
        return paused.exists() and paused.read_text().endswith("\n")

    def wait_paused(self) -> int:
        """Wait until something is paused; returns its process ID on the host."""
        paused = self._folder / "paused"
        wait_for(
            self.is_paused,
            f"the pause on {self.host.name}",
        )
        return int(paused.read_text().split()[0])

    def walked(self, is_over: Callable[[], bool]) -> Iterator[str]:
        """Each pause of a change with the action `walk`: before which kind of effect it is.

        Whenever the next one is asked for, the change goes on.

        + is_over: whether no more can follow
        """
        paused, go = self._folder / "paused", self._folder / "go"

        def is_paused() -> bool:
            return not go.exists() and paused.exists() and paused.read_text().endswith("\n")

        while True:
            wait_for(lambda: is_over() or is_paused(), f"the next pause on {self.host.name}")
            if is_over():
                return
            yield paused.read_text().split()[1]
            self.go_on()

    def go_on(self) -> None:
        """Let what is paused continue."""
        (self._folder / "go").touch()

    def cut_connection(self) -> None:
        """Kill the sshd that holds the controller's connection."""
        self.host.run(
            """
            for pid in $(pgrep -f '^sshd.*: root'); do kill -KILL "$pid"; done
            """
        )

    def wait_no_sessions(self) -> None:
        """Wait until all processes of SSH connections have exited."""
        wait_for(
            lambda: self.host.run("pgrep -f '^sshd.*: root'", check=False).returncode != 0,
            f"the end of the connections to {self.host.name}",
        )
