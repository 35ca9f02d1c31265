"""`smtp-auth plan` and `pyinfra … --dry --diff` say the same of each host, line for line."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from lab.host import LabHost
from tests.fleet.by_hand import EDIT
from tests.fleet.commands import smtp_auth
from tests.fleet.deploying import TAKE_PORT_465, deploy, succeed

# What pyinfra itself says of a host.
_OF_PYINFRA = ("Connected", "Ready: deploy.py", "refused, see the report")


def test_each_host_is_told_about_in_the_same_lines(stock: list[LabHost]) -> None:
    everywhere = partial(_run_on, stock)
    _compare(stock, "+smtpd_sasl_path = private/auth")
    _compare(
        stock,
        "tls_minimum_version = 'TLSv9'",
        {host.name: {"tls_minimum_version": "TLSv9"} for host in stock[:1]},
    )
    everywhere(TAKE_PORT_465)
    try:
        _compare(stock, "port 465")
    finally:
        everywhere("systemctl stop taken")
    succeed(deploy(stock))
    everywhere("echo '# by hand' >>/etc/postfix/main.cf && systemctl reload postfix")
    _compare(stock, "edited since: /etc/postfix/main.cf")
    everywhere("systemctl restart dovecot")
    _compare(stock, "a deploy proves once that Dovecot and Postfix work")
    everywhere(EDIT)
    _compare(stock, "-smtpd_tls_auth_only = no")
    assert smtp_auth("hold", stock[:1], "*", "--reason", "a new disk").status == 0
    _compare(stock, "until somebody releases it: a new disk")
    _compare(stock, "; even_held = True overrides this", {stock[0].name: {"even_held": True}})


def _run_on(hosts: list[LabHost], command: str) -> None:
    for host in hosts:
        host.run(command)


def _compare(
    hosts: list[LabHost], expected: str, per_host: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Compare all that both say of each host. + expected: a part of it, for at least one of them"""
    run = deploy(hosts, "--dry", "--diff", per_host=per_host)
    done = smtp_auth("plan", hosts, per_host=per_host)
    assert done.status == run.status, done.output + run.output
    assert expected in done.output
    for host in hosts:
        told = [line for line in run.lines_of(host) if line not in _OF_PYINFRA]
        reasons = _reasons(run.report, host.name)
        lines = _lines_of(done.output, host.name)
        assert sorted(line for line in lines if line not in reasons) == sorted(
            line for line in told if line not in reasons
        )
        assert [line for line in lines if line in reasons] == reasons
        # The order of the lines of files, too.
        assert [line for line in lines if line[:1] in "+-/"] == [line for line in told if line[:1] in "+-/"]


def _reasons(report: str, name: str) -> list[str]:
    """Why a host is refused, in pyinfra's report."""
    return [
        line.partition(f"{name} refused: ")[2] for line in report.splitlines() if f"{name} refused: " in line
    ]


def _lines_of(output: str, name: str) -> list[str]:
    """The lines below each title that names a host."""
    found: list[str] = []
    is_named = False
    for line in output.splitlines():
        if line.startswith("    "):
            found += [line.strip()] if is_named else []
        else:
            is_named = name in line
    return found
