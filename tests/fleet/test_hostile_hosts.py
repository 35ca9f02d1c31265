"""Hosts that are not as a program expects them: the right result, or one clear sentence and no change."""

import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import deploy, succeed, tree

MAIN_CF = "/etc/postfix/main.cf"
MASTER_CF = "/etc/postfix/master.cf"

# -- hosts that can be deployed to ----------------------------------------------------------------

# main.cf is a link to another user's read-only file, with CRLF line ends and one parameter set twice.
ODD_FILES = """
useradd --system keeper
mkdir /etc/mail-local
printf 'smtpd_banner = the second one counts\\n' >>/etc/postfix/main.cf
sed -i 's/$/\\r/' /etc/postfix/main.cf /etc/postfix/master.cf
mv /etc/postfix/main.cf /etc/mail-local/main.cf
ln -s ../mail-local/main.cf /etc/postfix/main.cf
chmod 0444 /etc/mail-local/main.cf
chown keeper:adm /etc/mail-local/main.cf
chmod 0640 /etc/postfix/master.cf
chown keeper:keeper /etc/postfix/master.cf
systemctl reload postfix
"""

# A second Postfix instance, earlier warnings of postconf, a private main.cf, fish as root's shell.
ODD_HOST = """
cp -a /etc/postfix /etc/postfix-out
postconf -c /etc/postfix-out -e multi_instance_name=postfix-out multi_instance_enable=no \\
    queue_directory=/var/spool/postfix-out data_directory=/var/lib/postfix-out
postconf -e multi_instance_directories=/etc/postfix-out multi_instance_enable=yes \\
    'multi_instance_wrapper=${command_directory}/postmulti -p --'
printf 'never_used = 1\\nrelay_domains = $never_defined\\n' >>/etc/postfix/main.cf
chmod 0600 /etc/postfix/main.cf
usermod --shell /usr/bin/fish root
systemctl reload postfix
"""


def test_permissions_links_line_ends_and_other_instances_are_kept(lab: Lab) -> None:
    hosts = reset(lab)
    for host in hosts[:2]:
        host.run(ODD_FILES)
    for host in hosts[2:]:
        host.run(ODD_HOST)
        said = host.run("postconf -n").stderr
        assert "never_used" in said
        assert "never_defined" in said
    paths = ("/etc/mail-local/main.cf", MASTER_CF)
    instance = "find /etc/postfix-out -type f -exec stat -c '%n %i %y' {} +"
    before = {host: modes(host, *(paths if host in hosts[:2] else (MAIN_CF, MASTER_CF))) for host in hosts}
    others = {host: host.run(instance).stdout for host in hosts[2:]}

    succeed(deploy(hosts))
    for host in hosts[:2]:
        assert host.run(f"readlink {MAIN_CF}").stdout == "../mail-local/main.cf\n"
        for path in paths:
            assert not re.search(rb"[^\r]\n", (host.root / path.lstrip("/")).read_bytes())
        assert "the second one counts" in host.run("postconf smtpd_banner").stdout
    for host in hosts[2:]:
        assert others[host] == host.run(instance).stdout
    for host in hosts:
        assert modes(host, *before[host]) == before[host]
        assert_login(lab, host)
    again = succeed(deploy(hosts))
    assert [again.changed(host) for host in hosts] == [0, 0, 0, 0]


# An administrator with a shell that is not a POSIX shell, who becomes root with sudo.
ADMIN = """
useradd --create-home --shell /usr/bin/fish admin
mkdir ~admin/.ssh
cp ~/.ssh/authorized_keys ~admin/.ssh/
chown -R admin ~admin/.ssh
echo 'admin:pass $word' | chpasswd
echo 'admin ALL=(ALL) {}ALL' >/etc/sudoers.d/admin
"""
PASSWORD = {"ssh_user": "admin", "_sudo": True, "_sudo_password": "pass $word"}
NO_PASSWORD = {"ssh_user": "admin", "_sudo": True}


def test_sudo_from_fish_over_a_slow_link_is_as_good_as_root(lab: Lab) -> None:
    hosts = reset(lab)
    for host in hosts[:2]:
        host.run(ADMIN.format(""))
    for host in hosts[2:]:
        host.run(ADMIN.format("NOPASSWD: "))
    data = {host.name: PASSWORD if host in hosts[:2] else NO_PASSWORD for host in hosts}
    with slow(lab, hosts):
        preview = succeed(deploy(hosts, "--dry", "--diff", per_host=data))
        done = succeed(deploy(hosts, per_host=data))
    again = succeed(deploy(hosts, per_host=data))
    for host in hosts:
        assert preview.difference(host)
        assert done.changed(host)
        assert again.changed(host) == 0
        assert_login(lab, host)
        assert not host.run("find /tmp /home/admin -name '*pyinfra*' -o -name '*askpass*'").stdout
    assert "pass $word" not in preview.output + done.output


@contextmanager
def slow(lab: Lab, hosts: list[LabHost]) -> Iterator[None]:
    """Each round trip takes 200 ms longer."""
    try:
        for host in hosts:
            lab.link(host.name).delay(200)
        yield
    finally:
        for host in hosts:
            lab.link(host.name).restore()


# -- hosts that fail with a sentence ------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What is wrong with a host, how that is undone, and the sentence that reports it.

    + sentence: a regular expression
    + wrong, undo: shell commands for the host
    + data: data keys of the host
    + outside: what is done from outside the host; called with True, and with False to undo it
    """

    sentence: str
    wrong: str = ""
    undo: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    outside: Callable[[Lab, LabHost, bool], None] = lambda lab, host, wrong: None


def _cut(lab: Lab, host: LabHost, wrong: bool) -> None:
    link = lab.link(host.name)
    (link.cut if wrong else link.restore)()


def _hidden(sentence: str, path: str) -> Case:
    return Case(sentence, f"mv {path} /root/hidden", f"mv /root/hidden {path}")


LIVE = "/etc/letsencrypt/live/*.*"

LISTENER = "import socket, time; held = socket.create_server(('', 465)); time.sleep(999)"

CASES = {
    "Postfix missing": _hidden("Postfix is not installed .* install it", "/usr/sbin/postconf"),
    "Dovecot missing": _hidden("Dovecot is not installed .* install it", "/usr/bin/doveconf"),
    "lineage missing": Case(
        r"no certificate for example\.\w+ in /etc/letsencrypt/live/.*: run certbot certonly",
        f"mv {LIVE} /root/lineage",
        "mv /root/lineage /etc/letsencrypt/live/$(cat /etc/mailname)",
    ),
    "another key": Case(
        "privkey.pem does not belong to fullchain.pem: renew it with certbot",
        f"cd {LIVE} && mv privkey.pem /root/ && "
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out privkey.pem 2>/dev/null",
        f"cd {LIVE} && mv /root/privkey.pem privkey.pem",
    ),
    "a broken line": Case(
        f"{MASTER_CF} has a broken line, which you have to repair first: .*'smtp inet rubbish'",
        f"cp -a {MASTER_CF} /root/ && echo 'smtp inet rubbish' >>{MASTER_CF}",
        f"mv /root/master.cf {MASTER_CF}",
    ),
    "Postfix stopped": Case(
        "Postfix is not running, so no change could be proved: start it",
        "systemctl stop 'postfix*'",
        "systemctl start postfix",
    ),
    "Dovecot stopped": Case(
        "Dovecot is not running, so no change could be proved: start it",
        "systemctl stop dovecot.socket dovecot.service",
        "systemctl start dovecot",
    ),
    "Dovecot misconfigured": Case(
        "Dovecot's configuration has an error: doveconf -n",
        "echo 'no_such_setting = 1' >/etc/dovecot/conf.d/00-broken.conf",
        "rm /etc/dovecot/conf.d/00-broken.conf",
    ),
    "port 465 taken": Case(
        "port 465 is held by another program",
        f"systemd-run --quiet --unit=taken python3 -c {shlex.quote(LISTENER)}; "
        "until ss -ltn | grep -q :465; do sleep 0.1; done",
        "systemctl stop taken",
    ),
    "main.cf missing": _hidden(f"{MAIN_CF} is missing", MAIN_CF),
    "wrong sudo password": Case(
        "sudo on this host does not accept the password: correct _sudo_password",
        ADMIN.format(""),
        "userdel --force --remove admin; rm /etc/sudoers.d/admin",
        {**PASSWORD, "_sudo_password": "wrong"},
    ),
    "not root": Case(
        "not root: set ssh_user to 'root', or _sudo to True",
        ADMIN.format(""),
        "userdel --force --remove admin; rm /etc/sudoers.d/admin",
        {"ssh_user": "admin"},
    ),
    "down": Case(
        "it cannot be connected to", outside=_cut, data={"ssh_paramiko_connect_kwargs": {"timeout": 2}}
    ),
    "bad data": Case("give a domain name such as example.jp", data={"mail_domain": "no domain"}),
}
ROUNDS = [tuple(CASES)[number : number + 2] for number in range(0, len(CASES), 2)]


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> list[LabHost]:
    """The whole fleet, stock; each of the cases below leaves it as it was."""
    return reset(lab)


@pytest.mark.parametrize("names", ROUNDS, ids=" / ".join)
def test_what_is_wrong_is_one_sentence_and_no_change(
    lab: Lab, fleet: list[LabHost], names: tuple[str, ...], record_property: Callable[[str, object], None]
) -> None:
    record_property("cases", len(names))
    pairs = zip(names, (fleet[:2], fleet[2:]), strict=True)
    cases = {host: CASES[name] for name, pair in pairs for host in pair}
    data = {host.name: case.data for host, case in cases.items()}
    with made(lab, cases):
        before = {host: tree(host) for host in fleet}
        done = deploy(fleet, per_host=data)
        assert {host: tree(host) for host in fleet} == before
    assert done.status == 1
    for host, case in cases.items():
        said = [line for line in done.output.splitlines() if host.name in line]
        told = [line for line in said if re.search(case.sentence, line)]
        assert len(told) in (1, 2), f"{host.name}: {done.output}"
        assert "Traceback" not in done.output


def test_a_host_that_fails_holds_nobody_up(lab: Lab) -> None:
    hosts = reset(lab)
    cases = {hosts[0]: CASES["lineage missing"], hosts[3]: CASES["down"]}
    data = {hosts[3].name: CASES["down"].data}
    with made(lab, cases):
        done = deploy(hosts, per_host=data)
    assert done.status == 1
    assert [bool(done.changed(host)) for host in hosts] == [False, True, True, False]
    assert_login(lab, hosts[1])
    assert_login(lab, hosts[2])


@contextmanager
def made(lab: Lab, cases: dict[LabHost, Case]) -> Iterator[None]:
    """Inside the `with`, the hosts have what is wrong with them."""
    done = []
    try:
        for host, case in cases.items():
            done.append((host, case))
            host.run(case.wrong)
            case.outside(lab, host, True)
        yield
    finally:
        for host, case in done:
            case.outside(lab, host, False)
            host.run(case.undo)


def reset(lab: Lab) -> list[LabHost]:
    hosts = [lab.hosts[name] for name in FLEET]
    with ThreadPoolExecutor() as pool:
        list(pool.map(LabHost.reset, hosts))
    return hosts


def modes(host: LabHost, *paths: str) -> dict[str, str]:
    return {path: host.run(f"stat -c '%A %U %G' {shlex.quote(path)}").stdout for path in paths}


def assert_login(lab: Lab, host: LabHost) -> None:
    with mail.submissions(host, lab.ca) as client:
        client.login(host.user, host.password)
