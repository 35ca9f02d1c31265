"""The submissions service, planned on looks at real hosts."""

from dataclasses import replace

import pytest

from operations import submissions_service
from smtp_auth.postfix.master_cf import submissions_services
from smtp_auth.services.postfix.guide_options import GUIDE_OPTIONS, SAFE_RESTRICTIONS
from tests.unit.scenarios import RELEASES, Part, lines_of, stock, wanted, with_main_cf, with_master_cf

SASL_ONLY = ["permit_sasl_authenticated", "reject"]
OWN_STANZA = (
    "465 inet n - n - 50 smtpd -v\n  -o smtpd_sasl_auth_enable=no\n# ours\n  -o smtpd_milters=inet:1\n"
)


def written(version: str) -> dict[str, str]:
    """The guide's options that this Postfix knows."""
    hidden = {} if version.startswith("3.10") else {"smtpd_hide_client_session"}
    return {name: value for name, value in GUIDE_OPTIONS.items() if name not in hidden}


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_host_gets_the_guides_service(version: str) -> None:
    part = Part(stock(version), wanted(), submissions_service.STEP)
    assert part.changes == [
        *lines_of(SAFE_RESTRICTIONS),
        "+submissions inet n       -       y       -       -       smtpd",
        *(f"+  -o {name}={value}" for name, value in written(version).items()),
    ]
    assert part.shown[0] == (
        "/etc/postfix/main.cf"
        if version.startswith("3.10")
        else f"smtpd_hide_client_session is not written, because Postfix {version} does not have it"
    )
    assert part.postconf == [
        *(f"submissions/inet/{name} = {value}" for name, value in written(version).items()),
        *(line.removeprefix("+") for line in lines_of(SAFE_RESTRICTIONS)),
    ]


@pytest.mark.parametrize("version", RELEASES)
def test_a_second_run_changes_nothing(version: str) -> None:
    look, settings = stock(version), wanted()
    part = Part(look, settings, submissions_service.STEP)
    after = with_master_cf(with_main_cf(look, part.main_cf), part.master_cf)
    part = Part(after, settings, submissions_service.STEP)
    assert (part.plan.is_empty, part.changes) == (True, [])


def test_an_option_came_with_a_patch_release() -> None:
    look = stock("3.7.11")
    older = {k: v for k, v in look.parameters.items() if k != "smtpd_forbid_unauth_pipelining"}
    part = Part(
        replace(look, parameters={**older, "mail_version": "3.7.5"}), wanted(), submissions_service.STEP
    )
    assert (
        "smtpd_forbid_unauth_pipelining is not written, because Postfix 3.7.5 does not have it" in part.shown
    )
    assert not any("pipelining" in line for line in part.master_cf.splitlines() if line[0:1] == " ")


@pytest.mark.parametrize("version", RELEASES)
def test_the_service_that_holds_the_port_keeps_what_it_has(version: str) -> None:
    look = stock(version)
    part = Part(
        with_master_cf(look, (look.master_cf.content or "") + OWN_STANZA), wanted(), submissions_service.STEP
    )
    [found] = submissions_services(part.master_cf)
    assert found.effective_options == {"smtpd_milters": "inet:1", **written(version)}
    gone = [line for line in part.changes if line.startswith("-")]
    assert gone == ["-  -o smtpd_sasl_auth_enable=no"]
    assert "465/inet/smtpd_sasl_auth_enable = yes" in part.postconf


def test_what_postconf_misreads_is_not_asked_of_it() -> None:
    look = stock("3.10.5")
    stanza = "submissions inet n - y - - smtpd\n  -osmtpd_tls_wrappermode=yes\n"
    part = Part(
        with_master_cf(look, (look.master_cf.content or "") + stanza), wanted(), submissions_service.STEP
    )
    assert "  -osmtpd_tls_wrappermode=yes\n" in part.master_cf
    assert not [line for line in part.postconf if "wrappermode" in line]


@pytest.mark.parametrize("version", RELEASES)
def test_own_options_win_add_and_remove(version: str) -> None:
    options = {"syslog_name": None, "local_header_rewrite_clients": "", "smtpd_milters": "inet:a:1, inet:b:2"}
    part = Part(stock(version), wanted(submissions_options=options), submissions_service.STEP)
    [found] = submissions_services(part.master_cf)
    assert found.effective_options == {
        name: value for name, value in {**written(version), **options}.items() if value is not None
    }
    assert "  -o { smtpd_milters = inet:a:1, inet:b:2 }\n" in part.master_cf


def test_what_the_host_defines_is_read_again_where_the_service_refers_to_it() -> None:
    """postconf knows a parameter of the user's own only if something refers to it."""
    look = with_main_cf(stock("3.10.5"), "mua_helo_restrictions = permit\nmua_client_restrictions = permit\n")
    options = {"smtpd_client_restrictions": "permit"}
    part = Part(look, wanted(submissions_options=options), submissions_service.STEP)
    assert "mua_helo_restrictions = permit" in part.postconf
    assert not [line for line in part.postconf if line.startswith("mua_client_restrictions")]


def test_an_owners_restriction_that_refers_to_another_is_not_compared() -> None:
    main = "mua_relay_restrictions = $mua_client_restrictions\nmua_client_restrictions = reject\n"
    look = with_main_cf(stock("3.10.5"), main)
    look = replace(look, parameters={**look.parameters, "mua_relay_restrictions": "reject"})
    part = Part(look, wanted(mua_client_restrictions=["permit_mynetworks"]), submissions_service.STEP)
    assert not [line for line in part.postconf if line.startswith("mua_relay_restrictions")]
    assert "mua_client_restrictions = permit_mynetworks" in part.postconf


def test_an_owners_bytes_are_not_compared() -> None:
    look = with_main_cf(stock("3.10.5"), "mua_helo_restrictions = check_helo_access hash:/etc/caf\xe9\n")
    part = Part(look, wanted(), submissions_service.STEP)
    assert not [line for line in part.postconf if line.startswith("mua_helo_restrictions")]
    assert "mua_client_restrictions = permit_sasl_authenticated, reject" in part.postconf


def test_a_parameter_of_the_hosts_own_is_known() -> None:
    look = stock("3.10.5")
    options = {"own_parameter": "x"}
    part = Part(
        with_main_cf(look, "own_parameter =\n"), wanted(submissions_options=options), submissions_service.STEP
    )
    assert "  -o own_parameter=x\n" in part.master_cf


@pytest.mark.parametrize(
    ("present", "asked", "line"),
    [
        ("", None, "+mua_sender_restrictions ="),
        ("mua_sender_restrictions = permit\n", None, None),
        ("mua_sender_restrictions =\n", None, None),
        ("", SASL_ONLY, "+mua_sender_restrictions = permit_sasl_authenticated, reject"),
        ("mua_sender_restrictions=permit_sasl_authenticated\n  reject\n", SASL_ONLY, None),
        ("mua_sender_restrictions = permit\n", ["permit"], None),
        ("mua_sender_restrictions = permit\n", [], "+mua_sender_restrictions ="),
    ],
)  # fmt: skip
def test_restrictions_are_kept_unless_asked_for(
    present: str, asked: list[str] | None, line: str | None
) -> None:
    look = with_main_cf(stock("3.10.5"), present)
    part = Part(look, wanted(mua_sender_restrictions=asked), submissions_service.STEP)
    found = [shown for shown in part.changes if shown.startswith("+mua_sender_restrictions")]
    assert found == ([line] if line else [])
