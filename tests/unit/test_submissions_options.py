"""Which options a service on port 465 gets: what its owner keeps, and what the data promises."""

from dataclasses import replace
from typing import Any

import pytest

from operations import STEPS, submissions_service
from smtp_auth.facts.look import Look
from smtp_auth.plan.plan import plan_of
from smtp_auth.postfix.master_cf import submissions_services
from smtp_auth.services.postfix.guide_options import GUIDE_OPTIONS
from tests.unit.scenarios import Part, stock, wanted, with_main_cf, with_master_cf

LOGIN_ONLY = "permit_sasl_authenticated,reject"
MYNETWORKS_TOO = "permit_mynetworks,permit_sasl_authenticated,reject"


def host(*options: str, main: str = "", master: str = "", **parameters: str) -> Look:
    """A Debian 13 host with the service `smtps` and these options.

    + main, master: further lines of main.cf and master.cf
    + parameters: what Postfix says of parameters that main.cf does not define
    """
    look = stock("3.10.5")
    look = with_main_cf(look, (look.main_cf.content or "") + main)
    service = "".join(f"{line}\n" for line in ("smtps inet n - n - - smtpd", *(f"  -o {o}" for o in options)))
    look = with_master_cf(look, (look.master_cf.content or "") + master + (service if options else ""))
    return replace(look, parameters={**look.parameters, **parameters})


def after(look: Look, **data: Any) -> dict[str, str]:
    """The options of the service afterwards; a second time changes nothing."""
    settings = wanted(**data)
    part = Part(look, settings, submissions_service.STEP)
    [service] = submissions_services(part.master_cf)
    again = Part(
        with_master_cf(with_main_cf(look, part.main_cf), part.master_cf), settings, submissions_service.STEP
    )
    assert (again.plan.is_empty, again.changes) == (True, [])
    return service.effective_options


def refusals(look: Look, **data: Any) -> list[str]:
    return [*submissions_service.STEP.obstacles(wanted(**data), look)]


def shown(look: Look, **data: Any) -> list[str]:
    return Part(look, wanted(**data), submissions_service.STEP).shown


@pytest.mark.parametrize("name", [name for name in GUIDE_OPTIONS if name.endswith("_restrictions")])
def test_an_owners_list_stays_and_is_named(name: str) -> None:
    value = "check_policy_service unix:private/policy, permit_sasl_authenticated, reject"
    look = host(f"{{ {name} = {value} }}")
    assert after(look)[name] == value
    assert f"smtps keeps its {name}: {value}" in shown(look)
    assert refusals(look) == []


@pytest.mark.parametrize("name", [name for name in GUIDE_OPTIONS if name.endswith("_restrictions")])
def test_an_empty_list_gets_the_guides(name: str) -> None:
    assert after(host(f"{name}="))[name] == GUIDE_OPTIONS[name]


def test_a_key_replaces_the_owners_list() -> None:
    found = after(host("smtpd_sender_restrictions=reject"), mua_sender_restrictions=["permit"])
    assert found["smtpd_sender_restrictions"] == "$mua_sender_restrictions"


def test_the_guides_list_in_other_words_is_not_rewritten() -> None:
    look = host("{ smtpd_recipient_restrictions = permit_sasl_authenticated, reject }")
    assert after(look)["smtpd_recipient_restrictions"] == "permit_sasl_authenticated, reject"
    assert not any("keeps" in line for line in shown(look))


def test_a_list_of_main_cf_that_the_service_inherits_stays() -> None:
    owners = "smtpd_sender_login_maps = texthash:/etc/postfix/owners\n"
    look = host("syslog_name=x", main=f"{owners}smtpd_sender_restrictions = reject_sender_login_mismatch\n")
    assert "smtpd_sender_restrictions" not in after(look)
    assert "smtps keeps smtpd_sender_restrictions of main.cf: reject_sender_login_mismatch" in shown(look)


def test_a_list_of_main_cf_that_only_says_who_may_relay_becomes_the_guides() -> None:
    look = host(
        "syslog_name=x", main="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n"
    )
    assert after(look)["smtpd_recipient_restrictions"] == LOGIN_ONLY


def test_a_list_under_which_nobody_can_send_is_refused_or_left_behind() -> None:
    own = "permit_mynetworks, reject"
    (reason,) = refusals(host(f"{{ smtpd_client_restrictions = {own} }}"))
    assert (
        f"smtps on port 465 has smtpd_client_restrictions = {own}, which rejects even clients that have "
        "logged" in reason
    )
    assert "set mua_client_restrictions" in reason
    inherited = "reject_unknown_sender_domain, reject_unauth_destination"
    look = host("syslog_name=x", main=f"smtpd_recipient_restrictions = {inherited}\n")
    assert after(look)["smtpd_recipient_restrictions"] == LOGIN_ONLY
    assert refusals(look) == []


OPEN = [f"smtpd_{what}_restrictions={MYNETWORKS_TOO}" for what in ("client", "relay", "recipient")]


def test_a_service_that_lets_in_others_is_refused_unless_a_key_replaces_a_list() -> None:
    (reason,) = refusals(host(*OPEN))
    assert "smtps on port 465 may accept clients that have not logged in" in reason
    assert "set mua_relay_restrictions" in reason
    assert refusals(host(*OPEN), mua_relay_restrictions=["permit_sasl_authenticated", "reject"]) == []
    assert refusals(host(*OPEN), mua_sender_restrictions=["permit"]) != []
    assert refusals(host(*OPEN[:2])) == []


@pytest.mark.parametrize(
    ("options", "login_only"),
    [
        ((), True),
        (("syslog_name=x",), True),
        (tuple(OPEN), False),
        # Postfix does not check this list if a client sends no HELO.
        ((*OPEN, f"smtpd_helo_restrictions={LOGIN_ONLY}"), False),
        ((*OPEN, f"smtpd_sender_restrictions={LOGIN_ONLY}"), True),
    ],
)
def test_the_proof_asks_whether_a_login_is_needed(options: tuple[str, ...], login_only: bool) -> None:
    plan = Part(host(*options), wanted(), submissions_service.STEP).plan
    assert plan.proof.login_only == login_only


@pytest.mark.parametrize(
    "option",
    [
        "syslog_name=postfix/smtps",
        "smtpd_forbid_unauth_pipelining=yes",
        "local_header_rewrite_clients=",
        "smtpd_reject_unlisted_recipient=yes",
        "milter_macro_daemon_name=OURS",
    ],
)
def test_what_promises_nothing_stays(option: str) -> None:
    name, _, value = option.partition("=")
    assert after(host(option))[name] == value
    assert after(host(option), submissions_options={name: "no"})[name] == "no"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("smtpd_tls_wrappermode=no", "yes"),
        ("smtpd_sasl_auth_enable=no", "yes"),
        ("smtpd_hide_client_session=no", "yes"),
        ("smtpd_sasl_type=cyrus", "dovecot"),
        ("smtpd_sasl_path=smtpd", "private/auth"),
        ("smtpd_tls_mandatory_protocols=!SSLv2,!SSLv3", ">=TLSv1.2"),
        ("smtpd_tls_mandatory_protocols=>=tlsv1.3", ">=tlsv1.3"),
    ],
)
def test_what_the_data_promises_holds(option: str, value: str) -> None:
    assert after(host(option))[option.partition("=")[0]] == value


def test_what_is_asked_for_wins() -> None:
    asked = {"smtpd_tls_mandatory_protocols": ">=TLSv1.1", "smtpd_sasl_path": "inet:[::1]:1"}
    found = after(
        host("smtpd_tls_mandatory_protocols=>=TLSv1", "smtpd_sasl_path=x"), submissions_options=asked
    )
    assert {name: found[name] for name in asked} == asked


@pytest.mark.parametrize(
    ("lines", "column"),
    [
        ("", "y"),
        ("smtp inet n - n - - smtpd\n", "n"),
        ("25 inet n - - - - smtpd\n", "-"),
        ("smtp inet n - y - 1 postscreen\nsmtpd pass - - n - - smtpd\n", "n"),
        ("submission inet n - n - - smtpd\n", "n"),
    ],
)
def test_a_new_service_is_chrooted_as_the_hosts_own_is(lines: str, column: str) -> None:
    look = with_master_cf(stock("3.10.5"), f"pickup unix n - y 60 1 pickup\n{lines}")
    [service] = submissions_services(Part(look, wanted(), submissions_service.STEP).master_cf)
    assert service.chroot == column


def test_a_new_service_binds_senders_to_logins_as_main_cf_does() -> None:
    look = host(
        main="smtpd_sender_restrictions =\n  check_sender_access hash:/x, reject_sender_login_mismatch\n"
    )
    part = Part(look, wanted(), submissions_service.STEP)
    assert "+mua_sender_restrictions = reject_sender_login_mismatch" in part.changes
    asked = Part(look, wanted(mua_sender_restrictions=[]), submissions_service.STEP)
    assert "+mua_sender_restrictions =" in asked.changes


# -- what is asked before a login ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "data", "value"),
    [
        (host(smtpd_delay_reject="no"), {}, "yes"),
        (host("smtpd_delay_reject=no"), {}, "yes"),
        (host("syslog_name=x", smtpd_delay_reject="no"), {"mua_client_restrictions": []}, None),
        (host(smtpd_delay_reject="no"), {"submissions_options": {"smtpd_delay_reject": "no"}}, "no"),
        (host(), {}, None),
        (host("smtpd_delay_reject=yes", smtpd_delay_reject="no"), {}, "yes"),
    ],
)
def test_lists_that_ask_for_a_login_are_asked_after_it(
    look: Look, data: dict[str, Any], value: str | None
) -> None:
    assert after(look, **data).get("smtpd_delay_reject") == value


CLIENTS_CERTIFICATE, PROXY = "smtpd_tls_req_ccert", "smtpd_upstream_proxy_protocol"


@pytest.mark.parametrize(
    ("look", "refused"),
    [
        (host(**{CLIENTS_CERTIFICATE: "yes"}), True),
        (host(f"{CLIENTS_CERTIFICATE}=yes"), True),
        (host(f"{CLIENTS_CERTIFICATE}=no", **{CLIENTS_CERTIFICATE: "yes"}), False),
    ],
)
def test_a_change_that_nobody_can_prove_is_refused(look: Look, refused: bool) -> None:
    found = plan_of(wanted(), look, STEPS).refusals
    assert [f"on port 465 has {CLIENTS_CERTIFICATE} = yes" in reason for reason in found] == [True] * refused
    assert plan_of(wanted(submissions_options={CLIENTS_CERTIFICATE: "no"}), look, STEPS).refusals == ()


def test_a_host_that_needs_no_change_needs_no_proof() -> None:
    plan = Part(host(), wanted(), *STEPS)
    done = with_master_cf(with_main_cf(host(), plan.main_cf), plan.master_cf)
    closed = replace(done, parameters={**done.parameters, CLIENTS_CERTIFICATE: "yes"})
    settings = wanted(smtpd_tls_security_level="may")
    found = plan_of(settings, closed, (submissions_service.STEP,))
    assert (found.is_empty, found.refusals) == (True, ())
    assert found.proof.unprovable != ()


@pytest.mark.parametrize(
    ("look", "data", "proxied"),
    [
        (host(**{PROXY: "haproxy"}), {}, True),
        (host(f"{PROXY}=haproxy"), {}, True),
        (host(f"{PROXY}=", **{PROXY: "haproxy"}), {}, False),
        (host(**{PROXY: "haproxy"}), {"submissions_options": {PROXY: ""}}, False),
        (host(), {}, False),
    ],
)
def test_behind_a_proxy_the_proof_is_a_proxys_client(look: Look, data: dict[str, Any], proxied: bool) -> None:
    part = Part(look, wanted(**data), submissions_service.STEP)
    assert part.plan.proof.proxied == proxied
    assert any("expects a proxy's header" in line for line in part.shown) == proxied
    assert refusals(look, **data) == []


# -- what nothing reads -------------------------------------------------------------------------------


def test_a_misspelt_option_is_refused_with_the_nearest_name() -> None:
    (reason,) = refusals(host(), submissions_options={"smtpd_milter": "inet:1"})
    assert reason == (
        "submissions_options: smtpd_milter is not a parameter of Postfix 3.10.5, and main.cf does not define "
        "it; did you mean smtpd_milters?"
    )
    (reason,) = refusals(host(), submissions_options={"smtpd_milter": None})
    assert "smtpd_milter is not a parameter" in reason
    assert refusals(host("smtpd_milter=x"), submissions_options={"smtpd_milter": None}) == []
    assert refusals(host(main="our_milter =\n"), submissions_options={"our_milter": "x"}) == []


def test_an_option_that_postfix_has_no_more_is_refused() -> None:
    (reason,) = refusals(host(), submissions_options={"smtpd_tls_cipherlist": "HIGH"})
    assert "is not a parameter of Postfix 3.10.5 any more" in reason


def test_an_option_of_a_later_release_is_warned_of() -> None:
    settings = wanted(submissions_options={"smtpd_reject_filter_maps": "static:x"})
    assert refusals(host(), submissions_options={"smtpd_reject_filter_maps": "static:x"}) == []
    (warning,) = submissions_service.STEP.warnings(settings, host())
    assert (
        "smtpd_reject_filter_maps is not written, because it exists since Postfix 3.11, and this is 3.10.5"
        in warning
    )
    part = Part(host(), settings, submissions_service.STEP)
    assert "smtpd_reject_filter_maps" not in part.master_cf


def test_only_what_an_option_refers_to_is_written() -> None:
    data = {
        "submissions_options": {"smtpd_client_restrictions": LOGIN_ONLY, "smtpd_helo_restrictions": None},
        "mua_helo_restrictions": ["reject_invalid_helo_hostname"],
    }
    part = Part(host(), wanted(**data), submissions_service.STEP)
    written = [line for line in part.main_cf.splitlines() if line.startswith("mua_")]
    assert written == [
        "mua_sender_restrictions =",
        f"mua_relay_restrictions = {LOGIN_ONLY.replace(',', ', ')}",
    ]
    assert (
        "mua_helo_restrictions is not written, because no option of the service refers to it "
        "(submissions_options)" in (part.shown)
    )
