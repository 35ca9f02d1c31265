"""A removal keeps what an owner has edited between two deploys."""

import re
import smtplib
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lab.host import LabHost
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import set_options, submissions_services
from tests.fleet.authority import Authority
from tests.fleet.deploying import Run, deploy, side_by_side, succeed
from tests.fleet.test_undo import REMOVE, UNDO, effective, files, program
from tests.unit.histories import OWNERS_465, OWNERS_587

UNVERIFIED = ssl._create_unverified_context()

MASTER_CF, MAIN_CF = "etc/postfix/master.cf", "etc/postfix/main.cf"
HOOK = "etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
DROPIN = "etc/dovecot/conf.d/99-postfix-smtp-auth.conf"

# The data of the second deploy. It differs from the first, so that the deploy changes something.
FURTHER: dict[str, Any] = {
    "submissions_options": {"smtpd_hard_error_limit": "3"},
    "certbot_reload_services": ["postfix", "dovecot"],
}


def rewrite(host: LabHost, path: str, how: Callable[[str], str]) -> None:
    """An edit of the owner: change a file, and reload Postfix."""
    file = host.root / path
    before = file.read_text()
    file.write_text(how(before))
    assert file.read_text() != before
    host.run("systemctl reload postfix")


def deploy_edit_deploy_remove(hosts: Sequence[LabHost], edit: Callable[[LabHost], object]) -> Run:
    """Deploy, edit each host as its owner, deploy again, and remove. Returns the run of the removal."""
    succeed(deploy(hosts))
    side_by_side(edit, hosts)
    succeed(deploy(hosts, data=FURTHER))
    return succeed(program(hosts, REMOVE, "-y", "--diff"))


def options_on_465(host: LabHost) -> dict[str, dict[str, str]]:
    """The services on port 465 by their names, to their options."""
    found = submissions_services((host.root / MASTER_CF).read_text())
    return {service.name: service.effective_options for service in found}


def test_lines_that_an_owner_appended_to_the_hook_stay(stock: list[LabHost]) -> None:
    deploy_edit_deploy_remove(stock, lambda host: rewrite(host, HOOK, lambda text: text + "logger renewed\n"))
    assert [(host.root / HOOK).read_text() for host in stock] == ["#!/bin/sh\nlogger renewed\n"] * 2


def test_a_service_by_which_an_owner_replaced_ours_stays_and_serves(stock: list[LabHost]) -> None:
    def replace(text: str) -> str:
        [ours] = submissions_services(text)
        return text[: ours.start] + OWNERS_465 + text[ours.end :]

    done = deploy_edit_deploy_remove(stock, lambda host: rewrite(host, MASTER_CF, replace))
    [theirs] = submissions_services(OWNERS_465)
    for host in stock:
        assert options_on_465(host) == {"smtps": theirs.effective_options}
        with smtplib.SMTP_SSL(host.address, timeout=180, context=UNVERIFIED) as client:
            client.ehlo()
            assert client.has_extn("auth")
        lines = done.lines_of(host)
        [told] = [line for line in lines if "smtps/inet stays, because its owner has set it up" in line]
        assert "smtpd_sasl_path" in told
        assert f"/{DROPIN}" in told


def test_options_that_an_owner_added_to_their_service_stay(stock: list[LabHost]) -> None:
    adopted = "smtps inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    side_by_side(lambda host: rewrite(host, MASTER_CF, lambda text: text + adopted), stock)
    added = {"smtps/inet": {"smtpd_milters": "inet:127.0.0.1:9", "milter_default_action": "accept"}}
    deploy_edit_deploy_remove(
        stock, lambda host: rewrite(host, MASTER_CF, lambda text: set_options(text, added))
    )
    for host in stock:
        assert options_on_465(host) == {"smtps": {"smtpd_tls_wrappermode": "yes", **added["smtps/inet"]}}


def test_values_that_an_owner_has_set_stay(stock: list[LabHost]) -> None:
    theirs = {
        "smtpd_tls_security_level": "encrypt",
        "mua_client_restrictions": "permit_sasl_authenticated, check_client_access static:DUNNO, reject",
        # The next deploy overwrites this value.
        "smtpd_tls_auth_only": "no",
    }
    words = " ".join(f"'{name}={value}'" for name, value in theirs.items())
    done = deploy_edit_deploy_remove(
        stock, lambda host: host.run(f"postconf -e {words} && systemctl reload postfix")
    )
    for host in stock:
        left = defined_parameters((host.root / MAIN_CF).read_text())
        assert {name: left.get(name) for name in theirs} == theirs
        assert any("mua_client_restrictions = permit" in line for line in done.lines_of(host))
        assert "smtpd_sasl_type" not in left


def test_what_was_set_up_by_hand_after_a_removal_is_first_seen(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    succeed(program(stock, REMOVE))
    by_hand = "postconf -e smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth smtpd_tls_auth_only=yes"
    side_by_side(lambda host: host.run(by_hand), stock)
    side_by_side(lambda host: rewrite(host, MASTER_CF, lambda text: text + OWNERS_465), stock)
    first, read = [files(host) for host in stock], [effective(host) for host in stock]
    succeed(deploy(stock))
    succeed(program(stock, REMOVE))
    assert [files(host) for host in stock] == first
    assert [effective(host) for host in stock] == read


def test_our_own_file_below_a_linked_directory_is_deleted(stock: list[LabHost]) -> None:
    side_by_side(
        lambda host: host.run("mv /etc/dovecot/conf.d /srv/conf.d && ln -s /srv/conf.d /etc/dovecot/conf.d"),
        stock,
    )
    succeed(deploy(stock))
    succeed(deploy(stock, data=FURTHER))
    assert all((host.root / "srv/conf.d" / DROPIN.rpartition("/")[2]).exists() for host in stock)
    succeed(program(stock, REMOVE))
    assert not any((host.root / "srv/conf.d" / DROPIN.rpartition("/")[2]).exists() for host in stock)


def test_a_service_of_ours_under_another_name_is_ours(stock: list[LabHost]) -> None:
    first = [effective(host) for host in stock]

    def rename(text: str) -> str:
        return re.sub("^submissions inet", "smtps inet", text, flags=re.MULTILINE)

    deploy_edit_deploy_remove(stock, lambda host: rewrite(host, MASTER_CF, rename))
    assert [effective(host) for host in stock] == first


def test_what_a_service_on_587_needs_stays_and_an_undo_is_refused(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    side_by_side(lambda host: rewrite(host, MASTER_CF, lambda text: text + OWNERS_587), stock)
    undone = program(stock, UNDO)
    assert undone.status == 1
    assert undone.output.count("an undo would break 587/inet in /etc/postfix/master.cf") >= 2
    done = succeed(program(stock, REMOVE, "-y", "--diff"))
    for host in stock:
        assert options_on_465(host) == {}
        lines = done.lines_of(host)
        assert any(
            "587/inet stays, because its owner has set it up or changed it since" in line for line in lines
        )
        with smtplib.SMTP(host.address, 587, timeout=180) as client:
            client.starttls(context=UNVERIFIED)
            client.ehlo()
            assert client.has_extn("auth")


def _without(host: LabHost, name: str) -> None:
    (host.root / "etc/postfix" / name).unlink()


def _expired(host: LabHost) -> None:
    for name, text in Authority().lineage(host.name, days=-1).items():
        (host.root / "etc/postfix" / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda host: _without(host, "fullchain.pem"), "/etc/postfix/fullchain.pem does not exist"),
        (lambda host: _without(host, "privkey.pem"), "/etc/postfix/privkey.pem does not exist"),
        (_expired, "the certificate in /etc/postfix/fullchain.pem has expired"),
    ],
    ids=["no certificate", "no key", "expired"],
)
def test_a_certificate_that_is_gone_is_not_restored(
    stock: list[LabHost], spoil: Callable[[LabHost], None], said: str
) -> None:
    own = Authority()
    for host in stock:
        for name, text in own.lineage(host.name).items():
            (host.root / "etc/postfix" / name).write_text(text)
        host.run(
            "postconf -e smtpd_tls_cert_file='$config_directory/fullchain.pem' "
            "smtpd_tls_key_file='$config_directory/privkey.pem' && systemctl reload postfix"
        )
    succeed(deploy(stock))
    side_by_side(spoil, stock)
    before = [files(host) for host in stock]
    for name in (UNDO, REMOVE):
        done = program(stock, name, "--dry", "--diff")
        assert done.status == 1
        assert done.output.count(said) >= len(stock)
    assert [files(host) for host in stock] == before


def test_what_the_data_no_longer_asks_for_is_given_back_and_the_preview_says_so(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    first = [effective(host) for host in stock]
    asked = {**FURTHER, "tls_minimum_version": "TLSv1.3", "smtpd_tls_security_level": "encrypt"}
    succeed(deploy(stock, data=asked))
    preview = succeed(deploy(stock, "--dry", "--diff"))
    for host in stock:
        assert any("nothing asks for it any more" in line for line in preview.lines_of(host))
    succeed(deploy(stock))
    assert [effective(host) for host in stock] == first
    assert "2 unchanged" in succeed(deploy(stock)).output


def test_the_ledger_and_the_copies_are_for_root_alone(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    for host in stock:
        readable = host.run(
            "setpriv --reuid=nobody --clear-groups find /var/lib/smtp-auth -type f 2>&1; "
            "find /var/lib/smtp-auth -maxdepth 1 -perm /077"
        ).stdout
        assert "Permission denied" in readable
        assert not any(line.startswith("/") for line in readable.splitlines())
