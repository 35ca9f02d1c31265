"""One fault per run, at every point of a deploy: the host restores everything by itself, or has finished.

Four changes are tried: of a stock host, of one that was deployed to and has another domain and options
pending, an undo and a removal. Two hosts per Debian release share the points. The program that changes a host
is recorded in a run without one, and is then killed at each of its effects. Within ten seconds, before any
other run, the host must be wholly on the old configuration (the very files) and serve as before, or wholly on
the new one and serve that. Many faults leave the same state: the run that follows is tried once per state.
"""

import re
from collections import Counter
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
from smtp_auth.shown import counted
from tests.conftest import is_taken
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import deploy, ended, side_by_side, started, succeed
from tests.fleet.faults import FAIL, KILL, PAUSE, Faults
from tests.fleet.planning import plan_at

# `make test` has the faults of one starting state, and one in so many of these.
SAMPLED = 4

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


@dataclass(frozen=True)
class Start:
    """What a host is at first, and what happens to it.

    + deployed: whether it was deployed to
    + program: what changes it, with `data`; + mended_by: what does the rest after a fault
    + serves: whether port 465 serves afterwards
    """

    deployed: bool
    data: Data = field(default_factory=dict)
    program: str = "deploy.py"
    mended_by: str = "deploy.py"
    serves: bool = True


STARTS = {
    "stock": Start(deployed=False),
    "deployed": Start(deployed=True, data=PENDING),
    # Undone twice, a change would be there again.
    "undone": Start(deployed=True, program="undo.py", mended_by="remove.py", serves=False),
    "removed": Start(deployed=True, program="remove.py", mended_by="remove.py", serves=False),
}

HOOK = "etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
DROPIN = "etc/dovecot/conf.d/99-postfix-smtp-auth.conf"
FILES = ("etc/postfix/main.cf", "etc/postfix/master.cf", DROPIN, HOOK)

Files = dict[str, tuple[bytes, int, int, int] | None]
Left = tuple[str, ...]


@dataclass
class Bench:
    """One host in the matrix.

    + faults: its stand-ins
    + start: what it is at first, and what happens to it
    + program: the one that a run without a fault sends
    + before, after: the files at the start, and after a run without a fault
    + queue_manager_before: the queue manager's process before the fault
    + inodes_before: path to inode, of the files that there are before the fault
    + due_before: why a reload was due before the fault
    """

    host: LabHost
    ca: Path
    faults: Faults
    start: Start
    program: str = ""
    before: Files = field(default_factory=dict)
    after: Files = field(default_factory=dict)
    queue_manager_before: str = ""
    inodes_before: dict[str, int] = field(default_factory=dict)
    due_before: set[str] = field(default_factory=set)

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
        """What a change has left, except in the record, without digests in the names."""
        inside = self.inside()
        paths = [
            *(path for name in FILES for path in (inside / name).parent.glob(".*.smtp-auth-*")),
            *inside.glob("run/smtp-auth-*"),
            *inside.glob("etc/systemd/system/*.wants/smtp-auth-*"),
            *inside.glob("var/lib/smtp-auth/changes/[!.]*/change.pl"),
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

    def restore(self) -> None:
        """Put the host back to the start."""
        _unmount(self.host)
        self.host.restore(_START)
        self.queue_manager_before = self.queue_manager()
        self.inodes_before = self.inodes()
        self.due_before = self.due()

    def due(self) -> set[str]:
        """Why a service runs something else than what is on the disk."""
        plan = plan_at(self.host, self.start.data)
        return {reason for reload in plan.reloads for reason in reload.due}

    def inodes(self) -> dict[str, int]:
        """Path to inode, of the files that exist."""
        files = {path: self.inside() / path for path in FILES}
        return {path: file.stat().st_ino for path, file in files.items() if file.exists()}

    def serves(self) -> None:
        """Mail is sent and delivered as before."""
        with mail.smtp(self.host) as client:
            client.ehlo("elsewhere.test")
            client.mail("someone@elsewhere.test")
            assert client.rcpt(f"{self.host.user}@{self.host.domain}")[0] == 250
        if self.start.deployed and (self.start.serves or self.files() == self.before):
            self.log_in()

    def log_in(self) -> None:
        """A login on port 465 works."""
        with mail.submissions(self.host, self.ca) as login:
            login.login(self.host.user, self.host.password)

    def check_whole(self) -> str:
        """Within ten seconds, the host runs with only the `old` or the `new` configuration. Returns which."""
        self.faults.wait_over(10)
        self.serves()
        now = self.files()
        assert now in (self.before, self.after), self.left()
        assert self.due() <= self.due_before
        assert self.leftovers() == []
        if now == self.before:
            assert self.inodes() == self.inodes_before
            return "old"
        if self.start.serves:
            self.log_in()
        return "new"

    def check_end(self) -> None:
        """The host is as it is after a run without a fault."""
        assert self.files() == self.after
        assert self.leftovers() == []
        if self.start.serves:
            self.log_in()


_START = "fault-start"


@dataclass(frozen=True)
class Case:
    """A fault: its name, and what makes it."""

    name: str
    inject: Callable[[Bench], None]


@dataclass(frozen=True)
class Point:
    """A fault that was tried: the configuration that the host was on ten seconds later, and what was left."""

    case: Case
    whole: str
    left: Left


def hosts_at(lab: Lab, start: Start) -> list[LabHost]:
    """The fleet's hosts, at the start."""
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(lambda host: host.reset(), hosts)
    if start.data:
        side_by_side(lambda host: host.issue_certificate([host.name], FURTHER), hosts)
    if start.deployed:
        succeed(deploy(hosts))
    return hosts


@contextmanager
def _benches(lab: Lab, start: Start) -> Iterator[dict[str, list[Bench]]]:
    """The hosts by release, their programs recorded and their states saved."""
    hosts = hosts_at(lab, start)
    with ExitStack() as stack:
        benches = [Bench(host, lab.ca, stack.enter_context(Faults(host)), start) for host in hosts]
        for host in hosts:
            stack.callback(_put_away, host)
        side_by_side(_save_start, benches)
        with ExitStack() as recording:
            for bench in benches:
                recording.enter_context(bench.faults.recording())
            succeed(deploy(hosts, data=start.data, program=start.program))
        for bench in benches:
            bench.after = bench.files()
            bench.program = bench.faults.recorded()
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
    if _START in host.saved():
        host.forget(_START)


def _save_start(bench: Bench) -> None:
    bench.host.save(_START)
    bench.before = bench.files()


# -- killed at each effect ----------------------------------------------------------------------------


def _kill_at(number: int, bench: Bench) -> None:
    bench.faults.arm_effect(number, "kill")
    bench.faults.run(bench.program)


def _sweep(bench: Bench, first: int, step: int) -> Iterator[Point]:
    """Kill the change at every `step`th of its effects, from `first` on; what each kill left behind."""
    number = first
    bench.restore()
    at_start = bench.left()
    while True:
        case = Case(f"killed at effect {number}", partial(_kill_at, number))
        with _about(bench, case):
            case.inject(bench)
            if bench.faults.effects() < number:
                break
            point = Point(case, bench.check_whole(), bench.left())
        yield point
        if point.left != at_start:
            bench.restore()
        number += step
    bench.faults.disarm()


# -- the controller, the connection, the service, the disk, the power ------------------------------------


def _gone(how: str, where: str, number: int, bench: Bench) -> None:
    """Pause something on the host, kill the program or its connection, then let it continue.

    + how: `controller` or `connection`
    + where: a command, or an effect of the change: `effect`
    """
    faults = bench.faults
    with (
        faults.in_ssh(),
        started([bench.host], data=bench.start.data, program=bench.start.program) as process,
    ):
        if where == "effect":
            faults.arm_effect(number, "pause")
        else:
            faults.arm(number, PAUSE, where)
        faults.wait_paused()
        if how == "controller":
            process.kill()
            process.communicate(timeout=300)
            faults.go_on()
        else:
            faults.cut_connection()
            faults.wait_no_sessions()
            faults.go_on()
            run = ended(process)
            if where == "perl":
                assert run.status == 1
            else:
                # The deploy connects again and reads the outcome.
                assert run.status == 0, run.output
                assert bench.files() == bench.after
    faults.wait_over()


def _reload_fails(number: int, action: str, bench: Bench) -> None:
    bench.faults.arm(number, action, "systemctl")
    done = bench.faults.run(bench.program)
    assert done.returncode == 1
    assert "The old configuration is restored and works" in done.stdout, done.stdout
    assert bench.files() == bench.before


def _killed_in_reload(number: int, bench: Bench) -> None:
    bench.faults.arm(number, KILL, "systemctl")
    assert bench.faults.run(bench.program).returncode != 0


def _killed_while_put_back(number: int, bench: Bench) -> None:
    """Make a reload fail, and kill the change in the next reload, which restores the old files."""
    twice = "case $((${#calls} - number)) in 0) exit 1 ;; 1) kill -KILL 0 ;; esac"
    bench.faults.arm(number, twice, "systemctl", and_later=True)
    assert bench.faults.run(bench.program).returncode != 0


def _disk_full(pages: int, bench: Bench) -> None:
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
    bench.inodes_before, bench.due_before = bench.inodes(), bench.due()
    done = bench.faults.run(bench.program)
    assert done.returncode == 1, done.stdout
    assert "nothing was changed" in done.stdout, done.stdout
    bench.host.run("rm /etc/postfix/fill")


def _run_full(bench: Bench) -> None:
    bench.host.run("mount -o remount,size=$(df --output=used -k /run | tail -n 1 | tr -d ' ')k /run")
    done = bench.faults.run(bench.program)
    bench.host.run("mount -o remount,size=20% /run")
    assert done.returncode == 1, done.stdout
    assert "nothing was changed" in done.stdout, done.stdout


def _power_cut(number: int, bench: Bench) -> None:
    """Crash the host between swap and reload, and boot it again."""
    bench.faults.arm(number, PAUSE, "systemctl")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bench.faults.run, bench.program)
        bench.faults.wait_paused()
        bench.host.kill()
        running.result()
    bench.host.power_on()
    bench.host.wait_ready()


def _other_cases(bench: Bench) -> Iterator[Case]:
    """The faults that the sweep does not contain."""
    # On a host that was deployed to already, Dovecot has nothing to do. A listener is deleted last.
    units = ["postfix"] if bench.start.deployed else ["dovecot", "postfix"]
    units = units if bench.start.serves else ["postfix", "dovecot"]
    for how in ("controller", "connection"):
        yield Case(f"{how} gone in the look", partial(_gone, how, "perl", 1))
        yield Case(f"{how} gone before the change begins", partial(_gone, how, "systemd-run", 1))
        for number in (1, 8, 16):
            yield Case(f"{how} gone at effect {number}", partial(_gone, how, "effect", number))
        for number, unit in enumerate(units, 1):
            yield Case(f"{how} gone in {unit}'s reload", partial(_gone, how, "systemctl", number))
    for number, unit in enumerate(units, 1):
        yield Case(f"{unit}: the reload fails", partial(_reload_fails, number, FAIL))
        stop = f"systemctl stop {unit}; exit 0"
        yield Case(f"{unit} does not come back", partial(_reload_fails, number, stop))
        yield Case(f"{unit}: killed in the reload", partial(_killed_in_reload, number))
        yield Case(f"{unit}: killed while it is put back", partial(_killed_while_put_back, number))
        yield Case(f"{unit}: power cut before the reload", partial(_power_cut, number))
    for pages in (0, 1, 2):
        yield Case(f"disk full but for {pages} pages", partial(_disk_full, pages))
    yield Case("/run full", _run_full)


# -- the matrix --------------------------------------------------------------------------------------------


@contextmanager
def _about(bench: Bench, case: Case) -> Iterator[None]:
    """Add the host and the fault to the message of any error inside."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{bench.host.name}: {case.name}: {error}") from error


def _tried(bench: Bench, case: Case) -> Point:
    with _about(bench, case):
        bench.restore()
        case.inject(bench)
        bench.faults.disarm()
        return Point(case, bench.check_whole(), bench.left())


def _all_faults(bench: Bench, share: int, shares: int) -> list[Point]:
    """One host's share of the faults."""
    found = list(_sweep(bench, 1 + share, shares))
    return [*found, *(_tried(bench, case) for case in list(_other_cases(bench))[share::shares])]


def _mend(pairs: Sequence[tuple[Bench, Case]], start: Start) -> None:
    """Make the faults, one per host; then one plain run mends all of them, and a second one has
    nothing to do."""
    side_by_side(lambda pair: _tried(*pair), pairs)
    hosts = [bench.host for bench, _ in pairs]
    names = {bench.host.name: case.name for bench, case in pairs}
    again = deploy(hosts, data=start.data, program=start.mended_by)
    assert again.status == 0, f"{names}\n{again.output}"
    for bench, case in pairs:
        with _about(bench, case):
            bench.check_end()
    preview = succeed(deploy(hosts, "--dry", data=start.data, program=start.mended_by))
    assert f"{counted(len(hosts), 'host')}: {len(hosts)} unchanged" in preview.output, (
        f"{names}\n{preview.output}"
    )


@pytest.mark.parametrize("start", STARTS)
def test_a_fault_at_any_point_is_survived(
    lab: Lab, start: str, measured: Callable[[str], None], pytestconfig: pytest.Config
) -> None:
    word = pytestconfig.getoption("--sample")
    one_in = 1 if word is None else SAMPLED
    (part,) = [part for part in range(one_in) if word is None or is_taken(part, one_in, f"faults {word}")]
    with _benches(lab, STARTS[start]) as by_release:
        shared = [
            (bench, share * one_in + part, len(pair) * one_in)
            for pair in by_release.values()
            for share, bench in enumerate(pair)
        ]
        found = side_by_side(lambda one: (one[0].host.release, _all_faults(*one)), shared)
        points = {
            release: [point for its, some in found if its == release for point in some]
            for release in by_release
        }
        different = {release: {point.left: point.case for point in some} for release, some in points.items()}
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
        whole = Counter(point.whole for point in some)
        # Fewer would mean that some were omitted by mistake.
        assert len(some) > 45 // one_in
        measured(
            f"faults from {start:<8} on {release:<8}: {len(some):>3} tried, {len(some):>3} survived; "
            f"10 s later {whole['old']:>3} on the old configuration, {whole['new']:>2} on the new one, "
            f"the next deploy mended the {len(different[release])} different states"
        )
