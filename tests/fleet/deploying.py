"""Runs the program on the lab's hosts as a user would, with the test's own data."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab.host import LabHost
from lab.lab import Lab
from tests.terminal import Terminal, in_a_terminal

ROOT = Path(__file__).resolve().parents[2]

_TIMEOUT = 900

# The host is then refused; `systemctl stop taken` ends it.
TAKE_PORT_465 = (
    "systemd-run --quiet --unit=taken python3 -m http.server 465; "
    "until ss -Hltn 'sport = :465' | grep -q .; do sleep 0.1; done"
)

Thing = TypeVar("Thing")
Found = TypeVar("Found")


def shim(name: str, script: str) -> str:
    """The command that puts a program before the host's own of that name in the PATH, until a reset."""
    path = f"/usr/local/sbin/{name}"
    return f"cat >{path} <<'END'\n#!/bin/sh\n{script}\nEND\nchmod +x {path}\n"


@dataclass(frozen=True)
class Run:
    """What a run of pyinfra printed, without colours, and its exit status."""

    status: int
    output: str

    def lines_of(self, host: LabHost) -> list[str]:
        """The lines about one host, without its name: also those of the report, without its outcome."""
        name = re.escape(host.name)
        prefix = re.compile(
            rf"\s*(?:\[{name}\] ?|{name} +(?:refused|failed|failed and put back|not reached): )(.*)"
        )
        return [match[1].strip() for line in self.output.splitlines() if (match := prefix.match(line))]

    def changed(self, host: LabHost) -> int:
        """How many operations reported a change on the host."""
        return self.lines_of(host).count("Success")

    @property
    def report(self) -> str:
        """The report at its end, with single spaces."""
        return re.sub(" +", " ", self.output.partition("--> Report:")[2])

    @property
    def proof(self) -> list[str]:
        """What was proved, hosts with the same proof together, without how long it took."""
        text = self.output.partition("--> Proof:\n")[2].partition("--> Report:")[0]
        # pyinfra indents each line of its own accord.
        lines = [line[8:] for line in text.splitlines() if line]
        return [re.sub(r" in [\d.]+(?: to [\d.]+)? s:$", ":", line) for line in lines]

    def difference(self, host: LabHost) -> list[str]:
        """The `-old`/`+new` lines of a run with `--diff`."""
        return [line for line in self.lines_of(host) if line[:1] in ("+", "-")]


def deploy(
    hosts: Iterable[LabHost],
    *options: str,
    data: Mapping[str, Any] | None = None,
    per_host: Mapping[str, Mapping[str, Any]] | None = None,
    prelude: str = "",
    stdin: str = "",
    program: str = "deploy.py",
) -> Run:
    """Run `pyinfra inventory deploy.py`, or another program, against these hosts alone.

    + options: further options; without any it applies without asking (`-y`)
    + data: data keys for every host, over those of group_data/
    + per_host: data keys by host name, over `data`
    + prelude: Python that runs inside pyinfra before anything else, at the head of the inventory
    + stdin: what can be read there, which is no terminal
    """
    with started(hosts, *options, data=data, per_host=per_host, prelude=prelude, program=program) as process:
        return ended(process, stdin)


@contextmanager
def started(
    hosts: Iterable[LabHost],
    *options: str,
    data: Mapping[str, Any] | None = None,
    per_host: Mapping[str, Mapping[str, Any]] | None = None,
    prelude: str = "",
    program: str = "deploy.py",
) -> Iterator[subprocess.Popen[str]]:
    """`deploy` as a process that has just been started; it is killed at the end if it still runs."""
    with (
        _command(hosts, options or ("-y",), data or {}, per_host or {}, prelude, program) as words,
        subprocess.Popen(
            words,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def typed(
    hosts: Iterable[LabHost],
    *options: str,
    per_host: Mapping[str, Mapping[str, Any]] | None = None,
    program: str = "deploy.py",
) -> Iterator[Terminal]:
    """`deploy` in a terminal; without `-y`, unless it is among the options."""
    with (
        _command(hosts, options, {}, per_host or {}, "", program) as words,
        in_a_terminal(words, ROOT) as terminal,
    ):
        yield terminal


@contextmanager
def _command(
    hosts: Iterable[LabHost],
    options: Iterable[str],
    data: Mapping[str, Any],
    per_host: Mapping[str, Mapping[str, Any]],
    prelude: str,
    program: str,
) -> Iterator[list[str]]:
    """The command line of a run, with an inventory that exists inside the `with`."""
    with tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder) / "inventory.py"
        inventory.write_text(prelude + inventory_of(hosts, data, per_host))
        yield [str(Path(sys.executable).parent / "pyinfra"), str(inventory), program, *options]


def ended(process: subprocess.Popen[str], stdin: str = "") -> Run:
    """Wait until a started run has finished."""
    output, _ = process.communicate(stdin, timeout=_TIMEOUT)
    return Run(process.returncode, re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", output))


def side_by_side(work: Callable[[Thing], Found], things: Iterable[Thing]) -> list[Found]:
    """Do the work for all things at the same time. Returns the results in the order of the things."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, things))


def succeed(run: Run) -> Run:
    """The run, which must have succeeded; if it failed, its output is shown."""
    assert run.status == 0, run.output
    return run


def inventory_of(
    hosts: Iterable[LabHost], data: Mapping[str, Any], per_host: Mapping[str, Mapping[str, Any]]
) -> str:
    """The text of an inventory with these hosts, their groups and their data, as for `deploy`."""
    # A host that stands still for a moment, because others have the machine, is healthy.
    lab = {"ssh_config_file": str(ROOT / ".lab" / "ssh_config"), "verify_seconds": 20}
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for host in hosts:
        own = {**lab, "mail_domain": host.domain, **data, **per_host.get(host.name, {})}
        groups.setdefault(host.group, []).append((host.name, own))
    return "".join(f"{group} = {members!r}\n" for group, members in groups.items())


def data_of(lab: Lab) -> dict[str, Any]:
    """The data with which a lab's hosts are reached, and can be verified."""
    return {
        "ssh_config_file": str(lab.ssh_config),
        "verify_addresses": "ssh",
        "verify_ca_file": str(lab.ca),
    }


def fingerprint(host: LabHost, *paths: str) -> dict[str, tuple[object, ...]]:
    """Path to inode, mtime, mode, owner and bytes of the host's files."""
    found: dict[str, tuple[object, ...]] = {}
    for path in paths:
        file = host.root / path.lstrip("/")
        stat = file.stat()
        owner = stat.st_uid, stat.st_gid
        found[path] = (stat.st_ino, stat.st_mtime_ns, stat.st_mode, *owner, file.read_bytes())
    return found


def tree(host: LabHost) -> str:
    """All files where a change could leave something, with inode, owner, mode and times; and the mounts."""
    # Without /var/lib/postfix and /var/lib/dovecot, where the running services write.
    places = "/etc /root /usr/local /var/spool/postfix/private"
    return host.run(
        f"find {places} -printf '%p %i %m %u %g %s %T@ %C@\\n' | sort; "
        # Every login creates the first file, every change the second one, which stays.
        "ls -a /run /tmp | grep -vx -e motd.dynamic -e smtp-auth.lock; cat /proc/1/mounts",
        check=False,
    ).stdout


# The files that a change has left on a host, except the record: there must be none.
LEFTOVERS = "find /etc /run -name '*smtp-auth-*~' -print -o -path '/run/smtp-auth-*' -prune -print"
