"""In a preview, the host's own programs report what they would refuse; and nothing is changed or left."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.command import run as run_here
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import deploy, ended, shim, side_by_side, started, succeed, tree
from tests.fleet.faults import PAUSE, Faults

pytestmark = pytest.mark.lab

LISTENER = "import socket, time; held = socket.create_server(('', 465)); time.sleep(999)"

# The service on port 465 is in master.cf, and Postfix is not reloaded yet.
TAKEN = (
    "systemctl stop postfix; "
    f"systemd-run --quiet --unit=taken python3 -c {shlex.quote(LISTENER)}; "
    "until ss -ltn | grep -q :465; do sleep 0.1; done; systemctl start postfix; "
    "printf 'smtps inet n - y - - smtpd\\n' >>/etc/postfix/master.cf"
)


def _immutable(path: str) -> Callable[[LabHost, bool], None]:
    def change(host: LabHost, wrong: bool) -> None:
        # From the controller, because some hosts do not have chattr(1).
        run_here("chattr", "+i" if wrong else "-i", host.root / path)

    return change


def _nothing(host: LabHost, wrong: bool) -> None:
    pass


@dataclass(frozen=True)
class Case:
    """A problem of a host, how that is repaired, and the sentence that reports it.

    + wrong, undo: shell commands for the host
    + outside: what is done from outside the host; called with True, and with False to undo it
    """

    sentence: str
    wrong: str = ":"
    undo: str = ":"
    outside: Callable[[LabHost, bool], None] = _nothing
    data: Mapping[str, Any] = field(default_factory=dict)


def _read_only(path: str) -> tuple[str, str]:
    return f"mount --bind {path} {path} && mount -o remount,ro,bind {path}", f"umount {path}"


CASES = {
    "main.cf immutable": Case(
        "main.cf is immutable or append-only (lsattr shows it): run chattr -i -a /etc/postfix/main.cf",
        outside=_immutable("etc/postfix/main.cf"),
    ),
    "a directory immutable": Case(
        "/etc/dovecot/conf.d is immutable or append-only", outside=_immutable("etc/dovecot/conf.d")
    ),
    "read-only": Case("/etc/postfix cannot be written (Read-only file system)", *_read_only("/etc/postfix")),
    "no place for the record": Case(
        "/var/lib cannot be written (Read-only file system), so the change cannot be recorded",
        *_read_only("/var/lib"),
    ),
    "full": Case(
        "the file system of /etc/postfix is full",
        "cp -a /etc/postfix /root/ && mount -t tmpfs -o size=1m,mode=755 tmpfs /etc/postfix && "
        "cp -a /root/postfix/. /etc/postfix && cat /dev/zero >/etc/postfix/fill 2>/dev/null; :",
        "umount /etc/postfix; rm -r /root/postfix",
    ),
    "the listener overruled": Case(
        "Dovecot refuses the new configuration: a setting that Dovecot reads after "
        "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf overrules it",
        "printf '%s\\n' 'service auth {' 'unix_listener /var/spool/postfix/private/auth {' 'mode = 0666' "
        "'}' '}' >/etc/dovecot/conf.d/99-z-own.conf",
    ),
    "no conf.d included": Case(
        "has no listener /var/spool/postfix/private/auth: dovecot.conf does not include",
        "doveconf -n >/root/flat && cp /root/flat /etc/dovecot/dovecot.conf",
    ),
    "Dovecot refuses it": Case(
        # An unfinished block before the drop-in makes the drop-in itself invalid.
        "Dovecot's configuration has an error: doveconf -n",
        "echo 'service auth {' >/etc/dovecot/conf.d/98-open.conf",
    ),
    "an undefined parameter": Case(
        "undefined parameter: no_such_parameter",
        data={"submissions_options": {"smtpd_banner": "$no_such_parameter"}},
    ),
    "port 465 taken": Case("port 465 is held by another program", TAKEN, "systemctl stop taken"),
}
ROUNDS = [tuple(CASES)[number : number + 2] for number in range(0, len(CASES), 2)]


@contextmanager
def _made(cases: Mapping[LabHost, Case]) -> Iterator[None]:
    with ExitStack() as stack:
        for host, case in cases.items():
            host.run(case.wrong)
            stack.callback(host.run, case.undo)
            case.outside(host, True)
            stack.callback(case.outside, host, False)
        yield


def _fleet(lab: Lab) -> list[LabHost]:
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    return hosts


@pytest.mark.parametrize("names", ROUNDS, ids=" / ".join)
def test_the_preview_says_what_the_host_would_refuse(lab: Lab, names: tuple[str, str]) -> None:
    hosts = _fleet(lab)
    cases = {
        host: CASES[name] for name, pair in zip(names, (hosts[:2], hosts[2:]), strict=True) for host in pair
    }
    data = {host.name: case.data for host, case in cases.items()}
    with _made(cases):
        before = {host: tree(host) for host in hosts}
        # No terminal: nobody could answer a question.
        for options in (("--dry", "--diff"), ("-y",)):
            run = deploy(hosts, *options, per_host=data)
            assert run.status == 1
            for host, case in cases.items():
                assert any(case.sentence in line for line in run.lines_of(host)), f"{host.name}: {run.output}"
                assert f"{host.name} refused: " in run.report, run.output
                assert tree(host) == before[host], f"{host.name}: {options}"
                assert "Success" not in run.lines_of(host)
                assert "Ready: deploy.py" not in run.lines_of(host) or options == ("-y",)
            assert "4 hosts: 4 refused" in run.report
    side_by_side(LabHost.reset, hosts)


def test_a_rehearsal_leaves_nothing_and_meets_nobody(lab: Lab, stock: list[LabHost]) -> None:
    """Two previews at the same time, during a deploy that is paused in its change."""
    before = {host: tree(host) for host in stock}
    first = started(stock, "--dry", "--diff")
    second = started(stock, "--dry", "--diff")
    with first as one, second as other:
        previews = [succeed(ended(one)), succeed(ended(other))]
    assert {host: tree(host) for host in stock} == before
    with ExitStack() as stack:
        stand_ins = [stack.enter_context(Faults(host)) for host in stock]
        with ExitStack() as in_ssh:
            for faults in stand_ins:
                in_ssh.enter_context(faults.in_ssh())
                faults.arm(1, PAUSE, "systemctl")
            deploying = stack.enter_context(started(stock, "-y"))
            for faults in stand_ins:
                faults.wait_paused()
        beside = deploy(stock, "--dry", "--diff")
        for faults in stand_ins:
            faults.go_on()
        succeed(ended(deploying))
    assert beside.status == 0, beside.output
    for host in stock:
        assert previews[0].difference(host) == previews[1].difference(host) != []


def test_where_mounts_are_forbidden_the_preview_says_what_was_not_asked(
    lab: Lab, stock: list[LabHost]
) -> None:
    for host in stock:
        host.run(shim("unshare", "exit 1"))
    before = {host: tree(host) for host in stock}
    preview = succeed(deploy(stock, "--dry", "--diff"))
    for host in stock:
        assert any("mounts are forbidden here" in line for line in preview.lines_of(host)), preview.output
    wrong = deploy(stock, "--dry", data=CASES["an undefined parameter"].data)
    assert wrong.status == 1
    for host in stock:
        assert any("undefined parameter: no_such" in line for line in wrong.lines_of(host)), wrong.output
        assert tree(host) == before[host]
    succeed(deploy(stock))
    assert "2 hosts: 2 unchanged" in succeed(deploy(stock)).report
