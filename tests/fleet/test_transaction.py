"""A change beside the services themselves: the connection, the host without D-Bus, the record, the report."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from smtp_auth.on_host.instructions import RECORD
from tests.fleet.deploying import LEFTOVERS, deploy, ended, started, succeed, tree
from tests.fleet.faults import Faults

pytestmark = pytest.mark.lab

BAD = {"submissions_options": {"smtpd_client_connection_count_limit": "many"}}


def _logs_in(lab: Lab, host: LabHost) -> None:
    with mail.submissions(host, lab.ca) as client:
        client.login(host.user, host.password)


def _manifests(host: LabHost) -> list[dict[str, Any]]:
    """What the record says of each change, the oldest first."""
    names = host.run(f"ls {RECORD}/changes").stdout.split()
    return [json.loads(host.run(f"cat {RECORD}/changes/{name}/manifest.json").stdout) for name in names]


@contextmanager
def _held_up(hosts: list[LabHost]) -> Iterator[subprocess.Popen[str]]:
    """A deploy whose change waits on each host before its first rename."""
    with ExitStack() as stack:
        for host in hosts:
            faults = stack.enter_context(Faults(host))
            stack.enter_context(faults.in_ssh())
            faults.arm_effect(1, "pause", "rename")
        process = stack.enter_context(started(hosts))
        for host in hosts:
            Faults(host).wait_paused()
        yield process


def test_a_lost_connection_is_taken_up_again(lab: Lab, stock: list[LabHost]) -> None:
    with _held_up(stock) as process:
        for host in stock:
            faults = Faults(host)
            faults.cut_connection()
            faults.wait_no_sessions()
            faults.go_on()
        run = succeed(ended(process))
    for host in stock:
        assert any("Connected (to read the outcome of the change)" in line for line in run.lines_of(host))
        _logs_in(lab, host)
        assert host.run(LEFTOVERS).stdout == ""


def test_a_host_that_falls_silent_is_not_waited_for_for_ever(lab: Lab, stock: list[LabHost]) -> None:
    host, healthy = stock
    with ExitStack() as stack:
        faults = stack.enter_context(Faults(host))
        stack.enter_context(faults.in_ssh())
        faults.arm_effect(1, "pause", "rename")
        process = stack.enter_context(started(stock, data={"ssh_paramiko_connect_kwargs": {"timeout": 2}}))
        faults.wait_paused()
        lab.link(host.name).cut()
        stack.callback(lab.link(host.name).restore)
        faults.go_on()
        run = ended(process)
        assert run.status == 1
        assert f"{host.name} not reached: the connection was lost" in run.report, run.output
        faults.wait_over()
    _logs_in(lab, healthy)
    _logs_in(lab, host)
    assert "2 hosts: 2 unchanged" in succeed(deploy(stock)).report


def test_a_host_without_d_bus_is_deployed_to(lab: Lab, stock: list[LabHost]) -> None:
    stop = "systemctl mask --runtime --now dbus.socket dbus.service; rm -f /run/dbus/system_bus_socket"
    start = "systemctl unmask --runtime dbus.socket dbus.service; systemctl start dbus.socket dbus"
    with ExitStack() as stack:
        for host in stock:
            host.run(stop)
            stack.callback(host.run, start)
        succeed(deploy(stock))
        put_back = deploy(stock, data=BAD)
        assert put_back.status == 1
    for host in stock:
        said = "\n".join(put_back.lines_of(host))
        assert "smtpd dies when it starts" in said, said
        assert "The old configuration is restored and works." in said, said
        _logs_in(lab, host)
        assert host.run(LEFTOVERS).stdout == ""


def test_every_change_is_on_record(lab: Lab, stock: list[LabHost]) -> None:
    before = {host: (host.root / "etc/postfix/main.cf").read_bytes() for host in stock}
    succeed(deploy(stock))
    assert deploy(stock, data=BAD).status == 1
    for host in stock:
        (host.root / "etc/postfix/main.cf").open("a").write("# a note\n")
    # A reload alone.
    succeed(deploy(stock))
    ids = set()
    for host in stock:
        first, bad = _manifests(host)
        assert (first["outcome"], bad["outcome"]) == ("live", "put back")
        assert "smtpd dies when it starts" in bad["said"]
        ids.add(first["id"])
        assert first["ssh_user"] == "root"
        assert "@" in first["controller"]
        assert first["settings"]["mail_domain"] == host.domain
        assert first["plan"]["edits"]
        changed = {file["path"]: file for file in first["files"]}
        assert changed["/etc/postfix/main.cf"]["owner"] == "root:root"
        assert changed["/etc/dovecot/conf.d/99-postfix-smtp-auth.conf"]["sha256"]["before"] is None
        for folder in (f"changes/{first['id']}/before", f"baseline/{first['id']}"):
            kept = host.root / RECORD.lstrip("/") / folder / "etc/postfix/main.cf"
            assert kept.read_bytes() == before[host]
        assert host.run(f"stat -c '%a %U' {RECORD} {RECORD}/changes/*").stdout.split() == ["700", "root"] * 3
        lines = host.run("journalctl -t smtp-auth -o cat").stdout.splitlines()[-3:]
        assert lines[0] == f"change {first['id']} by root ({first['controller']}): live"
        assert lines[1].endswith(": put back")
        assert lines[2].startswith("reload ")
        assert lines[2].endswith(": live")
    assert len(ids) == 1


def test_what_a_change_that_died_has_left_is_taken_up(lab: Lab, stock: list[LabHost]) -> None:
    """The version before and the new one may stand beside the files, and the record may be gone."""
    succeed(deploy(stock))
    for host in stock:
        digest = host.run("sha256sum </etc/postfix/master.cf").stdout.split()[0]
        host.run(
            f"""
            rm -r {RECORD}
            cp -a /etc/postfix/master.cf /etc/postfix/.master.cf.smtp-auth-old-{digest}~
            touch /etc/postfix/.main.cf.smtp-auth-new~
            """
        )
    run = succeed(deploy(stock, "--dry", "--diff"))
    assert all(
        any("an earlier change was interrupted" in line for line in run.difference(host)) for host in stock
    )
    succeed(deploy(stock, data={"smtpd_tls_security_level": "encrypt"}))
    for host in stock:
        assert host.run(LEFTOVERS).stdout == ""
        found = host.run(f"find {RECORD}/changes -type f -printf '%P\\n'").stdout.splitlines()
        names = {name.partition("/")[2] for name in found}
        files = {f"{when}/etc/postfix/main.cf" for when in ("before", "after")}
        # This one was not proved, so its earlier version is kept, too.
        files.add("before/etc/postfix/master.cf")
        assert names == {"manifest.json", "ledger.json", "digests", *files}


def test_a_connection_that_fails_is_reported_and_the_others_go_on(lab: Lab, stock: list[LabHost]) -> None:
    down, healthy = stock
    lab.link(down.name).cut()
    try:
        run = deploy(stock, data={"ssh_paramiko_connect_kwargs": {"timeout": 2}})
    finally:
        lab.link(down.name).restore()
    assert run.status == 1
    assert f"{down.name} not reached: it cannot be connected to" in run.report
    assert "2 hosts: 1 changed, 1 not reached" in run.report
    _logs_in(lab, healthy)


@pytest.mark.parametrize("options", [("-y", "--no-wait"), ("-y", "--serial"), ("-y",)], ids=" ".join)
def test_a_failure_is_never_an_exit_status_of_0(stock: list[LabHost], options: tuple[str, ...]) -> None:
    bad, good = stock
    succeed(deploy(stock))
    wanted = {"submissions_options": {"smtpd_client_connection_count_limit": "20"}}
    run = deploy(stock, *options, per_host={bad.name: BAD, good.name: wanted})
    assert run.status == 1
    assert f"{bad.name} failed and put back: Postfix does not work" in run.report, run.output
    assert "2 hosts: 1 changed, 1 failed and put back" in run.report
    assert "Success" not in run.lines_of(bad)


def test_an_interrupted_run_is_no_success(stock: list[LabHost]) -> None:
    with _held_up(stock) as process:
        process.send_signal(signal.SIGINT)
        for host in stock:
            Faults(host).go_on()
        run = ended(process)
        for host in stock:
            Faults(host).wait_over()
    assert run.status == 130, run.output
    # It has waited for the changes that had begun.
    assert "2 hosts: 2 changed" in run.report, run.output
    assert "2 hosts: 2 unchanged" in succeed(deploy(stock)).report


@pytest.fixture
def untouched(stock: list[LabHost]) -> Iterator[list[LabHost]]:
    """Stock hosts, which must be the same at the end."""
    before = {host: tree(host) for host in stock}
    yield stock
    assert {host: tree(host) for host in stock} == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-y", "--limit", "mial1.example.jp"), "--limit mial1.example.jp: no host or group"),
        (("-y", "--limit", "mail1.example.jp", "--limit", "nobody"), "--limit nobody: no host or group"),
        (("--dry", "-y"), "--dry with -y"),
    ],
    ids=["limit", "one of two limits", "dry and yes"],
)
def test_a_command_line_that_would_do_nothing_is_an_error(
    untouched: list[LabHost], options: tuple[str, ...], said: str
) -> None:
    run = deploy(untouched, *options)
    assert run.status == 2
    assert said in run.output
