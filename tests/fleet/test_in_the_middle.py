"""What others do to a host in the middle of a change: restarts, reloads of systemd, upgrades, renewals."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from lab.command import wait_until
from lab.host import LabHost
from lab.lab import Lab
from smtp_auth.on_host.instructions import RECORD
from tests.fleet.deploying import LEFTOVERS, deploy, ended, side_by_side, started, succeed
from tests.fleet.faults import PAUSE, UNIT, Faults
from tests.fleet.test_faults import STARTS, Bench
from tests.fleet.tls import SUBMISSIONS, on_disk, served
from tests.processes import wait_for

pytestmark = pytest.mark.lab

DPKG, CERTBOT = "/var/lib/dpkg/lock-frontend", "/var/lib/letsencrypt/.certbot.lock"

# While this file exists on a host, a lock is held there.
HELD = "/run/held"

# While the other program holds its lock, a change has begun, and has not changed anything.
CHANGE_BEGUN = "test -e /run/smtp-auth-2*/began"


@pytest.fixture
def benches(lab: Lab, stock: list[LabHost]) -> list[Bench]:
    """A stock host of each release, with a recorded deploy, and the files before and after it."""
    benches = [Bench(host, lab.ca, Faults(host), STARTS["stock"]) for host in stock]
    for bench in benches:
        with bench.faults, bench.faults.recording():
            bench.before = bench.files()
            succeed(deploy([bench.host]))
            bench.after, bench.program = bench.files(), bench.faults.recorded()
    for bench in benches:
        bench.host.reset()
        bench.inodes_before, bench.due_before = bench.inodes(), bench.due()
    return benches


@contextmanager
def _in_the_reload_of_postfix(bench: Bench) -> Iterator[None]:
    """The deploy's change is held up with all files replaced, before Postfix is reloaded; then it goes on."""
    with bench.faults, ThreadPoolExecutor(1) as pool:
        # The first one reloads Dovecot.
        bench.faults.arm(2, PAUSE, "systemctl")
        running = pool.submit(bench.faults.run, bench.program)
        try:
            bench.faults.wait_paused()
            yield
        finally:
            bench.faults.go_on()
            running.result()


def _outcomes(host: LabHost) -> list[str]:
    manifests = host.run(f"cat {RECORD}/changes/*/manifest.json").stdout
    return [json.loads(text)["outcome"] for text in manifests.replace("}\n{", "}\n\0{").split("\0")]


def _restored(bench: Bench) -> None:
    assert bench.check_whole() == "old"
    assert _outcomes(bench.host) == ["put back"], bench.host.run(f"cat {RECORD}/last").stdout


@pytest.mark.parametrize("how", ["reboot", "power off"])
def test_an_orderly_shutdown_puts_a_change_back(benches: list[Bench], how: str) -> None:
    def shut_down(bench: Bench) -> None:
        with _in_the_reload_of_postfix(bench):
            if how == "reboot":
                bench.host.reboot()
            else:
                bench.host.power_off()
                bench.host.power_on()
                bench.host.wait_ready()
        _restored(bench)
        said = bench.host.run(f"cat {RECORD}/last").stdout
        assert "the host is shutting down" in said

    side_by_side(shut_down, benches)


def test_a_change_that_is_stopped_is_put_back(benches: list[Bench]) -> None:
    def stop(bench: Bench) -> None:
        with _in_the_reload_of_postfix(bench):
            bench.host.run(f"systemctl stop {UNIT}")
        _restored(bench)

    side_by_side(stop, benches)


@pytest.mark.parametrize("command", ["daemon-reload", "daemon-reexec"])
def test_a_change_outlives_a_reload_of_systemd(benches: list[Bench], command: str) -> None:
    def reload(bench: Bench) -> None:
        with _in_the_reload_of_postfix(bench):
            bench.host.run(f"systemctl {command}")
        assert bench.check_whole() == "new"
        assert _outcomes(bench.host) == ["live"]

    side_by_side(reload, benches)


def test_a_change_outlives_the_scripts_of_packages(benches: list[Bench]) -> None:
    """They restart the services, and edit main.cf."""

    def configure(bench: Bench) -> None:
        with _in_the_reload_of_postfix(bench):
            bench.host.run("DEBIAN_FRONTEND=noninteractive dpkg-reconfigure dovecot-core postfix")
        assert bench.check_whole() == "new"

    side_by_side(configure, benches)


def test_a_change_outlives_a_renewal(benches: list[Bench]) -> None:
    def renew(bench: Bench) -> None:
        host = bench.host
        with _in_the_reload_of_postfix(bench):
            host.run("certbot renew --force-renewal --no-random-sleep-on-renew")
        assert bench.check_whole() == "new"
        assert served(host, SUBMISSIONS, host.name) == on_disk(host, host.domain)

    side_by_side(renew, benches)


@contextmanager
def locked(host: LabHost, path: str) -> Iterator[None]:
    """A program of the host holds a lock, as dpkg and certbot do.

    A file that others can open would count for nothing: see SmtpAuth::Locks.
    """
    program = f"""
import fcntl, os, time
lock = os.open("{path}", os.O_RDWR | os.O_CREAT, 0o600)
fcntl.lockf(lock, fcntl.LOCK_EX)
open("{HELD}", "w").close()
while os.path.exists("{HELD}"):
    time.sleep(0.05)
"""
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(host.run, f"exec python3 -c '{program}'", timeout=120)
        try:
            wait_until(
                lambda: host.run(f"test -e {HELD}", check=False).returncode == 0, f"the lock on {host.name}"
            )
            yield
        finally:
            host.run(f"rm -f {HELD}")
            holding.result()


@pytest.mark.parametrize("path", [DPKG, CERTBOT])
def test_a_change_waits_until_others_have_finished(stock: list[LabHost], path: str) -> None:
    with locked(stock[0], path), locked(stock[1], path), started(stock) as process:
        for host in stock:
            waits = f"{CHANGE_BEGUN} && systemctl is-active {UNIT}"
            wait_for(
                lambda: host.run(waits, check=False).returncode == 0,  # noqa: B023
                f"the change on {host.name}",
            )
            assert not (host.root / RECORD.lstrip("/")).exists()
        for host in stock:
            host.run("rm /run/held")
        run = succeed(ended(process))
    assert "2 hosts: 2 changed" in run.report


@pytest.mark.parametrize("path", [DPKG, CERTBOT])
def test_a_change_does_not_wait_for_ever(benches: list[Bench], path: str) -> None:
    def refused(bench: Bench) -> None:
        before = "my $PATIENCE = 60;"
        assert bench.program.count(before) == 1
        with bench.faults, locked(bench.host, path):
            done = bench.faults.run(bench.program.replace(before, "my $PATIENCE = 0.5;"))
        assert done.returncode == 1
        assert "another program is changing this host (" in done.stdout
        assert "nothing was changed: run again when it has finished" in done.stdout
        assert bench.files() == bench.before
        assert bench.inodes() == bench.inodes_before
        assert bench.host.run(LEFTOVERS).stdout == ""

    side_by_side(refused, benches)
