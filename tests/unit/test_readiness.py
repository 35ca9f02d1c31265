"""What keeps a host from being deployed to is said in one sentence that names the way out."""

import re
from dataclasses import replace
from typing import Any

import pytest

from facts.mail_host import Look
from operations.readiness import obstacles, parameters
from tests.unit.scenarios import RELEASES, stock, wanted, with_main_cf, with_master_cf

ALL = frozenset({"postconf", "doveconf", "systemctl", "openssl", "flock", "certbot"})


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_host_is_ready(version: str) -> None:
    assert list(obstacles(wanted(), stock(version))) == []


def without(*commands: str) -> dict[str, Any]:
    return {"commands": ALL - set(commands)}


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ({"uid": 1000}, ["not root: .*_sudo to True"]),
        (without("postconf"), ["Postfix is not installed .*: install it"]),
        (without("doveconf"), ["Dovecot is not installed .*: install it"]),
        (without("postconf", "doveconf"), ["Postfix is not", "Dovecot is not"]),
        (without("flock", "openssl"), ["program openssl is missing", "program flock is missing"]),
        (without("certbot"), []),
        ({"postfix_reloaded": None}, ["Postfix is not running: start it"]),
        ({"dovecot_running": False}, ["Dovecot is not running: start it"]),
        ({"dovecot_version": None}, ["Dovecot's configuration has an error: doveconf -n"]),
        ({"listening": frozenset({25, 465})}, ["port 465 is held by another program"]),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], sentences: list[str]) -> None:
    assert_said(replace(stock("3.10.5"), **change), sentences)


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("smtp inet n - y\n", ["master.cf has a broken line, mend it first: .*'smtp inet n - y'"]),
        ("submissions inet n - y - - smtpd\n", []),
        ("smtps inet n - y - - spawn user=x argv=/x\n", ["held by smtps/inet, which runs spawn"]),
        ("127.0.0.1:submissions inet n - y - - smtpd\n", ["bound to loopback .127.0.0.1:submissions in"]),
        ("[::1]:465 inet n - y - - smtpd\n127.0.0.1:smtps inet n - y - - smtpd\n", ["bound to loopback"]),
        ("127.0.0.1:smtps inet n - y - - smtpd\n192.0.2.1:465 inet n - y - - smtpd\n", []),
    ],
)
def test_master_cf_can_stand_in_the_way(line: str, sentences: list[str]) -> None:
    look = stock("3.10.5")
    assert_said(with_master_cf(look, (look.master_cf.content or "") + line), sentences)


@pytest.mark.parametrize(
    ("interfaces", "sentences"),
    [
        ("loopback-only", ["inet_interfaces = loopback-only"]),
        ("127.0.0.1, [::1]", ["inet_interfaces = 127"]),
        ("all", []),
        ("192.0.2.1, localhost", []),
    ],
)
def test_a_service_that_nobody_reaches_is_no_result(interfaces: str, sentences: list[str]) -> None:
    assert_said(with_main_cf(stock("3.7.11"), f"inet_interfaces = {interfaces}\n"), sentences)


@pytest.mark.parametrize("name", ["main_cf", "master_cf"])
def test_a_file_that_is_gone_is_named(name: str) -> None:
    look = stock("3.10.5")
    file = replace(getattr(look, name), content=None)
    assert_said(replace(look, **{name: file}), [f"{file.path} is missing"])


def test_a_configuration_that_postconf_cannot_read_is_named_first() -> None:
    look = replace(stock("3.10.5"), parameters={}, postfix_reloaded=None)
    assert_said(look, ["Postfix's configuration has an error: postconf -n"])
    assert_said(with_master_cf(look, "broken\n"), ["master.cf has a broken line"])


def test_the_certificates_obstacles_come_too() -> None:
    look = stock("3.10.5")
    [lineage] = look.certificates.values()
    gone = {"example.jp": replace(lineage, chain=None)}
    assert_said(replace(look, certificates=gone), ["no certificate for example.jp"])


def test_the_look_asks_for_every_parameter_once() -> None:
    asked = parameters(wanted(submissions_options={"smtpd_milters": "x", "smtpd_tls_wrappermode": "yes"}))
    assert len(set(asked)) == len(asked)
    assert {"smtpd_milters", "smtpd_tls_cert_file", "inet_interfaces"} <= set(asked)


def assert_said(look: Look, patterns: list[str]) -> None:
    said = list(obstacles(wanted(), look))
    assert len(said) == len(patterns), said
    for sentence, pattern in zip(said, patterns, strict=True):
        assert re.search(pattern, sentence), sentence
