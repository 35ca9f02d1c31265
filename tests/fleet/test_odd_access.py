"""Accounts and login shells that are not stock: served, or refused with the cause and without a change."""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import deploy, side_by_side, succeed, tree
from tests.fleet.test_verify_breakages import verify

SECRET = "pass $wildfowl"


def _admin(shell: str = "/bin/bash", *, sudo: str = "NOPASSWD: ALL", defaults: str = "") -> str:
    """Commands that make the account `admin`, and give it and root a password.

    + sudo: what it may do with sudo
    + defaults: further lines of sudoers
    """
    return f"""
        useradd --create-home --shell {shell} admin
        install -d -o admin -m 0700 ~admin/.ssh
        install -o admin -m 0600 ~/.ssh/authorized_keys ~admin/.ssh/
        printf '%s\\n' {shlex.quote(f"admin:{SECRET}")} {shlex.quote(f"root:{SECRET}")} | chpasswd
        printf '%s\\n' {shlex.quote(defaults)} {shlex.quote(f"admin ALL=(ALL) {sudo}")} >/etc/sudoers.d/admin
    """


ADMIN: dict[str, Any] = {"ssh_user": "admin"}
SUDO = {**ADMIN, "_sudo": True}
SUDO_PASSWORD = {**SUDO, "_sudo_password": SECRET}
SU_PASSWORD = {**ADMIN, "_su_user": "root", "_su_password": SECRET}


@dataclass(frozen=True)
class Access:
    """How a host is accessed.

    + wrong: what is odd about that, in shell commands; + undo: what restores it, except files
    + data: data keys of the host
    + sentence: a regular expression of the refusal; empty if the host is served
    + is_verified: whether a verification is tried, too
    """

    wrong: str
    data: Mapping[str, Any] = field(default_factory=dict)
    undo: str = ":"
    sentence: str = ""
    is_verified: bool = False


def _start_up_file(line: str) -> str:
    return f"printf '%s\\n' {shlex.quote(line)} >/root/.bashrc"


def _sshd(line: str) -> str:
    return f"echo '{line}' >/etc/ssh/sshd_config.d/odd.conf && systemctl reload ssh"


_RELOAD_SSHD = "rm /etc/ssh/sshd_config.d/odd.conf && systemctl reload ssh"

# /etc/hosts has no line with the host's name, and the lab's DNS server does not know this one.
_UNKNOWN_NAME = "sed -i /mail/d /etc/hosts && hostname nowhere.invalid"

SERVED = {
    "a password that sudo does not need": Access(_admin("/bin/csh"), SUDO_PASSWORD, is_verified=True),
    "a lecture, an own prompt, one try, no ticket, and root's password": Access(
        _admin(
            sudo="ALL",
            defaults="Defaults lecture=always, passprompt=Kennwort, passwd_tries=1, targetpw\n"
            "Defaults timestamp_timeout=0",
        ),
        SUDO_PASSWORD,
        is_verified=True,
    ),
    "csh": Access("usermod --shell /bin/csh root", is_verified=True),
    "csh, and sudo with a password": Access(_admin("/bin/csh", sudo="ALL"), SUDO_PASSWORD, is_verified=True),
    "csh of root, and a login through sudo": Access(
        _admin("/usr/bin/fish") + "usermod --shell /bin/csh root", {**SUDO, "_use_sudo_login": True}
    ),
    "fish, and sudo with a password": Access(_admin("/usr/bin/fish", sudo="ALL"), SUDO_PASSWORD),
    "rbash": Access(_admin("/bin/rbash"), SUDO),
    "one session": Access(_sshd("MaxSessions 1"), undo=_RELOAD_SSHD, is_verified=True),
    "a PATH without sbin": Access(_start_up_file("PATH=/usr/bin:/bin"), is_verified=True),
    "a PATH of sudo without sbin": Access(
        _admin(defaults="Defaults secure_path=/usr/bin:/bin"), SUDO, is_verified=True
    ),
    "a name that does not resolve": Access(
        _admin() + _UNKNOWN_NAME, SUDO, undo="hostname $(cat /etc/hostname)"
    ),
    "a terminal for every command": Access(
        _admin(sudo="ALL", defaults="Defaults use_pty"), {**SUDO_PASSWORD, "_get_pty": True}
    ),
    "a greeting without its line end": Access(_start_up_file("printf Welcome")),
    "no program runs in /tmp": Access(
        _admin(sudo="ALL") + "mount -o remount,noexec /tmp", SUDO_PASSWORD, undo="mount -o remount,exec /tmp"
    ),
    "new files are for nobody": Access(_start_up_file("umask 0777")),
    "a language that is not there": Access(_start_up_file("export LC_ALL=de_DE.UTF-8")),
}

REFUSED = {
    "sudo needs a terminal": Access(
        _admin(defaults="Defaults requiretty"), SUDO, sentence=r"needs a terminal \(requiretty\).*!requiretty"
    ),
    "sudo needs a password": Access(
        _admin(sudo="ALL"), SUDO, sentence="asks for a password, and none is set: write .*NOPASSWD"
    ),
    "another password for sudo": Access(
        _admin("/usr/bin/fish", sudo="ALL"),
        {**SUDO_PASSWORD, "_sudo_password": "wrong"},
        sentence="sudo on this host does not accept the password",
    ),
    "sudo for one program": Access(
        _admin(sudo="NOPASSWD: /usr/bin/id"),
        SUDO_PASSWORD,
        sentence="does not let the account run every command",
    ),
    "a password for su": Access(_admin(), SU_PASSWORD, sentence="a password is sent to sudo alone"),
    "su needs a password": Access(
        _admin(), {**ADMIN, "_su_user": "root"}, sentence="su on this host asks for a password"
    ),
    "no session": Access(
        _sshd("MaxSessions 0"), undo=_RELOAD_SSHD, sentence="sshd on this host opens no session"
    ),
    "nothing in PATH": Access(_start_up_file("PATH=/nowhere"), sentence="the program sh is not found"),
    "a start-up file that reads a line": Access(
        _start_up_file("read -r answer"), sentence="reads the program that is sent on standard input"
    ),
    "a start-up file that reads everything": Access(
        _start_up_file("cat >/dev/null"), sentence="reads the program that is sent on standard input"
    ),
    "a start-up file that ends the session": Access(
        _start_up_file("exit"), sentence="ended the session before the command began, and said nothing"
    ),
    "nologin": Access(
        "usermod --shell /usr/sbin/nologin root", sentence="login shell on this host is nologin"
    ),
    "a forced command": Access(
        """sed -i 's/^/command="echo no entry" /' ~/.ssh/authorized_keys""",
        sentence="the host did not run the command.*The host said: no entry",
    ),
    "a password that has expired": Access(
        _admin() + "chage -d 0 admin", SUDO, sentence="the account or its password has expired"
    ),
    "no perl": Access(
        "mv /usr/bin/perl /root/perl",
        undo="mv /root/perl /usr/bin/perl",
        sentence="the program perl is not found on this host",
    ),
}

# Two at a time, each on both releases.
_SERVED, _REFUSED = (
    [tuple(cases)[number : number + 2] for number in range(0, len(cases), 2)] for cases in (SERVED, REFUSED)
)


@contextmanager
def made(lab: Lab, cases: Mapping[str, Access], names: tuple[str, ...]) -> Iterator[dict[LabHost, Access]]:
    """Inside the `with`, the stock fleet is accessed in these ways."""
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    ways = {
        host: cases[name] for name, pair in zip(names, (hosts[:2], hosts[2:]), strict=False) for host in pair
    }
    begun = []
    try:
        for host, way in ways.items():
            begun.append((host, way))
            host.run(way.wrong)
        yield ways
    finally:
        for host, way in begun:
            host.run(way.undo)
        side_by_side(LabHost.reset, hosts)


def _data(ways: Mapping[LabHost, Access]) -> dict[str, dict[str, Any]]:
    return {host.name: dict(way.data) for host, way in ways.items()}


@pytest.mark.parametrize("names", _SERVED, ids=" / ".join)
def test_it_is_served(lab: Lab, names: tuple[str, ...], tmp_path: Path) -> None:
    with made(lab, SERVED, names) as ways:
        data = _data(ways)
        preview = succeed(deploy(ways, "--dry", "--diff", per_host=data))
        done = succeed(deploy(ways, per_host=data))
        again = succeed(deploy(ways, per_host=data))
        verified = [host for host, way in ways.items() if way.is_verified]
        found = verify(tmp_path, verified, data, f"--data=verify_ca_file={lab.ca}").hosts if verified else {}
    for host in ways:
        assert preview.difference(host)
        assert done.changed(host)
        assert again.changed(host) == 0
    for checks in found.values():
        assert not {check: result for check, result in checks.items() if result["outcome"] == "failed"}
    assert SECRET not in preview.output + done.output


@pytest.mark.parametrize("names", _REFUSED, ids=" / ".join)
def test_it_is_refused_with_the_cause(lab: Lab, names: tuple[str, ...]) -> None:
    with made(lab, REFUSED, names) as ways:
        before = {host: tree(host) for host in ways}
        # Nobody is there to answer a question of sudo.
        runs = [
            deploy(ways, *options, per_host=_data(ways), stdin="x\n") for options in (("--dry",), ("-y",))
        ]
        assert {host: tree(host) for host in ways} == before
    for run in runs:
        assert run.status == 1
        assert "Traceback" not in run.output
        assert f"{len(ways)} hosts: {len(ways)} refused" in run.report
        for host, way in ways.items():
            assert re.search(way.sentence, " ".join(run.lines_of(host))), run.output
            assert re.search(rf"{host.name} refused: .*{way.sentence}", run.report), run.output


# What an account without rights can read again and again, until there is a file `stop`.
_POLLER = r"""
my ($word, $polls) = ('wild' . 'fowl', 0);
until (-e '/tmp/stop') {
    for my $file (glob('/proc/[0-9]*/cmdline /proc/[0-9]*/environ /tmp/* /tmp/*/* /dev/shm/*')) {
        open my $in, '<', $file or next;
        local $/; my $text = <$in>;
        print "$file\n" if defined $text && index($text, $word) >= 0;
    }
    $polls++;
}
print "polls $polls\n";
"""

# In place of perl: writes down what it reads.
_READS = r"""#!/bin/sh
exec /usr/bin/perl -e '
    my @words = @ARGV; local $/; my $read = <STDIN>;
    open my $out, ">>", "/root/read" or die; print $out $read; close $out;
    open my $perl, "|-", "/usr/bin/perl", @words or die; print $perl $read; close $perl; exit $? >> 8' -- "$@"
"""


def test_no_password_is_an_argument_a_file_or_the_input_of_a_program(lab: Lab) -> None:
    ways = {
        "sudo asks": Access(_admin(sudo="ALL"), SUDO_PASSWORD),
        "sudo does not": Access(_admin(), SUDO_PASSWORD),
    }
    poll = "/usr/bin/perl /run/polled/poll >/run/polled/out"
    with made(lab, ways, tuple(ways)) as hosts:
        for host in hosts:
            host.run("install -d -o nobody /run/polled; cat >/usr/local/bin/perl", stdin=_READS)
            host.run("chmod +x /usr/local/bin/perl")
            host.run("cat >/run/polled/poll", stdin=_POLLER)
            host.run(f"systemd-run --quiet --unit=poller --uid=nobody sh -c '{poll}'")
        run = succeed(deploy(hosts, "--dry", "--diff", per_host=_data(hosts)))
        for host in hosts:
            host.run("touch /tmp/stop; while systemctl is-active --quiet poller; do sleep 0.05; done")
            *found, polls = host.run("cat /run/polled/out; rm /tmp/stop").stdout.splitlines()
            assert int(polls.split()[1]) > 0
            assert not found
            read = host.run("cat /root/read").stdout
            assert "package SmtpAuth::Look" in read
            assert "wildfowl" not in read
            assert not host.run("grep -rlF wildfowl /tmp /home/admin /run/user", check=False).stdout
        assert "wildfowl" not in run.output
