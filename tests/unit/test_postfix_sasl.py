"""SASL through Dovecot, planned on looks at real hosts."""

import pytest

from operations import postfix_sasl
from smtp_auth.facts.look import Look
from smtp_auth.services.postfix.logins import offered_on_port_25
from tests.unit.scenarios import RELEASES, Part, lines_of, stock, wanted, with_main_cf, with_master_cf

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


def with_option(value: str, service: str = "smtp inet n - y - - smtpd") -> Look:
    """A host whose port 25 has this value of smtpd_sasl_auth_enable in master.cf."""
    return with_master_cf(stock("3.10.5"), f"{service} -v -o smtpd_sasl_auth_enable={value}\n")


@pytest.mark.parametrize("service", ["smtp inet n - y - - smtpd", "smtpd pass - - y - - smtpd"])
def test_an_option_that_offers_logins_on_port_25_is_switched_off(service: str) -> None:
    part = Part(with_option("yes", service), wanted(smtp_auth_on_port_25=False), postfix_sasl.STEP)
    assert part.master_cf == f"{service} -v -o smtpd_sasl_auth_enable=no\n"
    name = "/".join(service.split()[:2])
    assert f"{name}/smtpd_sasl_auth_enable = no" in part.postconf


def test_another_service_keeps_its_logins() -> None:
    look = with_option("yes", "submission inet n - y - - smtpd")
    part = Part(look, wanted(smtp_auth_on_port_25=False), postfix_sasl.STEP)
    assert part.master_cf == look.master_cf.content


@pytest.mark.parametrize("asked", [None, True])
def test_an_owners_option_against_logins_stays_and_is_named(asked: bool | None) -> None:
    look = with_option("no")
    part = Part(look, wanted(smtp_auth_on_port_25=asked), postfix_sasl.STEP)
    assert part.master_cf == look.master_cf.content
    assert part.shown[0].startswith("smtp keeps its smtpd_sasl_auth_enable=no in master.cf")


@pytest.mark.parametrize(
    ("look", "asked", "offered"),
    [
        (stock("3.10.5"), None, True),
        (stock("3.10.5"), True, True),
        (stock("3.10.5"), False, False),
        (with_option("no"), None, False),
        (with_option("yes"), False, False),
        (with_master_cf(stock("3.10.5"), ""), None, False),
    ],
)
def test_it_is_known_whether_port_25_offers_logins(look: Look, asked: bool | None, offered: bool) -> None:
    assert offered_on_port_25(wanted(smtp_auth_on_port_25=asked), look) == {offered}


def test_each_service_of_port_25_that_other_hosts_reach_counts() -> None:
    outer = "192.0.2.25:smtp inet n - y - - smtpd"
    local = "127.0.0.1:smtp inet n - y - - smtpd"
    other = "192.0.2.26:smtp inet n - y - - smtpd"
    apart = with_option("No", outer)
    assert offered_on_port_25(wanted(), _with_service(apart, local)) == {False}
    assert offered_on_port_25(wanted(), _with_service(apart, other)) == {False, True}


def _with_service(look: Look, stanza: str) -> Look:
    return with_master_cf(look, f"{look.master_cf.content}{stanza}\n")


@pytest.mark.parametrize(
    ("option", "present", "added"),
    [
        ("", "Yes", "  -o smtpd_sasl_auth_enable=yes\n"),
        ("", "no", ""),
        (" -o smtpd_sasl_auth_enable=YES", "yes", ""),
    ],
)
def test_a_service_keeps_the_logins_that_it_takes_from_main_cf(option: str, present: str, added: str) -> None:
    look = with_main_cf(stock("3.10.5"), f"smtpd_sasl_auth_enable = {present}\n")
    look = with_master_cf(look, f"submission inet n - y - - smtpd{option}\n")
    part = Part(look, wanted(smtp_auth_on_port_25=False), postfix_sasl.STEP)
    assert part.master_cf == f"{look.master_cf.content}{added}"
