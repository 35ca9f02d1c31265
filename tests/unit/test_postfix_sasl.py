"""SASL through Dovecot, planned on looks at real hosts."""

import pytest

from operations import postfix_sasl
from tests.unit.scenarios import RELEASES, Part, lines_of, stock, wanted, with_main_cf

SASL = {
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "private/auth",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_tls_auth_only": "yes",
}


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_host_asks_dovecot(version: str) -> None:
    part = Part(stock(version), wanted(), postfix_sasl.STEP)
    cyrus = "cyrus_sasl_config_path = /etc/postfix/sasl"
    # Debian 12's main.cf does not set it.
    gone = [f"-{cyrus}", f"+#{cyrus}"] if version.startswith("3.10") else []
    assert part.changes == [*gone, *lines_of(SASL)]


@pytest.mark.parametrize("version", RELEASES)
def test_a_second_run_changes_nothing(version: str) -> None:
    part = Part(stock(version), wanted(), postfix_sasl.STEP)
    part = Part(with_main_cf(stock(version), part.main_cf), wanted(), postfix_sasl.STEP)
    assert (part.plan.is_empty, part.shown) == (True, [])


def test_logins_can_be_kept_off_port_25() -> None:
    look = with_main_cf(stock("3.10.5"), "smtpd_sasl_auth_enable=yes\n")
    part = Part(look, wanted(smtp_auth_on_port_25=False), postfix_sasl.STEP)
    changed = part.changes.index("-smtpd_sasl_auth_enable=yes")
    assert part.changes[changed + 1] == "+smtpd_sasl_auth_enable=no"


def test_a_default_that_is_as_wanted_is_not_written() -> None:
    part = Part(stock("3.10.5"), wanted(smtp_auth_on_port_25=False), postfix_sasl.STEP)
    assert "smtpd_sasl_auth_enable" not in part.main_cf
    assert "smtpd_sasl_auth_enable = no" in part.postconf


def test_cyrus_is_commented_out_over_all_its_lines() -> None:
    part = Part(
        with_main_cf(stock("3.7.11"), "cyrus_sasl_config_path =\n  /a:\n# b\n  /c\n"),
        wanted(),
        postfix_sasl.STEP,
    )
    assert part.main_cf.startswith("#cyrus_sasl_config_path =\n#  /a:\n# b\n#  /c\n")
