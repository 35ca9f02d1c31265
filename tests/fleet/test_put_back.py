"""A configuration that passes every check but does not serve: the old one comes back, and the error
says why."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET, RELEASES
from tests.fleet.deploying import LEFTOVERS, Run, deploy, fingerprint, succeed
from tests.fleet.faults import KILL, Faults

pytestmark = pytest.mark.lab

Data = dict[str, Any]

POSTFIX = ("/etc/postfix/main.cf", "/etc/postfix/master.cf")
DROPIN = "etc/dovecot/conf.d/99-postfix-smtp-auth.conf"

# Name of a bad configuration to its data, to what the program says of it, and to Postfix's own log line.
BAD: dict[str, tuple[Data, str, str]] = {
    "a number that is none": (
        {"submissions_options": {"smtpd_client_connection_count_limit": "many"}},
        "smtpd dies when it starts",
        "fatal: bad numerical configuration: smtpd_client_connection_count_limit = many",
    ),
    "a milter that is not there": (
        # Postfix 3.7 reports it at MAIL FROM, 3.10 instead of its greeting.
        {"submissions_options": {"smtpd_milters": "inet:127.0.0.1:9"}},
        "try again later)",
        "warning: connect to Milter service inet:127.0.0.1:9: Connection refused",
    ),
    "a certificate that smtpd cannot load": (
        {"submissions_options": {"smtpd_tls_cert_file": "/etc/postfix/main.cf"}},
        "no greeting through TLS",
        'warning: cannot get RSA certificate from file "/etc/postfix/main.cf"',
    ),
    "a restriction whose map is not there": (
        {
            "mua_client_restrictions": [
                "check_client_access hash:/etc/postfix/none",
                "permit_sasl_authenticated",
            ]
        },
        "mail is deferred",
        "open database /etc/postfix/none.db: No such file or directory",
    ),
}

PAIRS = (RELEASES, FLEET[2:])


@pytest.fixture(scope="module")
def saved(lab: Lab) -> Iterator[None]:
    hosts = [lab.hosts[name] for name in FLEET]
    for host in hosts:
        host.reset()
    succeed(deploy(hosts))
    for host in hosts:
        host.save("put-back")
    yield
    for host in hosts:
        host.forget("put-back")


def _restore(lab: Lab, state: str) -> list[LabHost]:
    hosts = [lab.hosts[name] for name in FLEET]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: host.restore(state), hosts))
    return hosts


def _serves(lab: Lab, host: LabHost, logs_in: bool) -> None:
    with mail.smtp(host) as client:
        client.ehlo("elsewhere.test")
        client.mail("someone@elsewhere.test")
        assert client.rcpt(f"{host.user}@{host.domain}")[0] == 250
    if logs_in:
        with mail.submissions(host, lab.ca) as client:
            client.login(host.user, host.password)
            client.mail(f"{host.user}@{host.domain}")
            assert client.rcpt(f"{host.user}@{host.domain}")[0] == 250


def _is_back(run: Run, host: LabHost, reason: str, log: str) -> None:
    said = "\n".join(run.lines_of(host))
    assert reason in said, said
    assert log in said, said
    assert "The old configuration is restored and works." in said, said
    found = host.run(LEFTOVERS)
    assert found.stdout == ""


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("state", ["put-back", "stock"])
@pytest.mark.parametrize("both", [list(BAD)[:2], list(BAD)[2:]], ids=" and ".join)
def test_what_does_not_serve_is_put_back(lab: Lab, both: list[str], state: str) -> None:
    hosts = _restore(lab, state)
    bad = {name: BAD[case] for case, pair in zip(both, PAIRS, strict=True) for name in pair}
    before = [fingerprint(host, *POSTFIX) for host in hosts]
    run = deploy(hosts, per_host={name: data for name, (data, _, _) in bad.items()})
    assert run.status != 0
    for host, files in zip(hosts, before, strict=True):
        _, reason, log = bad[host.name]
        _is_back(run, host, reason, log)
        assert fingerprint(host, *POSTFIX) == files
        _serves(lab, host, logs_in=state == "put-back")


@pytest.mark.usefixtures("saved")
def test_one_hosts_bad_configuration_does_not_keep_the_others_from_theirs(lab: Lab) -> None:
    bad, good = _restore(lab, "put-back")[:2]
    data, reason, log = BAD["a number that is none"]
    wanted = {"submissions_options": {"smtpd_client_connection_count_limit": "20"}}
    run = deploy([bad, good], per_host={bad.name: data, good.name: wanted})
    assert run.status != 0
    _is_back(run, bad, reason, log)
    assert "smtpd_client_connection_count_limit=20" in (good.root / "etc/postfix/master.cf").read_text()
    _serves(lab, good, logs_in=True)


def test_a_put_back_that_is_killed_is_finished_by_the_host_itself(lab: Lab, stock: list[LabHost]) -> None:
    bad, _, _ = BAD["a milter that is not there"]
    with ExitStack() as stack:
        for host in stock:
            faults = stack.enter_context(Faults(host))
            stack.enter_context(faults.in_ssh())
            # The third reload, after those of Dovecot and Postfix, is the one after the restore.
            faults.arm(3, KILL, "systemctl")
        run = deploy(stock, data=bad)
    assert run.status == 1
    for host in stock:
        assert "The old configuration is restored and works." in "\n".join(run.lines_of(host)), run.output
        assert "submissions" not in host.run("postconf -M").stdout
        assert ":465 " not in host.run("ss -ltn").stdout
        assert host.run(LEFTOVERS).stdout == ""
        _serves(lab, host, logs_in=False)
    succeed(deploy(stock))
    for host in stock:
        _serves(lab, host, logs_in=True)


def test_an_auth_socket_that_cannot_be_made_is_reported_with_dovecots_words(
    lab: Lab, stock: list[LabHost]
) -> None:
    for host in stock:
        host.run("mkdir -p /var/spool/postfix/private/auth/in-the-way")
    run = deploy(stock)
    assert run.status != 0
    for host in stock:
        said = "\n".join(run.lines_of(host))
        assert "/var/spool/postfix/private/auth" in said
        assert "dovecot" in said
        assert "The old configuration is restored and works." in said, said
        assert not (host.root / DROPIN).exists()
        assert host.serves()
        host.run("rmdir /var/spool/postfix/private/auth/in-the-way /var/spool/postfix/private/auth")
    succeed(deploy(stock))
    for host in stock:
        _serves(lab, host, logs_in=True)
