"""One fault per run, at every point of a deploy: the host serves as before, and the next deploy mends it.

Hosts start in one of two states: stock, or already deployed with another domain and other options
pending. Two hosts per Debian release share the points. The scripts that the program sends are recorded
in a run without a fault; each script is then killed at each command that it calls. After every fault the
host must serve as before, and each file must be whole. Many faults leave the same state (files,
leftovers, what runs): the deploy that mends it is tried once per state.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import deploy, side_by_side, started, succeed
from tests.fleet.faults import FAIL, KILL, PAUSE, Faults

pytestmark = pytest.mark.lab

Data = dict[str, Any]

FURTHER = "mail.example.org"

# What is pending on a host that was already deployed to: another certificate, parameters, options.
PENDING: Data = {
    "mail_domain": FURTHER,
    "smtp_auth_on_port_25": False,
    "mua_helo_restrictions": ["permit_mynetworks", "reject_invalid_helo_hostname"],
    "submissions_options": {"smtpd_client_connection_count_limit": "20"},
}

STARTS: dict[str, Data] = {"stock": {}, "deployed": PENDING}

HOOK = "etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
DROPIN = "etc/dovecot/conf.d/99-postfix-smtp-auth.conf"
FILES = ("etc/postfix/main.cf", "etc/postfix/master.cf", DROPIN, HOOK)

Files = dict[str, tuple[bytes, int, int, int] | None]
Left = tuple[str, ...]


@dataclass
class Bench:
    """One host in the matrix.

    + faults: its stand-ins
    + data: what is deployed
    + worked: whether port 465 already served at the start
    + scripts: those that a run without a fault sends, in their order
    + before, after: the files at the start, and after a run without a fault
    + queue_manager_before: the queue manager's process before the fault
    """

    host: LabHost
    ca: Path
    faults: Faults
    data: Data
    worked: bool
    scripts: list[str] = field(default_factory=list)
    before: Files = field(default_factory=dict)
    after: Files = field(default_factory=dict)
    queue_manager_before: str = ""

    def state(self, script: int) -> str:
        """The name of the saved state in which this script is the next."""
        return f"fault-{script}"

    def inside(self) -> Path:
        """The host's file system as the host sees it, mounts included."""
        return Path(f"/proc/{self.host.leader().pid}/root")

    def files(self) -> Files:
        """Path to content, mode and owner; None for a missing file."""
        found: Files = {}
        for path in FILES:
            file = self.inside() / path
            if file.exists():
                stat = file.stat()
                found[path] = (file.read_bytes(), stat.st_mode, stat.st_uid, stat.st_gid)
            else:
                found[path] = None
        return found

    def leftovers(self) -> list[str]:
        """What a change has left beside the files and in /run, without digests in the names."""
        inside = self.inside()
        paths = [
            *(path for name in FILES for path in (inside / name).parent.glob(".*.smtp-auth-*")),
            *inside.glob("run/smtp-auth-*"),
        ]
        return sorted({re.sub("[0-9a-f]{64}", "SHA", str(path.relative_to(inside))) for path in paths})

    def queue_manager(self) -> str:
        """The queue manager's process; a reload of Postfix starts a new one."""
        return self.host.run("pgrep -x qmgr").stdout

    def left(self) -> Left:
        """Everything that the next deploy may find, in words that are equal on all hosts of a release."""
        now = self.files()
        files = tuple(
            "old" if now[path] == self.before[path] else "new" if now[path] == self.after[path] else "?"
            for path in FILES
        )
        listens = (self.inside() / "var/spool/postfix/private/auth").exists()
        reloaded = self.queue_manager() != self.queue_manager_before
        return (*files, *self.leftovers(), f"listener: {listens}", f"reloaded: {reloaded}")

    def restore(self, script: int) -> None:
        """Put the host back to the state before this script."""
        _unmount(self.host)
        self.host.restore(self.state(script))
        self.queue_manager_before = self.queue_manager()

    def check(self) -> None:
        """Mail flows as it did, and each file is the old or the new one to the byte."""
        with mail.smtp(self.host) as client:
            client.ehlo("elsewhere.test")
            client.mail("someone@elsewhere.test")
            assert client.rcpt(f"{self.host.user}@{self.host.domain}")[0] == 250
        if self.worked:
            with mail.submissions(self.host, self.ca) as login:
                login.login(self.host.user, self.host.password)
        now = self.files()
        for path in FILES:
            assert now[path] in (self.before[path], self.after[path]), f"{path} is neither old nor new"

    def check_end(self) -> None:
        """The host is as it is after a run without a fault."""
        assert self.files() == self.after
        assert self.leftovers() == []
        with mail.submissions(self.host, self.ca) as login:
            login.login(self.host.user, self.host.password)


@dataclass(frozen=True)
class Case:
    """A fault: its name, the script before which the host is then, and what makes the fault."""

    name: str
    script: int
    inject: Callable[[Bench], None]


@contextmanager
def _benches(lab: Lab, start: str) -> Iterator[dict[str, list[Bench]]]:
    """The hosts by release, their scripts recorded and their states saved."""
    wanted = STARTS[start]
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(lambda host: host.reset(), hosts)
    if start == "deployed":
        side_by_side(lambda host: host.issue_certificate([host.name], FURTHER), hosts)
        succeed(deploy(hosts))
    with ExitStack() as stack:
        benches = [
            Bench(host, lab.ca, stack.enter_context(Faults(host)), wanted, start == "deployed")
            for host in hosts
        ]
        for host in hosts:
            stack.callback(_put_away, host)
        side_by_side(_save_first, benches)
        with ExitStack() as recording:
            for bench in benches:
                recording.enter_context(bench.faults.recording())
            succeed(deploy(hosts, data=wanted))
        side_by_side(_save_rest, benches)
        yield {
            release: [bench for bench in benches if bench.host.release == release]
            for release in sorted({host.release for host in hosts})
        }


def _unmount(host: LabHost) -> None:
    # Postfix still runs the configuration that was mounted there.
    host.run("! mountpoint -q /etc/postfix || { umount /etc/postfix && systemctl restart postfix; }")


def _put_away(host: LabHost) -> None:
    if host.running():
        _unmount(host)
    host.reset()
    for state in host.saved():
        if state.startswith("fault-"):
            host.forget(state)


def _save_first(bench: Bench) -> None:
    bench.host.save(bench.state(0))
    bench.before = bench.files()


def _save_rest(bench: Bench) -> None:
    bench.after = bench.files()
    bench.scripts = bench.faults.recorded()
    bench.restore(0)
    for number, script in enumerate(bench.scripts[:-1], 1):
        done = bench.faults.run(script)
        assert done.returncode == 0, done.stderr
        bench.host.save(bench.state(number))


# -- killed at each command ---------------------------------------------------------------------------


def _kill_at(script: int, number: int, bench: Bench) -> None:
    bench.faults.arm(number, KILL)
    bench.faults.run(bench.scripts[script])
    bench.faults.disarm()


def _sweep(bench: Bench, first: int, step: int) -> Iterator[tuple[Left, Case]]:
    """Kill each script at every `step`th of its commands, from `first` on; what each kill left behind."""
    for script in range(len(bench.scripts)):
        number = first
        bench.restore(script)
        at_start = bench.left()
        while True:
            bench.faults.arm(number, KILL)
            done = bench.faults.run(bench.scripts[script])
            if bench.faults.calls() < number:
                assert done.returncode == 0, done.stderr
                break
            assert done.returncode != 0
            bench.faults.disarm()
            case = Case(
                f"script {script + 1} killed at command {number}", script, partial(_kill_at, script, number)
            )
            with _about(bench, case):
                bench.check()
            left = bench.left()
            yield left, case
            if left != at_start:
                bench.restore(script)
            number += step
        bench.faults.disarm()


# -- the controller, the connection, the service, the disk, the power ------------------------------------


def _interrupted(command: str, number: int, how: str, bench: Bench) -> None:
    """Pause a command on the host, end the program or its connection, then let the command go on."""
    faults = bench.faults
    with faults.in_ssh(), started([bench.host], data=bench.data) as process:
        faults.arm(number, PAUSE, command)
        pid = faults.wait_paused()
        session = faults.session(pid)
        if how == "controller":
            process.kill()
        else:
            faults.cut_connection(pid)
        process.communicate(timeout=120)
        assert process.returncode != 0
        faults.go_on()
        faults.wait_ended(session)
    faults.disarm()


def _reload_fails(script: int, action: str, bench: Bench) -> None:
    bench.faults.arm(1, action, "systemctl")
    done = bench.faults.run(bench.scripts[script])
    bench.faults.disarm()
    assert done.returncode == 1
    assert "The old configuration is back and serves" in done.stderr, done.stderr
    assert bench.leftovers() == []


def _disk_full(script: int, pages: int, bench: Bench) -> None:
    bench.host.run(
        f"""
        cp -a /etc/postfix /tmp/postfix
        mount -t tmpfs -o size=1m,mode=755 tmpfs /etc/postfix
        cp -a /tmp/postfix/. /etc/postfix
        rm -r /tmp/postfix
        cat /dev/zero >/etc/postfix/fill 2>/dev/null
        truncate -s -{pages * 4096} /etc/postfix/fill
        """
    )
    done = bench.faults.run(bench.scripts[script])
    assert done.returncode == 1, done.stderr
    assert "nothing was changed" in done.stderr, done.stderr
    assert bench.leftovers() == []
    bench.host.run("rm /etc/postfix/fill")


def _stage_full(script: int, bench: Bench) -> None:
    bench.host.run("mount -o remount,size=$(df --output=used -k /run | tail -n 1 | tr -d ' ')k /run")
    done = bench.faults.run(bench.scripts[script])
    bench.host.run("mount -o remount,size=20% /run")
    assert done.returncode == 1, done.stderr
    assert "nothing was changed" in done.stderr, done.stderr
    assert bench.leftovers() == []


def _power_cut(script: int, bench: Bench) -> None:
    """Crash the host between swap and reload, and boot it again."""
    bench.faults.arm(1, PAUSE, "systemctl")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bench.faults.run, bench.scripts[script])
        bench.faults.wait_paused()
        bench.host.kill()
        running.result()
    bench.host.power_on()
    bench.host.wait_ready()
    bench.faults.disarm()


def _other_cases(bench: Bench) -> Iterator[Case]:
    """The faults besides those of the sweep, for a host with these scripts."""
    count = len(bench.scripts)
    reloading = [number for number, script in enumerate(bench.scripts) if "systemctl" in script]
    last = count - 1
    for how in ("controller", "connection"):
        yield Case(f"{how} gone in the look", 0, partial(_interrupted, "perl", 1, how))
        yield Case(f"{how} gone while the look is confirmed", 0, partial(_interrupted, "stat", 1, how))
        for number in range(1, count + 1):
            yield Case(f"{how} gone in script {number}", 0, partial(_interrupted, "flock", number, how))
    for number in range(1, len(reloading) + 1):
        yield Case(
            f"connection gone in reload {number}", 0, partial(_interrupted, "systemctl", number, "connection")
        )
    for script in reloading:
        unit = "dovecot" if "dovecot" in bench.scripts[script][:200] else "postfix"
        yield Case(f"{unit}: the reload fails", script, partial(_reload_fails, script, FAIL))
        stop = f"systemctl stop {unit}; exit 0"
        yield Case(f"{unit} does not come back", script, partial(_reload_fails, script, stop))
        yield Case(f"{unit}: power cut before the reload", script, partial(_power_cut, script))
    for pages in (0, 1, 2):
        yield Case(f"disk full but for {pages} pages", last, partial(_disk_full, last, pages))
    yield Case("stage full", last, partial(_stage_full, last))


# -- the matrix --------------------------------------------------------------------------------------------


@contextmanager
def _about(bench: Bench, case: Case) -> Iterator[None]:
    """Add the host and the fault to the message of any error inside."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{bench.host.name}: {case.name}: {error}") from error


def _inject(bench: Bench, case: Case) -> Left:
    with _about(bench, case):
        bench.restore(case.script)
        case.inject(bench)
        bench.check()
        return bench.left()


def _all_faults(bench: Bench, share: int, shares: int) -> list[tuple[Left, Case]]:
    """One host's share of the faults, and what each left behind."""
    found = list(_sweep(bench, 1 + share, shares))
    found += [(_inject(bench, case), case) for case in list(_other_cases(bench))[share::shares]]
    return found


def _mend(pairs: Sequence[tuple[Bench, Case]], data: Data) -> None:
    """Make the faults, one per host; then one plain deploy mends all of them, and a second one has
    nothing to do."""
    side_by_side(lambda pair: _inject(*pair), pairs)
    hosts = [bench.host for bench, _ in pairs]
    names = {bench.host.name: case.name for bench, case in pairs}
    again = deploy(hosts, data=data)
    assert again.status == 0, f"{names}\n{again.output}"
    for bench, case in pairs:
        with _about(bench, case):
            bench.check_end()
    preview = succeed(deploy(hosts, "--dry", data=data)).output
    table = preview.partition("Detected changes:\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert table, preview
    assert all(row.split()[-2:] == ["-", "-"] for row in table), f"{names}\n{preview}"


@pytest.mark.parametrize("start", STARTS)
def test_a_fault_at_any_point_is_survived(lab: Lab, start: str, measured: Callable[[str], None]) -> None:
    with _benches(lab, start) as by_release:
        shared = [
            (bench, share, len(pair)) for pair in by_release.values() for share, bench in enumerate(pair)
        ]
        found = side_by_side(lambda one: (one[0].host.release, _all_faults(*one)), shared)
        points = {
            release: [point for its, points in found if its == release for point in points]
            for release in by_release
        }
        different = {release: dict(reversed(some)) for release, some in points.items()}
        pending = {release: list(some.values()) for release, some in different.items()}
        while any(pending.values()):
            _mend(
                [
                    (bench, pending[release].pop())
                    for release, pair in by_release.items()
                    for bench in pair
                    if pending[release]
                ],
                STARTS[start],
            )
    for release, some in points.items():
        # Fewer would mean that some were left out by mistake.
        assert len(some) > 60
        measured(
            f"faults from {start:<8} on {release:<8}: {len(some):>3} tried, {len(some):>3} survived; "
            f"the next deploy mended the {len(different[release])} different states they left"
        )
