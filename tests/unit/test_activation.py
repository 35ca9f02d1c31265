"""The change as a transaction: killed, or failed, at every command. The service here is two files."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from facts.look import File
from on_host.change import transaction
from plan.plan import PlannedFile

# The service is a copy of the two files, which `reload_service` makes; it serves unless "dies" is in it.
SERVICE = """
check() { ! grep -l refused "$(coming "$first")" "$(coming "$second")"; }
reload_service() {
    for file in "$first" "$second"; do
        rm -f -- "$runs/${file##*/}" || return
        [ ! -e "$file" ] || cp -- "$file" "$runs" || return
    done
}
bring_back() { reload_service; }
prove() { ! grep -rl dies "$runs"; }
prove_old() { prove; }
"""

# Stands for each command in PATH. Call number KILL_AT kills the script with all that it has started; call
# number FAIL_AT fails and does nothing.
SHIM = """#!/bin/sh
printf . >>"$CALLS"
read -r calls <"$CALLS"
if [ "${#calls}" = "${KILL_AT:-}" ]; then kill -KILL 0; fi
if [ "${#calls}" = "${FAIL_AT:-}" ]; then echo "no space" >&2; exit 1; fi
# Nothing here has to survive a power cut.
if [ "${0##*/}" = sync ]; then exit 0; fi
PATH=${PATH#*:}
exec "${0##*/}" "$@"
"""

COMMANDS = (
    *("base64", "cat", "chmod", "cp", "date", "flock", "grep", "journalctl", "ln", "mkdir", "mv", "rm"),
    *("sha256sum", "sleep", "sync", "tail", "touch"),
)

FIRST, SECOND = "main file.cf", "second.cf"


@dataclass
class Host:
    """A folder that stands for a host's file system."""

    folder: Path
    calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.etc.mkdir(parents=True)
        shims = self.folder / "shims"
        shims.mkdir()
        for command in COMMANDS:
            (shims / command).write_text(SHIM)
            (shims / command).chmod(0o755)

    @property
    def etc(self) -> Path:
        return self.folder / "etc dir"

    def files(self) -> dict[str, str]:
        """Name to content of all files, hidden ones included."""
        return {path.name: path.read_text() for path in self.etc.iterdir()}

    def served(self) -> dict[str, str]:
        """The service's files, without leftovers."""
        return {name: text for name, text in self.files().items() if name in (FIRST, SECOND)}

    def runs(self) -> dict[str, str]:
        """What the service has read."""
        return {path.name: path.read_text() for path in (self.folder / "runs").iterdir()}

    def is_clean(self) -> bool:
        """Whether a change has left nothing beside the files or in the stage."""
        known = {name + end for name in (FIRST, SECOND) for end in ("", ".previous~")}
        return self.files().keys() <= known and not (self.folder / "stage").exists()

    def script(
        self,
        wanted: Mapping[str, str],
        seen: Mapping[str, str] | None = None,
        service_part: str = SERVICE,
    ) -> str:
        """What the program sends: each file that differs from what was seen gets a new version."""
        seen = self.served() if seen is None else seen
        files = {
            name: File(str(self.etc / name), seen.get(name), str(self.etc / name)) for name in (FIRST, SECOND)
        }
        return transaction(
            service_part,
            service="The service",
            lock=str(self.etc),
            managed=files.values(),
            files=[
                PlannedFile(files[name], "The service", text, "")
                for name, text in wanted.items()
                if seen.get(name) != text
            ],
            variables={
                "first": str(self.etc / FIRST),
                "second": str(self.etc / SECOND),
                "runs": str(self.folder / "runs"),
                "stage_directory": str(self.folder / "stage"),
            },
        )

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script as on the host; `calls` is how many commands it started."""
        calls = self.folder / "calls"
        calls.write_text("")
        done = subprocess.run(
            ["sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            start_new_session=True,
            env={"PATH": f"{self.folder}/shims:{os.environ['PATH']}", "CALLS": str(calls), **environment},
        )
        self.calls = len(calls.read_text())
        return done

    def deploy(self, wanted: Mapping[str, str]) -> subprocess.CompletedProcess[str] | None:
        """What the program does: nothing if the files are as wanted, read and without leftovers."""
        if self.served() == wanted == self.runs() and self.is_clean():
            return None
        return self.run(self.script(wanted))


OLD = {FIRST: "old one\n", SECOND: "old two\n"}
NEW = {FIRST: "new one\n", SECOND: "new two\n"}
DIES = {FIRST: "new one, dies\n", SECOND: "new two\n"}
EDITED = "edited, dies\n"
REFUSED = {FIRST: "new one\n", SECOND: "refused\n"}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return _host(tmp_path / "host", OLD)


def _host(folder: Path, files: Mapping[str, str]) -> Host:
    made = Host(folder)
    (folder / "runs").mkdir()
    for name, text in files.items():
        (made.etc / name).write_text(text)
        (folder / "runs" / name).write_text(text)
    return made


def _fresh_hosts(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[int, Host]]:
    """One new host per command of the change, with the command's number (from 1), until the last command."""
    number = 0
    while True:
        number += 1
        made = _host(folder / "host", files)
        yield number, made
        if made.calls < number:
            return
        shutil.rmtree(folder)


def _mixed(files: Mapping[str, str], *states: Mapping[str, str]) -> bool:
    """Whether a file is as in none of the states, where it may also be missing."""
    return any(files.get(name) not in [state.get(name) for state in states] for name in (FIRST, SECOND))


def test_a_change_goes_live_whole_and_keeps_the_version_before(host: Host) -> None:
    (host.etc / FIRST).chmod(0o640)
    assert host.run(host.script(NEW)).returncode == 0
    assert host.served() == host.runs() == NEW
    assert host.is_clean()
    assert (host.etc / f"{FIRST}.previous~").read_text() == OLD[FIRST]
    assert (host.etc / FIRST).stat().st_mode & 0o777 == 0o640


def test_a_configuration_that_does_not_serve_is_put_back(host: Host) -> None:
    done = host.run(host.script(DIES))
    assert done.returncode == 1
    assert "does not serve with this configuration" in done.stderr
    assert "old configuration is back and serves" in done.stderr
    assert host.files() == host.runs() == OLD
    assert host.is_clean()


def test_a_configuration_that_is_refused_touches_nothing(host: Host) -> None:
    before = {path.name: path.stat() for path in host.etc.iterdir()}
    done = host.run(host.script(REFUSED))
    assert done.returncode == 1
    assert "refuses the new configuration; nothing was changed" in done.stderr
    assert {path.name: path.stat() for path in host.etc.iterdir()} == before
    assert host.is_clean()


@pytest.mark.parametrize(
    ("before", "wanted"),
    [({FIRST: "old one\n"}, NEW), (OLD, DIES)],
    ids=["one file replaced and one added", "a configuration that does not serve"],
)
def test_killed_at_any_command(tmp_path: Path, before: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    end = before if wanted is DIES else wanted
    for number, host in _fresh_hosts(tmp_path / "hosts", before):
        host.run(host.script(wanted), KILL_AT=str(number))
        killed = host.calls >= number
        assert not _mixed(host.served(), before, wanted), f"killed at {number}: {host.files()}"
        host.deploy(wanted)
        assert host.served() == host.runs() == end, f"killed at {number}: {host.files()}"
        assert host.is_clean(), f"killed at {number}: {host.files()}"
        if not killed:
            host.calls = 0
            assert number > 30


def test_any_command_fails_once(tmp_path: Path) -> None:
    for number, host in _fresh_hosts(tmp_path / "hosts", OLD):
        done = host.run(host.script(NEW), FAIL_AT=str(number))
        reached = host.calls >= number
        files = host.served()
        assert files in (OLD, NEW), f"{number} failed: {host.files()}"
        if done.returncode:
            assert "nothing was" in done.stderr or "is back and serves" in done.stderr, done.stderr
            assert files == host.runs() == OLD, f"{number} failed: {host.files()}"
        host.deploy(NEW)
        assert host.served() == host.runs() == NEW, f"{number} failed: {host.files()}"
        assert host.is_clean(), f"{number} failed: {host.files()}"
        if not reached:
            host.calls = 0


def test_a_script_that_is_cut_off_on_its_way_does_nothing(host: Host) -> None:
    script = host.script(NEW)
    for length in range(0, len(script) - len(" </dev/null\n"), 97):
        host.run(script[:length])
        assert host.calls == 0
    assert host.files() == OLD


def test_an_edit_since_the_plan_is_left_as_it_is(host: Host) -> None:
    script = host.script(NEW)
    (host.etc / SECOND).write_text(EDITED)
    done = host.run(script)
    assert done.returncode == 1
    assert f"{host.etc / SECOND} was changed since the plan" in done.stderr
    assert host.files() == {**OLD, SECOND: EDITED}
    assert host.is_clean()


@pytest.mark.parametrize("edited", [FIRST, SECOND])
@pytest.mark.parametrize(
    "how",
    ["printf 'edited, dies\\n' >\"$FILE\"", 'printf \'edited, dies\\n\' >"$FILE.x"; mv "$FILE.x" "$FILE"'],
)
@pytest.mark.parametrize("during", ["check", "reload_service"])
def test_an_edit_during_the_change_is_never_lost(host: Host, edited: str, how: str, during: str) -> None:
    service = SERVICE.replace(f"{during}() {{", f"{during}() {{ FILE={str(host.etc / edited)!r}; {how};", 1)
    wanted = NEW if during == "check" else DIES
    done = host.run(host.script(wanted, service_part=service))
    other = SECOND if edited == FIRST else FIRST
    assert host.served()[edited] == EDITED
    assert host.served()[other] == OLD[other]
    assert host.is_clean()
    if during == "check":
        assert f"{host.etc / edited} was changed since the plan" in done.stderr
        assert done.returncode == 1


def test_a_link_in_place_of_the_file_is_not_written_through(host: Host) -> None:
    script = host.script(NEW)
    elsewhere = host.folder / "elsewhere"
    (host.etc / FIRST).rename(elsewhere)
    (host.etc / FIRST).symlink_to(elsewhere)
    done = host.run(script)
    assert "was changed since the plan" in done.stderr
    assert elsewhere.read_text() == OLD[FIRST]
    assert (host.etc / FIRST).is_symlink()


def test_the_lock_says_who_holds_it_and_ends_with_its_holder(host: Host) -> None:
    script = host.script(NEW)
    with subprocess.Popen(
        ["sh", "-c", f'exec 9<"{host.etc}"; flock 9; echo locked; read -r _'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        (host.folder / "stage").mkdir()
        (host.folder / "stage" / "holder").write_text("process 1 of root")
        done = host.run(script)
        holder.kill()
    assert done.returncode == 1
    assert "another deploy is at work on this host (process 1 of root)" in done.stderr
    # The other deploy's stage stays.
    assert (host.folder / "stage" / "holder").exists()
    assert host.files() == OLD
    assert host.run(script).returncode == 0
    assert host.is_clean()


def test_a_previous_version_of_a_change_cut_short_survives_an_edit(host: Host) -> None:
    assert host.run(host.script(NEW)).returncode == 0
    last = host.calls
    shutil.rmtree(host.folder)
    host = _host(host.folder, OLD)
    host.run(host.script(NEW), KILL_AT=str(last - 3))
    assert not host.is_clean()
    (host.etc / FIRST).write_text("edited\n")
    assert host.run(host.script({**NEW, FIRST: "edited\n"})).returncode == 0
    assert host.served() == {**NEW, FIRST: "edited\n"}
    assert (host.etc / f"{FIRST}.previous~").read_text() == OLD[FIRST]
    assert host.is_clean()
