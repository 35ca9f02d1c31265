"""Accounts without rights on a host: they hold up nothing, are believed nothing, and lead root nowhere.

`mallory` is a person's account, `acme` that of a client that obtains certificates.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab.command import environment
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import LEFTOVERS, deploy, side_by_side, succeed
from tests.fleet.faults import Faults
from tests.fleet.test_verify_breakages import verify

pytestmark = pytest.mark.lab

HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
ACME = "/srv/acme"

SMTPD = "/usr/lib/postfix/sbin/smtpd"
DIED = f"warning: {SMTPD}: bad command startup -- throttling"

# Locks whatever it can open, again and again, and writes into Postfix's log, as a program and as a client.
# Not Postfix's tables: its programs wait for locks on these, so that mail would stop without any deploy.
STRANGER = rf"""
import fcntl, os, resource, socket, subprocess

held = {{}}
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

def hold():
    for place in ("/etc", "/run", "/var/lib", "/var/spool/postfix"):
        for folder, _, names in os.walk(place):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                if path in held or path.endswith(".db") or os.path.islink(path):
                    continue
                if not (os.path.isfile(path) or os.path.isdir(path)):
                    continue
                try:
                    held[path] = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                    fcntl.flock(held[path], fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    pass

def forge():
    lines = ("warning: process {SMTPD} pid %d exit status 1" % os.getpid(), "{DIED}", "panic: x")
    for line in lines:
        subprocess.run(["logger", "-t", "postfix/master", "-p", "mail.warning", line])
    with socket.create_connection(("127.0.0.1", 25)) as client:
        for line in lines:
            client.sendall(line.encode() + b"\r\n")
        client.settimeout(5)
        while client.recv(4096):
            client.sendall(b"QUIT\r\n")

if os.fork():
    hold()
    print("holds", len(held), flush=True)
    while True:
        hold()
while True:
    try:
        forge()
    except OSError:
        pass
"""


@contextmanager
def _as_stranger(host: LabHost, script: str) -> Iterator[None]:
    """Run a program in Python as mallory, once it has printed a line; it is killed at the end."""
    command = [*host.enter(), "/usr/sbin/runuser", "-u", "mallory", "--", "python3", "-u", "-c", script]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            yield
        finally:
            host.run("pkill -KILL -u mallory", check=False)
            process.wait()


@pytest.fixture
def hosts(lab: Lab, stock: list[LabHost]) -> list[LabHost]:
    """A host of each release, with an account without rights."""
    side_by_side(lambda host: host.run("useradd --create-home mallory"), stock)
    return stock


def test_nobody_without_rights_holds_up_a_change_or_is_believed(hosts: list[LabHost]) -> None:
    # So slow that the proof asks meanwhile whether smtpd has died.
    slow = {"mua_client_restrictions": ["sleep 3", "permit_sasl_authenticated", "reject"]}
    with ExitStack() as strangers:
        for host in hosts:
            strangers.enter_context(_as_stranger(host, STRANGER))
        succeed(deploy(hosts, data=slow))
        for host in hosts:
            log = host.run("journalctl --quiet --output=cat -t postfix/master -t postfix/smtpd").stdout
            assert f"\n{DIED}\n" in log
            assert "non-SMTP command from" in log
        # It is killed when one of its files is swapped, and systemd puts it back.
        new = {"tls_minimum_version": "TLSv1.3", "submissions_options": {"smtpd_timeout": "200s"}}
        with ExitStack() as stack:
            for host in hosts:
                faults = stack.enter_context(Faults(host))
                stack.enter_context(faults.in_ssh())
                faults.arm_effect(2, "kill", "link")
            run = deploy(hosts, data=new)
            for host in hosts:
                Faults(host).wait_over()
        assert run.status == 1, run.output
        for host in hosts:
            assert "The old configuration is restored and works." in "\n".join(run.lines_of(host)), run.output
            assert host.run("postconf -h mua_client_restrictions").stdout.startswith("sleep 3")


PLANTER = """
import os
names = (".main.cf.smtp-auth-new~", ".master.cf.smtp-auth-new~", ".main.cf.smtp-auth-old-0~")
print("plants", flush=True)
while True:
    for name in names:
        try:
            os.symlink("/root/victim", "/etc/postfix/" + name)
        except OSError:
            pass
"""


def test_root_writes_through_no_link_that_somebody_has_planted(hosts: list[LabHost]) -> None:
    def share(host: LabHost) -> None:
        host.run(
            "groupadd mailadmins && usermod -aG mailadmins mallory && chgrp mailadmins /etc/postfix && "
            "chmod 2775 /etc/postfix && echo untouched >/root/victim && chmod 600 /root/victim"
        )

    def state(host: LabHost) -> str:
        return host.run("cat /root/victim; stat -c '%a %u %g %Y' /root/victim").stdout

    side_by_side(share, hosts)
    before = [state(host) for host in hosts]
    with ExitStack() as strangers:
        for host in hosts:
            strangers.enter_context(_as_stranger(host, PLANTER))
        run = deploy(hosts)
    for host, was in zip(hosts, before, strict=True):
        said = "\n".join(run.lines_of(host))
        assert "the group mailadmins (mallory) may write to /etc/postfix" in said
        # Whether the stranger was quicker is a matter of luck.
        assert run.lines_of(host).count("Success") or "cannot write /etc/postfix/.ma" in said, said
        assert state(host) == was
        host.run("find /etc/postfix -type l -delete")
    succeed(deploy(hosts))
    for host, was in zip(hosts, before, strict=True):
        assert state(host) == was
        assert host.run(LEFTOVERS).stdout == ""
        host.run("gpasswd -M postfix mailadmins")
    hosts[0].run("chmod o+w /etc/dovecot")
    run = deploy(hosts, "--dry")
    assert run.status == 1
    for host in hosts:
        wanted = "the service of postfix could replace what root writes there: run chmod g-w /etc/postfix"
        assert any(wanted in line for line in run.lines_of(host)), run.output
    assert any("run chmod o-w /etc/dovecot" in line for line in run.lines_of(hosts[0])), run.output


def test_a_client_without_rights_goes_on_to_work_and_leads_root_nowhere(hosts: list[LabHost]) -> None:
    def move(host: LabHost) -> None:
        host.run(
            f"useradd --system acme && cp -a /etc/letsencrypt {ACME} && chown -hR acme: {ACME} && "
            f"sed -i s:/etc/letsencrypt:{ACME}: {ACME}/renewal/*.conf"
        )

    side_by_side(move, hosts)
    data = {"letsencrypt_live": f"{ACME}/live"}
    run = succeed(deploy(hosts, data=data))
    for host in hosts:
        wanted = f"{ACME} belongs to the account acme, which could replace a hook there, so no deploy hook"
        assert any(wanted in line for line in run.lines_of(host)), run.output
        assert not (host.root / HOOK.replace("/etc/letsencrypt", ACME).lstrip("/")).exists()
    succeed(deploy(hosts, "--dry", data=data))

    # Others' files behind links, a pipe, and a file without an end; pipes beside them, which nobody asks for.
    as_acme = "runuser -u acme -- sh -c '{}'"
    beside = (
        f"cd {ACME}; mkdir -p live/x accounts/a/b; mkfifo live/x/fullchain.pem renewal/a.conf; "
        "ln -s .. accounts/a/b/c"
    )
    for host in hosts:
        its = f"{beside}; cd live/{host.domain}; rm fullchain.pem; mkfifo fullchain.pem"
        host.run(as_acme.format(its))
    _is_named(hosts, data, "fullchain.pem is no file, so it is not read")
    for host in hosts:
        host.run(
            as_acme.format(f"cd {ACME}/live/{host.domain}; rm fullchain.pem; ln -s /etc/shadow fullchain.pem")
        )
    said = _is_named(
        hosts, data, "fullchain.pem belongs to somebody else than the directory that others may write to"
    )
    assert "root:" not in said
    for host in hosts:
        host.run(
            as_acme.format(
                f"cd {ACME}/live/{host.domain}; rm fullchain.pem privkey.pem; truncate -s 1T fullchain.pem; "
                "ln -s /etc/ssl/private/ssl-cert-snakeoil.key privkey.pem"
            )
        )
    _is_named(hosts, data, "fullchain.pem has more than 1048576 bytes")


def _is_named(hosts: list[LabHost], data: dict[str, str], sentence: str) -> str:
    run = deploy(hosts, "--dry", data=data)
    assert run.status == 1
    for host in hosts:
        file = f"{ACME}/live/{host.domain}/{sentence}"
        assert any(file in line for line in run.lines_of(host)), run.output
    return run.output


def test_a_hook_that_only_begins_as_ours_does_is_not_run(stock: list[LabHost], tmp_path: Path) -> None:
    more = "touch /root/ran && systemctl reload postfix ||:"
    hook = f"#!/bin/sh\n# BEGIN smtp-auth: managed\n{more}\n# END smtp-auth\n"
    for host in stock:
        host.run(f"mkdir -p $(dirname {HOOK}) && cat >{HOOK} && chmod 755 {HOOK}", stdin=hook)
    found = verify(tmp_path, stock, {}, "-k", "hook")
    for host in stock:
        assert not (host.root / "root/ran").exists(), found.output
