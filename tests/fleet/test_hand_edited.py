"""Hosts that were edited by hand keep what their owners wrote."""

import uuid

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet import by_hand
from tests.fleet.deploying import deploy, fingerprint, succeed

MAIN_CF = "/etc/postfix/main.cf"
MASTER_CF = "/etc/postfix/master.cf"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
DROPIN = "etc/dovecot/conf.d/99-postfix-smtp-auth.conf"


def test_the_guide_followed_by_hand_needs_no_change(lab: Lab, stock: list[LabHost]) -> None:
    for host in stock:
        by_hand.follow_the_guide(host, by_hand.RESTRICTIONS_AND_FLOOR)
    before = [fingerprint(host, MAIN_CF, MASTER_CF, HOOK) for host in stock]
    run = succeed(deploy(stock))
    assert [run.changed(host) for host in stock] == [0, 0], run.output
    assert [fingerprint(host, MAIN_CF, MASTER_CF, HOOK) for host in stock] == before
    assert not any((host.root / DROPIN).exists() for host in stock)


def test_where_restrictions_are_undefined_exactly_these_are_added(lab: Lab, stock: list[LabHost]) -> None:
    for host in stock:
        by_hand.follow_the_guide(host)
    mains = [(host.root / MAIN_CF.lstrip("/")).read_text() for host in stock]
    before = [fingerprint(host, MASTER_CF, HOOK) for host in stock]
    succeed(deploy(stock))
    added = (
        "smtpd_tls_mandatory_protocols = >=TLSv1.2\n"
        "mua_client_restrictions = permit_sasl_authenticated, reject\n"
        "mua_helo_restrictions =\n"
        "mua_sender_restrictions =\n"
        "mua_relay_restrictions = permit_sasl_authenticated, reject\n"
    )
    for host, main in zip(stock, mains, strict=True):
        assert (host.root / MAIN_CF.lstrip("/")).read_text() == main + added
    assert [fingerprint(host, MASTER_CF, HOOK) for host in stock] == before


def test_a_messy_host_serves_and_everything_of_its_owner_is_still_there(
    lab: Lab, stock: list[LabHost]
) -> None:
    for host in stock:
        by_hand.make_messy(host)
    before = {(host.name, path): _lines(host, path) for host in stock for path in (MAIN_CF, MASTER_CF, HOOK)}
    succeed(deploy(stock))
    for host in stock:
        gone = before[host.name, MAIN_CF] - _lines(host, MAIN_CF)
        assert {line.partition("=")[0].strip() for line in gone} <= {
            "smtpd_tls_cert_file",
            "smtpd_tls_key_file",
            "smtpd_tls_eccert_file",
            "smtpd_sasl_type",
            "cyrus_sasl_config_path",
        }
        assert "#smtpd_tls_eccert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem" in _lines(host, MAIN_CF)
        # The service offered no logins. Its list of restrictions and its name in the log stay.
        lost = before[host.name, MASTER_CF] - _lines(host, MASTER_CF)
        assert lost == {"  -o smtpd_etrn_restrictions=reject -o smtpd_sasl_auth_enable=no"}
        options = host.run("postconf -P smtps/inet").stdout.splitlines()
        assert "smtps/inet/smtpd_client_connection_count_limit = 7" in options
        assert "smtps/inet/smtpd_etrn_restrictions = reject" in options
        assert "  # our filter; do not remove!" in _lines(host, MASTER_CF)
        assert before[host.name, HOOK] <= _lines(host, HOOK)
        assert (host.root / HOOK.lstrip("/")).stat().st_mode & 0o111 == 0o111
        subject = f"messy {uuid.uuid4()}"
        mail.send(host, lab.ca, subject)
        mail.delivered(host, subject)
    again = succeed(deploy(stock))
    assert [again.changed(host) for host in stock] == [0, 0], again.output


def _lines(host: LabHost, path: str) -> set[str]:
    return set((host.root / path.lstrip("/")).read_text().splitlines())
