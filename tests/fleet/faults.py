"""Faults on a lab host: any command that a deploy runs there can be killed, held up, or fail.

A folder in front of root's PATH holds a stand-in for each command that the scripts of on_host/ call.
The stand-in counts its calls. At one of them it does what the test wants, otherwise it becomes the real
command, whose own children meet no stand-in.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import SYSTEM_PATH, environment, wait_until
from lab.host import LabHost

# Putting a host back to a saved state leaves this folder alone: `Faults` removes it.
_FOLDER = "/var/cache/faults"

COMMANDS = (
    *("base64", "bash", "cat", "chmod", "cp", "cut", "date", "doveconf", "flock", "grep", "journalctl", "ln"),
    *("mkdir", "mv", "perl", "postconf", "postfix", "rm", "sed", "sha256sum", "sort", "stat", "sync"),
    *("systemctl", "tail", "touch"),
)

# What a stand-in can do instead of the real command, or before it becomes the real command.
KILL = "kill -KILL 0"
FAIL = 'echo "$name: made to fail" >&2; exit 1'
PAUSE = 'echo $$ >"$folder/paused"; until [ -e "$folder/go" ]; do sleep 0.02; done'

_STAND_IN = f"""#!/bin/sh
folder={_FOLDER} name=${{0##*/}}
PATH=${{PATH#*:}}
count() {{
    printf . >>"$folder/calls/$1"
    read -r calls <"$folder/calls/$1"
    read -r wanted number <"$folder/at"
    if [ "$wanted" = "$1" ] && [ "${{#calls}}" = "$number" ]; then . "$folder/action"; fi
}}
count any
count "$name"
exec "$name" "$@"
"""

_RECORDER = f"""#!/bin/sh
if [ "$1" = -s ]; then
    script={_FOLDER}/script-$(date +%s.%N)
    cat >"$script"
    exec /bin/sh -s <"$script"
fi
exec /bin/sh "$@"
"""


class Faults:
    """The stand-ins of one host, which exist inside a `with`."""

    def __init__(self, host: LabHost) -> None:
        self.host = host

    @property
    def _folder(self) -> Path:
        return self.host.root / _FOLDER.lstrip("/")

    def __enter__(self) -> "Faults":
        (self._folder / "bin").mkdir(parents=True)
        for command in COMMANDS:
            stand_in = self._folder / "bin" / command
            stand_in.write_text(_STAND_IN)
            stand_in.chmod(0o755)
        self.disarm()
        return self

    def __exit__(self, *_: object) -> None:
        self.disarm()
        self.host.run(f"rm -rf {_FOLDER}")

    def arm(self, number: int, action: str, command: str = "any") -> None:
        """Let one call do something; calls are counted from now on.

        + number: which call
        + action: shell code; when it ends without `exit`, the real command runs
        + command: whose calls are counted; `any`: those of all commands
        """
        self.host.run(f"rm -rf {_FOLDER}/calls {_FOLDER}/paused {_FOLDER}/go; mkdir {_FOLDER}/calls")
        (self._folder / "action").write_text(action + "\n")
        (self._folder / "at").write_text(f"{command} {number}\n")

    def disarm(self) -> None:
        """Let every command do what it always does."""
        self.arm(0, ":")

    def calls(self, command: str = "any") -> int:
        """The number of calls since the stand-ins were armed."""
        file = self._folder / "calls" / command
        return file.stat().st_size if file.exists() else 0

    @contextmanager
    def in_ssh(self) -> Iterator[None]:
        """Inside a `with`, let every command that comes by ssh meet the stand-ins."""
        profile = self.host.root / "root/.bashrc"
        text = profile.read_text()
        profile.write_text(f"PATH={_FOLDER}/bin:$PATH\n{text}")
        try:
            yield
        finally:
            profile.write_text(text)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside a `with`, keep a copy of each script that comes by ssh."""
        shell = self._folder / "bin" / "sh"
        shell.write_text(_RECORDER)
        shell.chmod(0o755)
        try:
            with self.in_ssh():
                yield
        finally:
            shell.unlink()

    def recorded(self) -> list[str]:
        """The recorded scripts, in their order."""
        return [path.read_text() for path in sorted(self._folder.glob("script-*"))]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script that the program sends, with the stand-ins in front."""
        path = f"PATH={_FOLDER}/bin:{SYSTEM_PATH}"
        return subprocess.run(
            # Its own process group: `KILL` ends the script with all that it started, and nothing else.
            [*self.host.enter(), "/usr/bin/env", path, "sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment(),
            start_new_session=True,
        )

    def wait_paused(self) -> int:
        """Wait until a call has paused (`PAUSE`); returns its process id on the host."""
        paused = self._folder / "paused"
        wait_until(
            lambda: paused.exists() and paused.read_text().endswith("\n"),
            f"the pause on {self.host.name}",
            timeout=60,
        )
        return int(paused.read_text())

    def go_on(self) -> None:
        """Let the paused call become the real command."""
        (self._folder / "go").touch()

    def cut_connection(self, process: int) -> None:
        """Kill the sshd that holds the connection of this process on the host."""
        self.host.run(
            f"""
            pid={process}
            until read -r name <"/proc/$pid/comm" && case $name in sshd*) ;; *) false ;; esac; do
                [ "$pid" -gt 1 ] || exit 1
                pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
            done
            kill -KILL "$pid"
            """
        )

    def session(self, process: int) -> int:
        """The session of a process on the host; all processes of one ssh command are in one session."""
        return int(self.host.run(f"ps -o sid= -p {process}").stdout)

    def wait_ended(self, session: int) -> None:
        """Wait until no process of a session is left on the host."""
        wait_until(
            lambda: self.host.run(f"pgrep -s {session}", check=False).returncode != 0,
            f"the end of what goes on without a controller on {self.host.name}",
            timeout=120,
        )
