"""SMTP TLS, planned on looks at real hosts."""

from dataclasses import replace

import pytest

from operations import postfix_tls
from tests.unit.scenarios import LIVE, RELEASES, Part, stock, wanted, with_main_cf, with_master_cf

FULLCHAIN = f"{LIVE}/example.jp/fullchain.pem"
PRIVKEY = f"{LIVE}/example.jp/privkey.pem"


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_host_gets_the_certificate_and_the_floor(version: str) -> None:
    part = Part(stock(version), wanted(), postfix_tls.STEP)
    spelling = " = " if version.startswith("3.10") else "="
    assert set(part.changes) == {
        f"-smtpd_tls_cert_file{spelling}/etc/ssl/certs/ssl-cert-snakeoil.pem",
        f"-smtpd_tls_key_file{spelling}/etc/ssl/private/ssl-cert-snakeoil.key",
        f"+smtpd_tls_cert_file{spelling}{FULLCHAIN}",
        f"+smtpd_tls_key_file{spelling}{PRIVKEY}",
        "+smtpd_tls_mandatory_protocols = >=TLSv1.2",
    }
    assert f"smtpd_tls_cert_file = {FULLCHAIN}" in part.postconf


@pytest.mark.parametrize("version", RELEASES)
def test_a_second_run_changes_nothing(version: str) -> None:
    part = Part(stock(version), wanted(), postfix_tls.STEP)
    part = Part(with_main_cf(stock(version), part.main_cf), wanted(), postfix_tls.STEP)
    assert (part.plan.is_empty, part.shown) == (True, [])


def test_a_value_that_means_the_same_stays_as_it_is_written() -> None:
    """`postconf -x` expands the owner's `$mydomain`, so the look has the expanded value."""
    written = "smtpd_tls_cert_file = /etc/letsencrypt/live/$mydomain/fullchain.pem\n"
    look = with_main_cf(stock("3.10.5"), written)
    look = replace(look, parameters={**look.parameters, "smtpd_tls_cert_file": FULLCHAIN})
    part = Part(look, wanted(), postfix_tls.STEP)
    assert written in part.main_cf


@pytest.mark.parametrize("level", ["none", "may", "encrypt"])
def test_the_level_of_port_25_is_that_of_the_data(level: str) -> None:
    part = Part(stock("3.7.11"), wanted(smtpd_tls_security_level=level), postfix_tls.STEP)
    assert f"\nsmtpd_tls_security_level={level}\n" in part.main_cf


@pytest.mark.parametrize(
    ("present", "floor", "line"),
    [
        (">=TLSv1", "TLSv1.2", ">=TLSv1.2"),
        ("!SSLv2, !SSLv3", "TLSv1.2", ">=TLSv1.2"),
        ("", "TLSv1.2", ">=TLSv1.2"),
        ("TLSv1.1 TLSv1.2", "TLSv1.2", ">=TLSv1.2"),
        (">=TLSv1.2", "TLSv1.3", ">=TLSv1.3"),
        ("<=TLSv1.1", "TLSv1.2", ">=TLSv1.2"),
        # What is as strict, or stricter, stays.
        (">=TLSv1.3", "TLSv1.2", None),
        ("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", "TLSv1.2", None),
        ("TLSv1.2, TLSv1.3", "TLSv1.2", None),
        ("TLSv1.3", "TLSv1.3", None),
        ("!SSLv2:!SSLv3:!TLSv1:!TLSv1.1:!TLSv1.2", "TLSv1.3", None),
    ],
)
def test_the_floor_is_a_floor(present: str, floor: str, line: str | None) -> None:
    look = with_main_cf(stock("3.10.5"), f"smtpd_tls_mandatory_protocols = {present}\n")
    part = Part(look, wanted(tls_minimum_version=floor), postfix_tls.STEP)
    found = [shown for shown in part.changes if shown.startswith("+smtpd_tls_mandatory_protocols")]
    assert found == ([f"+smtpd_tls_mandatory_protocols = {line}"] if line else [])


@pytest.mark.parametrize(
    ("version", "floor", "written"),
    [
        ("3.6.0", "TLSv1.2", ">=TLSv1.2"),
        ("3.5.25", "TLSv1.2", "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"),
        ("3.4.0", "TLSv1.3", "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1, !TLSv1.2"),
    ],
)
def test_the_floor_is_in_the_hosts_syntax(version: str, floor: str, written: str) -> None:
    look = stock("3.7.11")
    look = replace(look, parameters={**look.parameters, "mail_version": version})
    part = Part(look, wanted(tls_minimum_version=floor), postfix_tls.STEP)
    assert f"+smtpd_tls_mandatory_protocols = {written}" in part.changes


def test_another_certificate_that_would_be_served_is_commented_out() -> None:
    look = stock("3.10.5")
    more = "smtpd_tls_eccert_file = /x\n  # why\nsmtpd_tls_chain_files =\n   /y,\n   /z\n"
    part = Part(with_main_cf(look, (look.main_cf.content or "") + more), wanted(), postfix_tls.STEP)
    assert "#smtpd_tls_eccert_file = /x\n  # why\n#smtpd_tls_chain_files =\n#   /y,\n#   /z\n" in part.main_cf


@pytest.mark.parametrize(
    ("present", "enforced", "level"),
    [
        ("", "no", "may"),
        ("none", "no", "may"),
        ("may", "yes", "may"),
        ("encrypt", "no", "encrypt"),
        ("", "yes", "encrypt"),
        ("verify", "no", "verify"),
    ],
)
def test_without_a_level_in_the_data_a_stricter_host_stays_stricter(
    present: str, enforced: str, level: str
) -> None:
    look = with_main_cf(
        stock("3.7.11"), f"smtpd_tls_security_level = {present}\nsmtpd_enforce_tls = {enforced}\n"
    )
    part = Part(look, wanted(), postfix_tls.STEP)
    assert f"smtpd_tls_security_level = {level}" in part.postconf


@pytest.mark.parametrize(
    ("asked", "option", "level"),
    [
        (None, "none", "may"),
        (None, "encrypt", "encrypt"),
        ("may", "encrypt", "may"),
        ("encrypt", "may", "encrypt"),
    ],
)
def test_the_level_holds_for_the_service_of_port_25(asked: str | None, option: str, level: str) -> None:
    master = f"smtp inet n - y - - smtpd -o smtpd_tls_security_level={option}\n"
    part = Part(
        with_master_cf(stock("3.10.5"), master), wanted(smtpd_tls_security_level=asked), postfix_tls.STEP
    )
    assert f"-o smtpd_tls_security_level={level}\n" in part.master_cf
    assert f"smtp/inet/smtpd_tls_security_level = {level}" in part.postconf
