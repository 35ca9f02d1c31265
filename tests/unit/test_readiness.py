"""A host that cannot be deployed to is refused with one sentence that says what to do."""

import re
from dataclasses import replace
from typing import Any

import pytest

from operations import STEPS
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.plan.plan import plan_of
from smtp_auth.plan.step import parameters_asked
from tests.unit.scenarios import (
    RELEASES,
    stock,
    wanted,
    with_file,
    with_lineages,
    with_main_cf,
    with_master_cf,
)

ALL = frozenset({"postconf", "doveconf", "systemctl", "openssl", "certbot"})


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_host_is_ready(version: str) -> None:
    assert plan_of(wanted(), stock(version), STEPS).refusals == ()


def without(*commands: str) -> dict[str, Any]:
    return {"commands": ALL - set(commands)}


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ({"uid": 1000}, ["not root: .*_sudo to True"]),
        (without("postconf"), ["Postfix is not installed .*: install it"]),
        (without("doveconf"), ["Dovecot is not installed .*: install it"]),
        (without("postconf", "doveconf"), ["Postfix is not", "Dovecot is not"]),
        (without("openssl"), ["program openssl is missing"]),
        (without("certbot"), []),
        ({"postfix_reloaded": None}, ["Postfix is not running, so no change could be proved: start it"]),
        ({"dovecot_running": False}, ["Dovecot is not running, so no change could be proved: start it"]),
        ({"dovecot_version": None}, ["Dovecot's configuration has an error: doveconf -n"]),
        ({"listening": frozenset({25, 465})}, ["port 465 is held by another program"]),
        ({"postfix_unit": "postfix@-.service"}, []),
        ({"postfix_unit": "postfix.service", "dovecot_unit": "dovecot.service"}, []),
        (
            {"postfix_unit": "session-4.scope"},
            ["Postfix was not started by systemd .it runs in session-4.scope.*systemctl restart postfix"],
        ),
        ({"postfix_unit": "postfix-own.scope"}, ["Postfix was not started by systemd"]),
        (
            {"postfix_unit": "postfix@-.service", "inactive": frozenset({"postfix"})},
            [
                r"Postfix runs in postfix@-.service, and postfix.service is not active, so .* "
                r"run systemctl disable --now postfix@-.service, then systemctl enable --now postfix$"
            ],
        ),
        # Postfix does not run at all.
        ({"postfix_reloaded": None, "postfix_unit": "", "inactive": frozenset({"postfix"})}, ["not running"]),
        (
            {
                "postfix_unit": "postfix@-.service",
                "inactive": frozenset({"postfix"}),
                "masked": {"postfix": "/etc/systemd/system/postfix.service"},
            },
            [
                r"postfix.service is masked \(/etc/systemd/system/postfix.service\), so systemctl reload "
                "postfix fails, .* run systemctl unmask postfix$"
            ],
        ),
        (
            {
                "dovecot_unit": "dovecot.service",
                "masked": {"dovecot": "/run/systemd/system/dovecot.service"},
            },
            ["dovecot.service is masked .* run systemctl unmask --runtime dovecot$"],
        ),
        (
            {"has_systemd": False, **without("systemctl")},
            ["systemd is not process 1 of this host .* leave it"],
        ),
        ({"dovecot_unit": "ssh.service"}, ["Dovecot was not started by systemd .*run doveadm stop"]),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], sentences: list[str]) -> None:
    assert_said(replace(stock("3.10.5"), **change), sentences)


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        (
            "smtp inet n - y\n",
            ["master.cf has a broken line, which you have to repair first: .*'smtp inet n - y'"],
        ),
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


@pytest.mark.parametrize("file", [MAIN_CF, MASTER_CF])
def test_a_file_that_is_gone_is_named(file: ManagedFile) -> None:
    look = with_file(stock("3.10.5"), file, content=None)
    assert_said(look, [f"{look.files[file.key].path} is missing"])


@pytest.mark.parametrize("version", ["3.12-20260821", "3.10-RC1", "3.10.5"])
def test_a_snapshot_is_a_version(version: str) -> None:
    look = stock("3.10.5")
    assert_said(replace(look, parameters={**look.parameters, "mail_version": version}), [])


@pytest.mark.parametrize("version", ["", "experimental", "v3.10"])
def test_a_version_without_a_number_is_named(version: str) -> None:
    look = stock("3.10.5")
    look = replace(look, parameters={**look.parameters, "mail_version": version})
    assert_said(look, [f"version is '{version}', which does not begin with a number.*upgrade Postfix"])


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
    options = {"smtpd_milters": "x", "smtpd_tls_wrappermode": "yes"}
    asked = parameters_asked(STEPS, wanted(submissions_options=options))
    assert len(set(asked)) == len(asked)
    assert {"smtpd_milters", "smtpd_tls_cert_file", "inet_interfaces"} <= set(asked)


def assert_said(look: Look, patterns: list[str]) -> None:
    said = plan_of(wanted(), look, STEPS).refusals
    assert len(said) == len(patterns), said
    for sentence, pattern in zip(said, patterns, strict=True):
        assert re.search(pattern, sentence), sentence


@pytest.mark.parametrize(
    ("key", "data", "refused"),
    [
        ("hook", {}, True),
        ("dropin", {}, True),
        ("sni", {"additional_domains": ["example.net"]}, True),
        # Nothing is written there.
        ("sni", {}, False),
    ],
)
def test_a_link_that_leads_nowhere_is_named_where_a_file_would_be_written(
    key: str, data: dict[str, Any], refused: bool
) -> None:
    settings = wanted(**data)
    look = with_lineages(stock("3.10.5"), settings)
    odd = replace(look.files[key], odd="a link to /x, which does not exist")
    plan = plan_of(settings, replace(look, files={**look.files, key: odd}), STEPS)
    assert plan.refusals == (
        (f"{odd.path} is {odd.odd}: replace it by a file, or delete it",) if refused else ()
    )
    assert odd not in [file for _, file in plan.managed]


def test_more_services_than_are_compared_with_each_other_are_refused() -> None:
    look = stock("3.10.5")
    lines = "".join(f"192.0.2.1:{port} inet n - n - - smtpd\n" for port in range(10_000, 11_001))
    [sentence] = plan_of(wanted(), with_master_cf(look, f"{look.master_cf.content}{lines}"), STEPS).refusals
    assert "has 1002 services of smtpd, and this program compares each with each" in sentence
    few = "".join(lines.splitlines(keepends=True)[:500])
    assert plan_of(wanted(), with_master_cf(look, f"{look.master_cf.content}{few}"), STEPS).refusals == ()
