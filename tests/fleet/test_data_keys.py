"""Data keys with values other than their defaults: what each does, from outside and for Postfix."""

import re
import smtplib
import ssl
import uuid
from typing import Any

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import RELEASES
from tests.fleet.deploying import Run, deploy, succeed

STORE = "etc/ssl/acme"

DATA: dict[str, Any] = {
    "letsencrypt_live": f"/{STORE}/live",
    "smtpd_tls_security_level": "encrypt",
    "smtp_auth_on_port_25": False,
    "tls_minimum_version": "TLSv1.3",
    "mua_sender_restrictions": ["reject_non_fqdn_sender", "check_sender_access static:DUNNO"],
    "submissions_options": {
        "smtpd_client_connection_count_limit": "9",
        "smtpd_discard_ehlo_keywords": "etrn, dsn",
        "local_header_rewrite_clients": None,
    },
    "certbot_reload_services": ["postfix", "dovecot"],
}


@pytest.fixture(scope="module")
def changed(lab: Lab) -> Run:
    """A host of each release, deployed with the defaults and then with `DATA`."""
    hosts = [lab.hosts[name] for name in RELEASES]
    for host in hosts:
        host.reset()
        host.run(f"cp -a /etc/letsencrypt /{STORE}")
    succeed(deploy(hosts))
    return succeed(deploy(hosts, data=DATA))


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest, lab: Lab, changed: Run) -> LabHost:
    """A host of each release in turn."""
    found: LabHost = lab.hosts[request.param]
    return found


def test_mail_still_goes_out(host: LabHost, lab: Lab) -> None:
    subject = f"keys {uuid.uuid4()}"
    mail.send(host, lab.ca, subject)
    mail.delivered(host, subject)


def test_port_25_demands_tls_and_offers_no_login_even_inside_it(host: LabHost, lab: Lab) -> None:
    with mail.smtp(host) as client:
        client.ehlo("client.example")
        assert client.mail(f"someone@{host.domain}")[0] == 530
        client._host = host.name  # type: ignore[attr-defined]
        client.starttls(context=ssl.create_default_context(cafile=str(lab.ca)))
        client.ehlo("client.example")
        assert "auth" not in client.esmtp_features


def test_port_465_refuses_what_is_below_the_floor(host: LabHost, lab: Lab) -> None:
    context = ssl.create_default_context(cafile=str(lab.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected)),
        mail.submissions(host, lab.ca, context),
    ):
        pass


def test_options_and_restrictions_are_what_postfix_reads(host: LabHost) -> None:
    options = host.run("postconf -P submissions/inet").stdout.splitlines()
    assert "submissions/inet/smtpd_client_connection_count_limit = 9" in options
    assert "submissions/inet/smtpd_discard_ehlo_keywords = etrn, dsn" in options
    assert not [line for line in options if "local_header_rewrite_clients" in line]
    said = host.run("postconf -h mua_sender_restrictions smtpd_tls_cert_file").stdout.splitlines()
    assert said == [
        "reject_non_fqdn_sender, check_sender_access static:DUNNO",
        f"/{STORE}/live/{host.domain}/fullchain.pem",
    ]


def test_the_hook_beside_the_lineages_reloads_every_unit(host: LabHost) -> None:
    hook = host.root / f"{STORE}/renewal-hooks/deploy/reload_services.sh"
    assert re.findall(r"systemctl reload (\w+)", hook.read_text()) == ["postfix", "dovecot"]
