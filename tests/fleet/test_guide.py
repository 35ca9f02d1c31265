"""From stock hosts to authenticated mail on port 465: what the guide promises, seen by a mail program."""

import smtplib
import socket
import ssl
import uuid

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from smtp_auth.services.postfix.sni import TABLE
from tests.fleet.by_hand import reloads_of_postfix
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import Run, deploy, fingerprint, succeed
from tests.unit.scenarios import PATHS

ELSEWHERE = "someone@elsewhere.example"

# What a deploy writes on a host with one domain.
WRITTEN = tuple(path for key, path in PATHS.items() if key != TABLE.key)


@pytest.fixture(params=FLEET)
def host(request: pytest.FixtureRequest, lab: Lab, deployed: Run) -> LabHost:
    """Each host of the deployed fleet in turn."""
    found: LabHost = lab.hosts[request.param]
    return found


def test_a_mail_program_logs_in_sends_and_the_message_arrives(host: LabHost, lab: Lab) -> None:
    subject = f"guide {uuid.uuid4()}"
    mail.send(host, lab.ca, subject)
    received = mail.delivered(host, subject)
    # smtpd_hide_client_session exists from Postfix 3.10.
    hidden = host.release == "trixie"
    assert (lab.gateway not in received) == hidden
    assert ("with ESMTPSA" not in received) == hidden


def test_a_wrong_password_is_refused(host: LabHost, lab: Lab) -> None:
    with mail.submissions(host, lab.ca) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(host.user, "not-" + host.password)
    assert refused.value.smtp_code == 535


def test_without_login_port_465_sends_nothing(host: LabHost, lab: Lab) -> None:
    with mail.submissions(host, lab.ca) as client:
        client.ehlo("client.example")
        client.mail(f"{host.user}@{host.domain}")
        for recipient in (ELSEWHERE, f"{host.user}@{host.domain}"):
            assert client.rcpt(recipient)[0] == 554


def test_port_25_does_not_relay(host: LabHost) -> None:
    with mail.smtp(host) as client:
        client.ehlo("client.example")
        client.mail(f"{host.user}@{host.domain}")
        assert client.rcpt(ELSEWHERE)[0] in (454, 554)


def test_port_25_still_takes_mail_for_its_own_users(host: LabHost) -> None:
    with mail.smtp(host) as client:
        client.ehlo("client.example")
        client.mail(ELSEWHERE)
        assert client.rcpt(f"{host.user}@{host.domain}")[0] == 250


def test_port_25_offers_logins_only_inside_tls(host: LabHost, lab: Lab) -> None:
    with mail.smtp(host) as client:
        client.ehlo("client.example")
        assert "auth" not in client.esmtp_features
        context = ssl.create_default_context(cafile=str(lab.ca))
        # smtplib checks the name that it was told to connect to.
        client._host = host.name  # type: ignore[attr-defined]
        client.starttls(context=context)
        client.ehlo("client.example")
        assert "auth" in client.esmtp_features


def test_plain_text_gets_nowhere_on_port_465(host: LabHost) -> None:
    with socket.create_connection((host.address, mail.SUBMISSIONS), 30) as connection:
        connection.sendall(b"EHLO client.example\r\n")
        try:
            answer = connection.recv(1024)
        except ConnectionResetError:
            answer = b""
        assert not answer.startswith(b"2")


def test_postfix_prints_no_warning(host: LabHost) -> None:
    said = host.run("postconf -n >/dev/null; postconf -M >/dev/null; postfix check")
    assert said.stderr == ""


def test_a_second_deploy_changes_nothing(lab: Lab, deployed: Run) -> None:
    hosts = [lab.hosts[name] for name in FLEET]
    before = {host.name: fingerprint(host, *WRITTEN) for host in hosts}
    again = succeed(deploy(hosts))
    assert [again.changed(host) for host in hosts] == [0, 0, 0, 0], again.output
    assert {host.name: fingerprint(host, *WRITTEN) for host in hosts} == before


def test_each_service_is_reloaded_once(lab: Lab, stock: list[LabHost]) -> None:
    for host in stock:
        host.run("journalctl --rotate && journalctl --vacuum-time=1s", check=False)
    succeed(deploy(stock))
    for host in stock:
        assert reloads_of_postfix(host) == 1
        log = host.run("journalctl --output=cat -t dovecot").stdout
        assert log.count("SIGHUP received - reloading configuration") == 1, log
