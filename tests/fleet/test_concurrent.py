"""Somebody else works on the host at the same time: an administrator, or a second deploy."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest

from lab.command import wait_until
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import LEFTOVERS, Run, deploy, ended, started, succeed, typed
from tests.fleet.faults import KILL, PAUSE, Faults

pytestmark = pytest.mark.lab

MAIN_CF = "etc/postfix/main.cf"
OTHERS = (
    "etc/postfix/master.cf",
    "etc/dovecot/conf.d/99-postfix-smtp-auth.conf",
    "etc/letsencrypt/renewal-hooks/deploy/reload_services.sh",
)

# The administrator's edit, and the two ways in which editors write: into the file, or a new file over it.
EDIT = "message_size_limit = 31457280"
INTO = f"echo '{EDIT}' >>/etc/postfix/main.cf"
OVER = f"cd /etc/postfix && cp -a main.cf x && echo '{EDIT}' >>x && mv x main.cf"


def _contents(host: LabHost) -> dict[str, bytes | None]:
    files = {path: host.root / path for path in (MAIN_CF, *OTHERS)}
    return {path: file.read_bytes() if file.exists() else None for path, file in files.items()}


def _is_refused(run: Run, hosts: list[LabHost], before: dict[str, dict[str, bytes | None]]) -> None:
    """The run failed for these hosts; each has the edit and is otherwise as it was."""
    assert run.status != 0, run.output
    for host in hosts:
        assert any("changed since the plan" in line for line in run.lines_of(host)), run.output
        now, then = _contents(host), before[host.name]
        assert now == {**then, MAIN_CF: (then[MAIN_CF] or b"") + f"{EDIT}\n".encode()}
        assert host.run(LEFTOVERS).stdout == ""


def _is_taken_into_account(hosts: list[LabHost]) -> None:
    """One more run deploys, and keeps the edit."""
    succeed(deploy(hosts))
    for host in hosts:
        assert f"\n{EDIT}\n" in (host.root / MAIN_CF).read_text()
        assert host.run("postconf -h message_size_limit").stdout == "31457280\n"
        assert "submissions" in host.run("postconf -M").stdout


def test_an_edit_between_the_preview_and_the_answer_is_left_alone(lab: Lab, stock: list[LabHost]) -> None:
    before = {host.name: _contents(host) for host in stock}
    with typed(stock, "--diff") as terminal:
        terminal.wait_for("y or yes: ")
        for host in stock:
            host.run(INTO)
        terminal.type("y\n")
        run = Run(terminal.status(), terminal.shown)
    _is_refused(run, stock, before)
    for host in stock:
        assert _contents(host).items() >= {path: before[host.name][path] for path in OTHERS}.items()
    _is_taken_into_account(stock)


@pytest.mark.parametrize("edit", [INTO, OVER], ids=["into the file", "over the file"])
def test_an_edit_during_the_check_is_left_alone(lab: Lab, stock: list[LabHost], edit: str) -> None:
    before = {host.name: _contents(host) for host in stock}
    with ExitStack() as stack:
        for host in stock:
            faults = stack.enter_context(Faults(host))
            stack.enter_context(faults.in_ssh())
            # The first call is the look's. At the second, the change has read the files and swapped none.
            faults.arm(2, edit, "postconf")
        run = deploy(stock)
    _is_refused(run, stock, before)
    _is_taken_into_account(stock)


def test_an_edit_between_stage_and_swap_is_left_alone(lab: Lab, stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    before = {host.name: _contents(host) for host in stock}
    wanted = {"tls_minimum_version": "TLSv1.3", "submissions_options": {"smtpd_timeout": "200s"}}
    with ExitStack() as stack:
        for host in stock:
            faults = stack.enter_context(Faults(host))
            stack.enter_context(faults.in_ssh())
            # While the second new version is written: the check has finished, and nothing is swapped.
            faults.arm_effect(2, "run", "utime", script=INTO)
        run = deploy(stock, data=wanted)
    _is_refused(run, stock, before)
    succeed(deploy(stock, data=wanted))
    for host in stock:
        assert f"\n{EDIT}\n" in (host.root / MAIN_CF).read_text()
        assert "smtpd_timeout=200s" in (host.root / "etc/postfix/master.cf").read_text()


def _two_deploys(hosts: list[LabHost], pause: Callable[[Faults], None]) -> tuple[Run, Run]:
    """A deploy that is paused on its hosts, and a second one, which finishes meanwhile."""
    with ExitStack() as stack:
        stand_ins = [stack.enter_context(Faults(host)) for host in hosts]
        # Only shells of the first deploy use the stand-ins: the `with` ends before the second deploy starts.
        with ExitStack() as in_ssh:
            for faults in stand_ins:
                in_ssh.enter_context(faults.in_ssh())
                pause(faults)
            first = stack.enter_context(started(hosts, data={"tls_minimum_version": "TLSv1.3"}))
            for faults in stand_ins:
                faults.wait_paused()
        second = deploy(hosts)
        for faults in stand_ins:
            faults.go_on()
        return ended(first), second


def test_of_two_deploys_at_once_one_wins_and_the_other_says_who_holds_the_host(
    lab: Lab, stock: list[LabHost]
) -> None:
    first, second = _two_deploys(stock, lambda faults: faults.arm(2, PAUSE, "postconf"))
    succeed(first)
    assert second.status != 0
    for host in stock:
        said = "\n".join(second.lines_of(host))
        assert f"another deploy is running on this host (root from {lab.gateway} since " in said, said
        assert "nothing was changed" in said, said
        assert host.run("postconf -h smtpd_tls_mandatory_protocols").stdout == ">=TLSv1.3\n"
        assert host.run(LEFTOVERS).stdout == ""
    succeed(deploy(stock, data={"tls_minimum_version": "TLSv1.3"}))


def test_of_two_deploys_at_once_the_one_that_comes_late_sees_the_change(
    lab: Lab, stock: list[LabHost]
) -> None:
    # The first deploy is paused before it begins. Then it finds what the second one has done meanwhile.
    first, second = _two_deploys(stock, lambda faults: faults.arm(1, PAUSE, "systemd-run"))
    succeed(second)
    assert first.status != 0
    for host in stock:
        assert any("changed since the plan" in line for line in first.lines_of(host)), first.output
        assert host.run("postconf -h smtpd_tls_mandatory_protocols").stdout == ">=TLSv1.2\n"
        assert host.run(LEFTOVERS).stdout == ""


def test_a_lock_ends_with_the_deploy_that_held_it(lab: Lab, stock: list[LabHost]) -> None:
    with ExitStack() as stack:
        for host in stock:
            faults = stack.enter_context(Faults(host))
            stack.enter_context(faults.in_ssh())
            # The look's is the first; the second is the change's, which holds the lock.
            faults.arm(2, KILL, "postconf")
        assert deploy(stock).status != 0
    for host in stock:
        wait_until(partial(_is_unlocked, host), f"the end of the lock on {host.name}")
    succeed(deploy(stock))


def _is_unlocked(host: LabHost) -> bool:
    return host.run("flock -n /run/smtp-auth.lock true", check=False).returncode == 0
