"""Which certificates a draft restores."""

from smtp_auth.facts.look import MAIN_CF, MASTER_CF
from smtp_auth.plan.draft import Draft
from smtp_auth.services.postfix.certificate_files import restored_files
from tests.unit.scenarios import stock, wanted

LINEAGE = "/etc/letsencrypt/live/example.jp"


def _draft(main_cf: str, master_cf: str = "") -> Draft:
    draft = Draft(wanted(), stock("3.10.5"))
    draft.write(MAIN_CF, main_cf)
    draft.write(MASTER_CF, master_cf)
    return draft


def test_what_stays_as_it_is_is_not_restored() -> None:
    assert restored_files(Draft(wanted(), stock("3.10.5"))) == ()


def test_a_pair_of_files_and_one_file_for_both() -> None:
    text = (
        "smtpd_tls_cert_file = $config_directory/old.pem\n"
        "smtpd_tls_eccert_file = /ec.pem\nsmtpd_tls_eckey_file = /ec.key\n"
    )
    assert restored_files(_draft(text)) == (
        ("smtpd_tls_cert_file", "/etc/postfix/old.pem", "/etc/postfix/old.pem"),
        ("smtpd_tls_eccert_file", "/ec.pem", "/ec.key"),
    )


def test_each_file_of_a_list() -> None:
    found = restored_files(_draft("smtpd_tls_chain_files = /rsa.pem, /ec.pem\n"))
    assert found == tuple(("smtpd_tls_chain_files", name, name) for name in ("/rsa.pem", "/ec.pem"))


def test_an_option_of_a_service() -> None:
    master = (
        "smtps inet n - y - - smtpd\n  -o smtpd_tls_cert_file=/own.pem\n  -o smtpd_tls_key_file=/own.key\n"
    )
    assert restored_files(_draft("", master)) == (("smtps/inet/smtpd_tls_cert_file", "/own.pem", "/own.key"),)


def test_no_certificate_is_none() -> None:
    assert restored_files(_draft("smtpd_tls_cert_file = none\n")) == ()
