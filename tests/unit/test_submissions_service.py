"""The submissions service, planned on looks at real hosts."""

from dataclasses import replace

import pytest

from operations import submissions_service
from operations.submissions_service import GUIDE_OPTIONS, SAFE_RESTRICTIONS
from postfix.master_cf import submissions_services
from tests.unit.scenarios import RELEASES, Plan, lines_of, stock, wanted, with_main_cf, with_master_cf

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
    plan = Plan(stock(version), wanted())
    step = plan.do(submissions_service.service)
    assert step.changes == [
        *lines_of(SAFE_RESTRICTIONS),
        "+submissions inet n       -       y       -       -       smtpd",
        *(f"+  -o {name}={value}" for name, value in written(version).items()),
    ]
    assert step.shown[0] == (
        "/etc/postfix/main.cf"
        if version.startswith("3.10")
        else f"smtpd_hide_client_session is not written: Postfix {version} does not know it"
    )
    assert plan.change.postconf == [
        f"submissions/inet/{name} = {value}" for name, value in written(version).items()
    ]


@pytest.mark.parametrize("version", RELEASES)
def test_a_second_run_changes_nothing(version: str) -> None:
    look, settings = stock(version), wanted()
    plan = Plan(look, settings)
    plan.do(submissions_service.service)
    after = with_master_cf(with_main_cf(look, plan.change.main_cf), plan.change.master_cf)
    step = Plan(after, settings).do(submissions_service.service)
    assert (step.noop, step.changes, step.commands) == ("the submissions service is as wanted", [], [])


def test_an_option_came_with_a_patch_release() -> None:
    look = stock("3.7.11")
    older = {k: v for k, v in look.parameters.items() if k != "smtpd_forbid_unauth_pipelining"}
    plan = Plan(replace(look, parameters={**older, "mail_version": "3.7.5"}), wanted())
    step = plan.do(submissions_service.service)
    assert "smtpd_forbid_unauth_pipelining is not written: Postfix 3.7.5 does not know it" in step.shown
    assert not any("pipelining" in line for line in plan.change.master_cf.splitlines() if line[0:1] == " ")


@pytest.mark.parametrize("version", RELEASES)
def test_the_service_that_holds_the_port_keeps_what_it_has(version: str) -> None:
    look = stock(version)
    plan = Plan(with_master_cf(look, (look.master_cf.content or "") + OWN_STANZA), wanted())
    step = plan.do(submissions_service.service)
    [found] = submissions_services(plan.change.master_cf)
    assert found.effective_options == {"smtpd_milters": "inet:1", **written(version)}
    gone = [line for line in step.changes if line.startswith("-")]
    assert gone == ["-  -o smtpd_sasl_auth_enable=no"]
    assert "465/inet/smtpd_sasl_auth_enable = yes" in plan.change.postconf


def test_what_postconf_misreads_is_not_asked_of_it() -> None:
    look = stock("3.10.5")
    stanza = "submissions inet n - y - - smtpd\n  -osmtpd_tls_wrappermode=yes\n"
    plan = Plan(with_master_cf(look, (look.master_cf.content or "") + stanza), wanted())
    plan.do(submissions_service.service)
    assert "  -osmtpd_tls_wrappermode=yes\n" in plan.change.master_cf
    assert not [line for line in plan.change.postconf if "wrappermode" in line]


@pytest.mark.parametrize("version", RELEASES)
def test_own_options_win_add_and_remove(version: str) -> None:
    options = {"syslog_name": None, "smtpd_sasl_auth_enable": "no", "smtpd_milters": "inet:a:1, inet:b:2"}
    plan = Plan(stock(version), wanted(submissions_options=options))
    plan.do(submissions_service.service)
    [found] = submissions_services(plan.change.master_cf)
    assert found.effective_options == {
        name: value for name, value in {**written(version), **options}.items() if value is not None
    }
    assert "  -o { smtpd_milters = inet:a:1, inet:b:2 }\n" in plan.change.master_cf


def test_a_parameter_of_the_hosts_own_is_known() -> None:
    look = stock("3.10.5")
    options = {"own_parameter": "x", "misspelt_parameter": "x"}
    plan = Plan(with_main_cf(look, "own_parameter =\n"), wanted(submissions_options=options))
    step = plan.do(submissions_service.service)
    assert "  -o own_parameter=x\n" in plan.change.master_cf
    assert "misspelt_parameter is not written: Postfix 3.10.5 does not know it" in step.shown


@pytest.mark.parametrize(
    ("present", "asked", "line"),
    [
        ("", None, "+mua_sender_restrictions ="),
        ("mua_sender_restrictions = permit\n", None, None),
        ("mua_sender_restrictions =\n", None, None),
        ("", SASL_ONLY, "+mua_sender_restrictions = permit_sasl_authenticated, reject"),
        ("mua_sender_restrictions=permit_sasl_authenticated\n  reject\n", SASL_ONLY, None),
        ("mua_sender_restrictions = permit\n", ["reject"], "+mua_sender_restrictions = reject"),
        ("mua_sender_restrictions = permit\n", [], "+mua_sender_restrictions ="),
    ],
)  # fmt: skip
def test_restrictions_are_kept_unless_asked_for(
    present: str, asked: list[str] | None, line: str | None
) -> None:
    look = with_main_cf(stock("3.10.5"), present)
    step = Plan(look, wanted(mua_sender_restrictions=asked)).do(submissions_service.service)
    found = [shown for shown in step.changes if shown.startswith("+mua_sender_restrictions")]
    assert found == ([line] if line else [])
