"""What a deploy leaves to the services beside port 465, and what these bring to port 465."""

from dataclasses import replace
from typing import Any

import pytest

from operations import STEPS
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.step import parameters_asked
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import remove_services, services
from smtp_auth.services.postfix.guide_options import GUIDE_OPTIONS
from tests.unit.past import Host
from tests.unit.scenarios import stock, wanted, with_lineages, with_main_cf, with_master_cf

BINDS = "reject_sender_login_mismatch"
AUTHENTICATED = "reject_authenticated_sender_login_mismatch"
OWNERS = "smtpd_sender_login_maps = texthash:/etc/postfix/owners\n"
SUSPENDED = "check_sasl_access texthash:/etc/postfix/suspended"
TWO_RULES = f"{SUSPENDED}, {BINDS}"
HELO_BINDS = f"smtpd_helo_restrictions = permit_mynetworks, {BINDS}\n"
AUTH, YES, NO = "smtpd_sasl_auth_enable", "smtpd_sasl_auth_enable=yes", "smtpd_sasl_auth_enable=no"
MUA = tuple(f"smtpd_{what}_restrictions=$mua_{what}_restrictions" for what in ("client", "helo", "sender"))
LAN_ONLY = "smtpd_relay_restrictions=permit_mynetworks,reject"
SUBMISSION, LOCAL = "submission/inet", "127.0.0.1:587"
CLASS = "smtpd_restriction_classes = lan\n"
AS_CYRUS = {"smtpd_sasl_type": "cyrus", "smtpd_sasl_path": "smtpd"}
ELSEWHERE = {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "inet:x:99"}
DOVECOT = "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n"


def service(name: str, *options: str, kind: str = "inet") -> str:
    """An smtpd service with these options, in lines of master.cf."""
    lines = (f"  -o {{ {option} }}\n" if " " in option else f"  -o {option}\n" for option in options)
    return "".join([f"{name} {kind} n - y - - smtpd\n", *lines])


def submission(*options: str) -> str:
    """A service on port 587 that offers logins."""
    return service("submission", YES, *options)


def host(*stanzas: str, main: str = "", **facts: Any) -> Look:
    """A Debian 13 host with these services after the stock ones.

    + main: further lines of main.cf
    + facts: further facts of the look
    """
    look = stock("3.10.5")
    look = with_main_cf(look, (look.main_cf.content or "") + OWNERS + main)
    look = with_master_cf(look, (look.master_cf.content or "") + "".join(stanzas))
    asked = parameters_asked(STEPS, wanted())
    known = {name: value for name, value in look.parameters.items() if name in asked}
    return replace(look, parameters=known, **facts)


def planned(look: Look, **data: Any) -> Plan:
    settings = wanted(**data)
    return plan_of(settings, with_lineages(look, settings), STEPS)


def notes(plan: Plan) -> list[str]:
    assert plan.refusals == ()
    return [note.text for note in plan.notes]


def deployed(look: Look, **data: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The parameters of main.cf, and the options of each service. A second deploy changes nothing."""
    one = Host(look)
    assert one.deploy(**data).refusals == ()
    again = one.deploy(**data)
    assert (again.files, again.refusals) == ((), ())
    found = services(one.content(MASTER_CF))
    return defined_parameters(one.content(MAIN_CF)), {s.label: s.effective_options for s in found}


# -- which lists hold on port 465 ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "look",
    [
        host(main="mua_client_restrictions = permit_mynetworks, reject\n"),
        host(main="mua_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"),
        host(main="lan = permit_mynetworks, reject\nmua_helo_restrictions = $lan\n"),
        host(main=f"{CLASS}lan = permit_mynetworks, reject\nmua_sender_restrictions = lan\n"),
        host(main="smtpd_data_restrictions = permit_mynetworks, reject\n"),
        host(main=f"{DOVECOT}{YES}\nsmtpd_recipient_restrictions = reject_unauth_destination\n"),
        host(service("smtps", "smtpd_sender_restrictions=permit_mynetworks,reject")),
    ],
)  # fmt: skip
def test_a_host_on_which_nobody_could_send_is_refused(look: Look) -> None:
    [refused] = planned(look).refusals
    assert "which rejects even clients that have logged in: set " in refused


@pytest.mark.parametrize(
    "clients", ["permit_sasl_authenticated, reject", "permit_mynetworks, permit_sasl_authenticated, reject"]
)
def test_a_list_that_is_asked_before_the_login_is_asked_after_it(clients: str) -> None:
    main = f"smtpd_delay_reject = No\nmua_client_restrictions = {clients}\n"
    _, options = deployed(host(main=main))
    assert options["submissions/inet"]["smtpd_delay_reject"] == "yes"
    [refused] = planned(host(main=main), submissions_options={"smtpd_delay_reject": "no"}).refusals
    assert f"smtpd_client_restrictions = {clients}, which rejects even clients that have logged in" in refused


def test_a_list_that_is_asked_before_the_login_is_taken_over_as_it_works() -> None:
    theirs = "permit_sasl_authenticated, reject_rbl_client zen.example.org"
    main, _ = deployed(host(submission(f"smtpd_client_restrictions={theirs}", "smtpd_delay_reject=no")))
    assert main["mua_client_restrictions"] == "reject_rbl_client zen.example.org"


@pytest.mark.parametrize(
    "list_of_clients",
    [
        f"{SUSPENDED}, reject",
        "check_policy_service unix:private/policy, reject",
        "check_client_access cidr:/etc/postfix/vpn, reject",
        "reject_outside, permit_sasl_authenticated, reject",
    ],
)
def test_a_list_that_lets_some_in_is_healthy(list_of_clients: str) -> None:
    main = "smtpd_restriction_classes = reject_outside\nreject_outside = check_client_access static:OK\n"
    look = host(service("smtps", f"smtpd_client_restrictions={list_of_clients}"), main=main)
    assert planned(look).refusals == ()


@pytest.mark.parametrize(
    "other",
    [
        service("submission", *MUA),
        service("2525", "smtpd_client_restrictions=${mua_client_restrictions}"),
        service("587", "smtpd_relay_restrictions=$lan"),
    ],
)
def test_what_another_service_refers_to_is_left_alone(other: str) -> None:
    main, options = deployed(host(other, main="lan = $(mua_client_restrictions), permit\n"))
    assert "mua_client_restrictions" not in main
    ours = options["submissions/inet"]
    assert ours["smtpd_client_restrictions"] == "permit_sasl_authenticated, reject"
    assert ours["smtpd_relay_restrictions"] == "$mua_relay_restrictions"


def test_the_data_does_not_change_what_another_service_refers_to() -> None:
    look = host(service("submission", *MUA), main="mua_sender_restrictions = permit\n")
    main, options = deployed(look, mua_sender_restrictions=["reject_non_fqdn_sender"])
    assert main["mua_sender_restrictions"] == "permit"
    assert options["submissions/inet"]["smtpd_sender_restrictions"] == "reject_non_fqdn_sender"


def test_an_empty_parameter_that_another_service_refers_to_is_defined() -> None:
    main, options = deployed(host(service("submission", *MUA)))
    assert main["mua_helo_restrictions"] == ""
    assert options["submissions/inet"]["smtpd_helo_restrictions"] == "$mua_helo_restrictions"


# -- what limits logins elsewhere ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "name", "wanted_list"),
    [
        (host(submission(f"smtpd_sender_restrictions={BINDS}")), "sender", BINDS),
        (host(service("587", YES, f"smtpd_sender_restrictions={BINDS}")), "sender", BINDS),
        (host(submission(), main=f"o = {BINDS}\nsmtpd_sender_restrictions = $o\n"), "sender", "$o"),
        (host(main=f"our = {BINDS}\nsmtpd_helo_restrictions = $our\n"), "sender", BINDS),
        (host(main=f"smtpd_client_restrictions = {SUSPENDED}\n"), "sender", SUSPENDED),
        (host(main=HELO_BINDS), "sender", f"permit_mynetworks, {BINDS}"),
        (host(main=f"{HELO_BINDS}smtpd_client_restrictions = {SUSPENDED}\n"), "sender", TWO_RULES),
        (host(submission(f"smtpd_client_restrictions={SUSPENDED}")), "client", SUSPENDED),
        (
            host(main=f"{YES}\n{DOVECOT}smtpd_relay_restrictions = {SUSPENDED}, reject_unauth_destination\n"),
            "relay",
            f"{SUSPENDED}, reject_unauth_destination",
        ),
    ],
)  # fmt: skip
def test_what_binds_logins_elsewhere_binds_them_on_port_465(look: Look, name: str, wanted_list: str) -> None:
    main, options = deployed(look)
    key = f"mua_{name}_restrictions"
    assert options["submissions/inet"][f"smtpd_{name}_restrictions"] == f"${key}"
    assert main[key] == wanted_list


def test_what_binds_logins_in_main_cf_binds_beside_a_list_of_the_hosts() -> None:
    theirs = f"smtpd_recipient_restrictions = {SUSPENDED}\nmua_sender_restrictions = {BINDS}\n"
    _, options = deployed(host(main=theirs))
    wanted_list = f"{SUSPENDED}, $mua_sender_restrictions"
    assert options["submissions/inet"]["smtpd_sender_restrictions"] == wanted_list
    _, options = deployed(host(main=theirs.replace(SUSPENDED, AUTHENTICATED)))
    assert options["submissions/inet"]["smtpd_sender_restrictions"] == "$mua_sender_restrictions"


def test_a_list_of_recipients_is_taken_over_in_words() -> None:
    theirs = f"{BINDS}, permit_sasl_authenticated, reject"
    _, options = deployed(host(submission(f"smtpd_recipient_restrictions={theirs}")))
    assert options["submissions/inet"]["smtpd_recipient_restrictions"] == theirs


def test_a_macro_of_the_other_service_is_taken_over_in_words() -> None:
    other = submission(f"our_senders={BINDS}", "smtpd_sender_restrictions=$our_senders")
    main, options = deployed(host(other))
    assert main["mua_sender_restrictions"] == BINDS
    assert "our_senders" not in options["submissions/inet"]


@pytest.mark.parametrize("senders", [BINDS, "permit"])
def test_a_list_of_the_hosts_that_is_not_used_is_named(senders: str) -> None:
    other = submission(f"smtpd_sender_restrictions={senders}")
    look = host(other, main="mua_sender_restrictions = reject_non_fqdn_sender\n")
    text = "submissions does not use mua_sender_restrictions of main.cf: reject_non_fqdn_sender"
    assert text in notes(planned(look))
    assert text not in notes(planned(look, mua_sender_restrictions=[]))
    assert text not in notes(planned(host(main="mua_sender_restrictions = reject_non_fqdn_sender\n")))


def test_a_list_that_the_host_defines_in_another_way_is_taken_over_in_words() -> None:
    other = submission(f"smtpd_sender_restrictions={BINDS}")
    main, options = deployed(host(other, main="mua_sender_restrictions =\n"))
    assert main["mua_sender_restrictions"] == ""
    assert options["submissions/inet"]["smtpd_sender_restrictions"] == BINDS


LIMITS = {
    "smtpd_milters": "inet:127.0.0.1:8891",
    "content_filter": "scan:127.0.0.1:10024",
    "smtpd_client_message_rate_limit": "30",
    "smtpd_sender_login_maps": "texthash:/etc/postfix/owners",
    "smtpd_end_of_data_restrictions": "check_policy_service unix:private/policy",
}
ITS_OWN = {"smtpd_tls_security_level": "encrypt", "syslog_name": "x", "smtpd_sasl_path": "inet:192.0.2.1:99"}


def test_milters_limits_and_tables_are_taken_over_and_told() -> None:
    options = (f"{name}={value}" for name, value in {**LIMITS, **ITS_OWN}.items())
    look = host(submission(*options))
    _, found = deployed(look)
    ours = found["submissions/inet"]
    assert LIMITS.items() <= ours.items()
    assert (ours.keys() - LIMITS.keys()) <= GUIDE_OPTIONS.keys()
    told = notes(planned(look))
    for name, value in LIMITS.items():
        assert f"submissions takes over {name} of submission/inet: {value}" in told
    assert "submissions does not have smtpd_sasl_path of submission/inet: inet:192.0.2.1:99" in told


def test_a_name_in_an_option_is_compared_by_its_value() -> None:
    main = "our_milters = inet:a:1\n"
    look = host(submission("smtpd_milters=$our_milters"), main=main)
    assert not [text for text in notes(planned(look)) if "does not have" in text]
    both = host(
        submission("smtpd_milters=$our_milters"), service("smtps", "smtpd_milters=$our_milters"), main=main
    )
    assert planned(both).refusals == ()
    own = host(service("smtps", YES, "smtpd_milters=$our_milters", "smtpd_sasl_type=cyrus"), main=main)
    assert not [text for text in notes(planned(own)) if "does not have" in text]


def test_an_option_of_the_data_wins_over_one_of_the_other_service() -> None:
    look = host(submission("smtpd_milters=inet:theirs:1"))
    _, found = deployed(look, submissions_options={"smtpd_milters": None})
    assert "smtpd_milters" not in found["submissions/inet"]
    told = notes(planned(look, submissions_options={"smtpd_milters": None}))
    assert "submissions does not have smtpd_milters of submission/inet: inet:theirs:1" in told


@pytest.mark.parametrize(
    "look",
    [
        host(main=f"smtpd_sender_restrictions = permit_sasl_authenticated, permit_mynetworks, {BINDS}\n"),
        host(main=f"smtpd_sender_restrictions = permit, {BINDS}\n"),
        host(main=f"{CLASS}lan = permit_sasl_authenticated\nsmtpd_sender_restrictions = lan, {BINDS}\n"),
        host(submission(f"smtpd_sender_restrictions=permit_sasl_authenticated,{BINDS}")),
        host(main="smtpd_sender_restrictions = reject_unauthenticated_sender_login_mismatch\n"),
        host(main=f"smtpd_sender_restrictions = warn_if_reject {BINDS}\n"),
    ],
)  # fmt: skip
def test_what_binds_nobody_does_not_bind_on_port_465(look: Look) -> None:
    main, _ = deployed(look)
    assert main["mua_sender_restrictions"] == ""


def test_only_certain_logins_may_relay() -> None:
    main = f"smtpd_relay_restrictions = permit_mynetworks, {SUSPENDED}, reject_unauth_destination\n"
    [refused] = planned(host(main=main)).refusals
    assert "main.cf lets only certain logins send (smtpd_relay_restrictions = permit" in refused
    key = {"mua_relay_restrictions": [SUSPENDED, "reject"]}
    assert planned(host(main=main), **key).refusals == ()


@pytest.mark.parametrize("what", ["client", "sender"])
def test_only_certain_logins_may_send(what: str) -> None:
    look = host(main=f"smtpd_{what}_restrictions = permit_mynetworks, {SUSPENDED}, reject\n")
    [refused] = planned(look).refusals
    assert f"main.cf lets only certain logins send (smtpd_{what}_restrictions = permit_mynetworks" in refused
    assert f"set mua_{what}_restrictions" in refused


def test_services_of_port_587_that_differ() -> None:
    look = host(
        service("192.0.2.1:587", YES, f"smtpd_sender_restrictions={BINDS}"), service("192.0.2.2:587", YES)
    )
    [refused] = planned(look).refusals
    assert "192.0.2.1:587/inet and 192.0.2.2:587/inet limit logins in different ways" in refused
    local = service("[::1]:587", YES, f"smtpd_sender_restrictions={BINDS}")
    same = host(service("192.0.2.1:587", YES), service("192.0.2.2:587", YES), local)
    assert planned(same).refusals == ()


def test_an_existing_service_without_logins_is_not_its_own_model_later() -> None:
    lists = "smtpd_recipient_restrictions = reject_unknown_sender_domain, reject_unauth_destination\n"
    _, options = deployed(host(service("smtps", "smtpd_tls_wrappermode=yes"), main=lists))
    assert options["smtps/inet"]["smtpd_recipient_restrictions"] == "permit_sasl_authenticated,reject"


def test_an_existing_service_without_logins_has_another_list() -> None:
    look = host(
        submission(f"smtpd_sender_restrictions={BINDS}"),
        service("smtps", "smtpd_sender_restrictions=reject_non_fqdn_sender"),
    )
    [refused] = planned(look).refusals
    assert (
        "smtps on port 465 has smtpd_sender_restrictions = reject_non_fqdn_sender, but submission" in refused
    )
    assert planned(look, mua_sender_restrictions=["reject_non_fqdn_sender"]).refusals == ()


# -- the logins of other services ---------------------------------------------------------------------


def kept_options(look: Look, label: str, **data: Any) -> dict[str, str]:
    """The options that a deploy adds to a service, or changes."""
    before = {s.label: s.effective_options for s in services(look.master_cf.content or "")}[label]
    _, after = deployed(look, **data)
    assert before.keys() <= after[label].keys()
    return {name: value for name, value in after[label].items() if before.get(name) != value}


@pytest.mark.parametrize(
    ("look", "label", "added"),
    [
        # It would offer logins, because main.cf does.
        (host(service("submission")), SUBMISSION, {AUTH: "no"}),
        (host(service("127.0.0.1:10025")), "127.0.0.1:10025/inet", {AUTH: "no"}),
        (host(service("2525", "smtpd_tls_auth_only=No", LAN_ONLY)), "2525/inet", {AUTH: "no"}),
        (host(service("2525", LAN_ONLY)), "2525/inet", {}),
        (host(service("2525", NO)), "2525/inet", {}),
        # It asks somebody else than main.cf will.
        (host(submission("smtpd_sasl_type=cyrus")), SUBMISSION, {"smtpd_sasl_path": "smtpd"}),
        (host(submission("smtpd_sasl_path=smtpd")), SUBMISSION, {"smtpd_sasl_type": "cyrus"}),
        (host(submission(), has_cyrus=True), SUBMISSION, AS_CYRUS),
        (host(submission(), main="smtpd_sasl_type = cyrus\n"), SUBMISSION, AS_CYRUS),
        (host(submission(), main=DOVECOT.replace("private/auth", "inet:x:99")), SUBMISSION, ELSEWHERE),
        (host(submission(), main=DOVECOT.replace("private/auth", "private/login")), SUBMISSION, {}),
        (host(submission()), SUBMISSION, {}),
        (host(service(LOCAL, YES), main=DOVECOT), f"{LOCAL}/inet", {"smtpd_tls_auth_only": "no"}),
    ],
)  # fmt: skip
def test_another_service_keeps_its_logins(look: Look, label: str, added: dict[str, str]) -> None:
    assert kept_options(look, label) == added


def test_a_service_keeps_the_logins_of_main_cf_that_the_data_switches_off_on_port_25() -> None:
    look = host(service("submission"), main=f"{YES}\n{DOVECOT}")
    assert kept_options(look, "submission/inet", smtp_auth_on_port_25=False) == {AUTH: "yes"}


@pytest.mark.parametrize(
    "look",
    [
        host(submission("smtpd_sasl_type=cyrus")),
        host(submission("smtpd_sasl_type=$theirs", "theirs=Cyrus")),
        host(submission(), has_cyrus=True),
        host(service("smtpd", "smtpd_sasl_type=cyrus", NO, kind="pass")),
    ],
)
def test_the_path_of_cyrus_stays_where_a_service_asks_cyrus(look: Look) -> None:
    main, _ = deployed(look)
    assert main["cyrus_sasl_config_path"] == "/etc/postfix/sasl"


@pytest.mark.parametrize(
    ("stanza", "told"),
    [
        (service("587", YES, "smtpd_tls_security_level=None"), True),
        (service("587", YES, "smtpd_tls_security_level=may"), False),
        (service("587", YES, "smtpd_tls_security_level=none", "smtpd_tls_auth_only=no"), False),
        (service("587", NO, "smtpd_tls_security_level=none"), False),
        (service(LOCAL, YES, "smtpd_tls_security_level=none"), False),
    ],
)
def test_a_service_without_tls_loses_its_logins_and_is_named(stanza: str, told: bool) -> None:
    found = notes(planned(host(stanza, main=DOVECOT)))
    assert ("587 offers no logins, because they need TLS, which it does not offer" in found) == told


def test_the_path_of_cyrus_is_commented_out_where_nobody_asks_it() -> None:
    main, _ = deployed(host(submission()))
    assert "cyrus_sasl_config_path" not in main


@pytest.mark.parametrize(
    ("options", "added"),
    [
        (("smtpd_tls_auth_only=no",), {"smtpd_tls_auth_only": "yes"}),
        (("smtpd_tls_auth_only=$clear", "clear=NO"), {"smtpd_tls_auth_only": "yes"}),
        (("smtpd_tls_auth_only=no", NO), {}),
        (("smtpd_tls_auth_only=no", YES), {"smtpd_tls_auth_only": "yes"}),
        (("smtpd_sasl_type=cyrus",), {"smtpd_sasl_type": "dovecot"}),
    ],
)
def test_port_25_offers_logins_inside_tls_only_and_asks_dovecot(
    options: tuple[str, ...], added: dict[str, str]
) -> None:
    assert kept_options(host(service("smtpd", *options, kind="pass"), main=DOVECOT), "smtpd/pass") == added


REJECTS = "with logins, smtp rejects mail from outside whose sender belongs to a user"
KEY, STAYS_OFF = "smtp_auth_on_port_25", "logins stay off on port 25: "


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (
            host(submission(f"smtpd_sender_restrictions={BINDS}")),
            "smtp would not limit them as submissions on port 465 does (smtpd_sender_restrictions)",
        ),
        (
            host(submission("smtpd_milters=inet:a:1")),
            "smtp would not limit them as submissions on port 465 does (smtpd_milters)",
        ),
        (
            host(service("smtps", YES, "smtpd_milters=inet:a:1")),
            "smtp would not limit them as smtps on port 465 does (smtpd_milters)",
        ),
        (
            host(main=f"smtpd_sender_restrictions = {BINDS}\n"),
            f"{REJECTS} (smtpd_sender_restrictions)",
        ),
    ],
)
def test_logins_stay_off_port_25_where_they_would_change_more(look: Look, reason: str) -> None:
    main, _ = deployed(look)
    assert AUTH not in main
    assert STAYS_OFF + reason in notes(planned(look))
    refused = planned(look, smtp_auth_on_port_25=True).refusals
    assert [*refused] == (
        [f"smtp_auth_on_port_25 = True, but {reason}: give smtp the same, or set {KEY} to False"]
        if "would not limit" in reason
        else []
    )


@pytest.mark.parametrize(
    "look",
    [
        host(),
        host(submission(*MUA, "smtpd_tls_security_level=encrypt", "smtpd_banner=hello")),
        host(submission(), main=f"smtpd_sender_restrictions = {AUTHENTICATED}\n"),
        host(submission("content_filter=scan:1"), main="content_filter = scan:1\n"),
    ],
)  # fmt: skip
def test_logins_are_switched_on_port_25_where_they_allow_no_more(look: Look) -> None:
    main, _ = deployed(look)
    assert main[AUTH] == "yes"


@pytest.mark.parametrize("what", ["", "known_", "unauthenticated_"])
def test_logins_stay_on_port_25_where_senders_of_users_need_them(what: str) -> None:
    senders = f"smtpd_sender_restrictions = reject_{what}sender_login_mismatch\n"
    look = host(main=f"{YES}\n{DOVECOT}{senders}")
    assert planned(look).refusals == ()
    [refused] = planned(look, smtp_auth_on_port_25=False).refusals
    assert "without SASL smtp would accept senders of users from anybody" in refused
    bound = host(main=f"{YES}\n{DOVECOT}smtpd_sender_restrictions = {AUTHENTICATED}\n")
    assert planned(bound, smtp_auth_on_port_25=False).refusals == ()


# -- spelling, and what refers to ours ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["smtpd_tls_wrappermode", "smtpd_sasl_auth_enable"])
def test_a_boolean_in_another_case_is_not_rewritten(name: str) -> None:
    look = host(service("smtps", f"{name}=YES"), main="smtpd_tls_auth_only = Yes\n")
    main, options = deployed(look)
    assert (main["smtpd_tls_auth_only"], options["smtps/inet"][name]) == ("Yes", "YES")


def test_an_older_parameter_in_another_case() -> None:
    look = host(main="smtpd_tls_security_level =\nsmtpd_enforce_tls = Yes\n")
    look = replace(look, parameters={**look.parameters, "smtpd_enforce_tls": "Yes"})
    main, _ = deployed(look)
    assert main["smtpd_tls_security_level"] == "encrypt"


@pytest.mark.parametrize(
    ("stanza", "main", "name"),
    [
        ("", "smtp_tls_cert_file = $smtpd_tls_cert_file\n", "smtp_tls_cert_file"),
        ("", "x = ${smtpd_tls_cert_file}\nsmtp_tls_cert_file = $(x)\n", "smtp_tls_cert_file"),
        (service("2525", NO, "smtp_tls_cert_file=$smtpd_tls_cert_file"), "", "2525/inet/smtp_tls_cert_file"),
    ],
)
def test_a_setting_that_changes_with_ours_is_named(stanza: str, main: str, name: str) -> None:
    one = Host(host(stanza, main=main))
    text = f"{name} refers to smtpd_tls_cert_file, so it changes, too"
    assert text in notes(one.deploy())
    assert text not in notes(one.deploy())
    assert text in notes(one.remove())


# -- what the owner does after a deploy ---------------------------------------------------------------


def edited(one: Host, file: ManagedFile, *edits: tuple[str, str]) -> None:
    """The owner replaces texts of a file, each once."""
    content = one.content(file)
    for old, new in edits:
        assert old in content
        content = content.replace(old, new, 1)
    one.edit(file, content)


def after(one: Host, **data: Any) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """After one more deploy: the parameters of main.cf, the options of the service on port 465, the notes."""
    told = notes(one.deploy(**data))
    again = one.deploy(**data)
    assert (again.files, again.refusals) == ((), ())
    [service] = [s for s in services(one.content(MASTER_CF)) if s.name == "submissions"]
    return defined_parameters(one.content(MAIN_CF)), service.effective_options, told


MORE_PROCESSES = ("submissions inet n       -       y       -       -", "submissions inet n - y - 20")
LIMITED = submission(
    f"smtpd_sender_restrictions={BINDS}", "smtpd_milters=inet:a:1", "smtpd_relay_restrictions="
)


@pytest.mark.parametrize(
    "edit",
    [
        MORE_PROCESSES,
        ("submissions inet n       -       y", "submissions inet n - n"),
        ("-o smtpd_hide_client_session=yes", "-o smtpd_hide_client_session=no"),
    ],
)
@pytest.mark.parametrize(
    "look",
    [
        host(LIMITED),
        host(main=f"smtpd_helo_restrictions = {BINDS}\n"),
        host(submission(f"smtpd_client_restrictions={SUSPENDED}")),
    ],
)
def test_an_edit_of_our_service_does_not_loosen_its_lists(look: Look, edit: tuple[str, str]) -> None:
    one = Host(look)
    one.deploy()
    before = {k: v for k, v in defined_parameters(one.content(MAIN_CF)).items() if k[:4] == "mua_"}
    edited(one, MASTER_CF, edit)
    main, _, _ = after(one)
    assert {name: main.get(name) for name in before} == before


def test_an_edit_of_our_service_under_another_name_does_not_loosen_its_lists() -> None:
    one = Host(host(LIMITED))
    one.deploy()
    edited(one, MASTER_CF, ("submissions inet", "smtps inet"), ("=postfix/submissions", "=postfix/smtps"))
    one.deploy()
    main = defined_parameters(one.content(MAIN_CF))
    assert (main["mua_sender_restrictions"], AUTH in main) == (BINDS, False)


@pytest.mark.parametrize("stanza", [service("smtps", YES), service("smtps", NO)])
def test_an_edit_of_a_list_of_ours_stays_on_a_service_of_the_owners(stanza: str) -> None:
    one = Host(host(stanza, main=DOVECOT))
    one.deploy()
    edited(one, MAIN_CF, ("mua_sender_restrictions =", f"mua_sender_restrictions = {BINDS}"))
    one.deploy()
    [smtps] = [s for s in services(one.content(MASTER_CF)) if s.name == "smtps"]
    assert smtps.effective_options["smtpd_sender_restrictions"] == "$mua_sender_restrictions"
    assert defined_parameters(one.content(MAIN_CF))["mua_sender_restrictions"] == BINDS


def test_an_edit_of_our_service_is_no_reason_for_a_refusal() -> None:
    lists = ("client", "relay", "recipient")
    policy = "check_policy_service unix:private/policy, permit_sasl_authenticated, reject"
    one = Host(host(submission(*(f"smtpd_{what}_restrictions={policy}" for what in lists))))
    one.deploy()
    edited(one, MASTER_CF, MORE_PROCESSES)
    assert one.deploy().refusals == ()


def test_a_list_that_our_service_refers_to_is_not_the_owners_for_ever() -> None:
    one = Host(host(LIMITED))
    one.deploy()
    edited(one, MASTER_CF, MORE_PROCESSES)
    one.deploy(tls_minimum_version="TLSv1.3")
    one.edit(MASTER_CF, remove_services(one.content(MASTER_CF), {"submissions/inet": {}}))
    edited(one, MASTER_CF, (LIMITED, LIMITED.replace(BINDS, "permit")))
    main, _, _ = after(one)
    assert main["mua_sender_restrictions"] == ""
    one.remove()
    assert "mua_" not in one.content(MAIN_CF)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LIMITED, ""),
        (YES, NO),
        ("submission inet", "127.0.0.1:submission inet"),
    ],
)
def test_what_was_taken_over_stays_when_the_other_service_is_gone(old: str, new: str) -> None:
    one = Host(host(LIMITED))
    one.deploy()
    edited(one, MASTER_CF, (LIMITED, LIMITED.replace(old, new)))
    main, options, told = after(one)
    assert main["mua_sender_restrictions"] == BINDS
    assert AUTH not in main
    assert options["smtpd_milters"] == "inet:a:1"
    kept = "submissions keeps smtpd_milters of submission/inet, which offers no logins any more: inet:a:1"
    assert kept in told
    main, options, _ = after(one, mua_sender_restrictions=[], submissions_options={"smtpd_milters": None})
    assert (main["mua_sender_restrictions"], main[AUTH], "smtpd_milters" in options) == ("", "yes", False)


def test_a_class_that_was_taken_over_stays_with_the_list_that_names_it() -> None:
    main = f"{CLASS}lan = permit_sasl_authenticated\n"
    limited = submission(f"lan={BINDS}", "smtpd_sender_restrictions=lan")
    one = Host(host(limited, main=main))
    one.deploy()
    edited(one, MASTER_CF, (limited, ""))
    kept, options, _ = after(one)
    assert (kept["mua_sender_restrictions"], options["lan"], AUTH in kept) == ("lan", BINDS, False)


def test_what_was_taken_over_from_port_25_follows_its_name() -> None:
    look = host(main=f"{YES}\n{DOVECOT}smtpd_sender_restrictions = {BINDS}\n")
    one = Host(look)
    one.deploy()
    stock_smtp = "smtp      inet  n       -       y       -       -       smtpd"
    edited(one, MASTER_CF, (stock_smtp, stock_smtp.replace("smtp      inet", "smtpd     pass")))
    edited(one, MAIN_CF, (f"smtpd_sender_restrictions = {BINDS}", "smtpd_sender_restrictions ="))
    main, _, _ = after(one)
    assert main["mua_sender_restrictions"] == ""


def test_an_owners_service_keeps_what_it_took_over_when_logins_are_switched_on() -> None:
    one = Host(host(LIMITED, service("smtps", "syslog_name=x")))
    one.deploy()
    one.edit(MAIN_CF, one.content(MAIN_CF) + f"{YES}\n")
    one.deploy()
    assert defined_parameters(one.content(MAIN_CF))["mua_sender_restrictions"] == BINDS


def test_what_was_taken_over_follows_the_other_service() -> None:
    one = Host(host(LIMITED))
    one.deploy()
    edited(one, MASTER_CF, (LIMITED, LIMITED.replace("inet:a:1", "inet:b:2").replace(BINDS, "permit")))
    main, options, _ = after(one)
    assert (main["mua_sender_restrictions"], options["smtpd_milters"]) == ("", "inet:b:2")


def test_an_edit_of_a_list_of_ours_stays() -> None:
    one = Host(host(LIMITED))
    one.deploy()
    line = f"mua_sender_restrictions = {BINDS}"
    edited(one, MAIN_CF, (line, f"{line}, reject_non_fqdn_sender"))
    main, options, told = after(one)
    assert main["mua_sender_restrictions"] == f"{BINDS}, reject_non_fqdn_sender"
    assert options["smtpd_sender_restrictions"] == "$mua_sender_restrictions"
    assert "submissions does not have smtpd_sender_restrictions of submission/inet: " + BINDS in told


def test_a_service_that_was_set_up_since_keeps_the_logins_of_main_cf() -> None:
    one = Host(host())
    one.deploy()
    one.edit(MASTER_CF, one.content(MASTER_CF) + service("2525"))
    content = one.content(MASTER_CF)
    one.deploy()
    assert one.content(MASTER_CF) == content


@pytest.mark.parametrize("later", [submission("smtpd_milters=inet:a:1"), ""])
def test_a_service_that_was_set_up_since_keeps_its_logins(later: str) -> None:
    one = Host(host())
    one.deploy()
    one.edit(MASTER_CF, one.content(MASTER_CF) + service("2525") + later)
    data = {} if later else {"smtp_auth_on_port_25": False}
    one.deploy(**data)
    assert not one.deploy(**data).files
    [since] = [s for s in services(one.content(MASTER_CF)) if s.name == "2525"]
    assert since.effective_options == {AUTH: "yes"}
    one.remove()
    assert "2525 inet n - y - - smtpd" in one.content(MASTER_CF)


def test_a_service_that_was_set_up_since_is_a_model() -> None:
    one = Host(host())
    one.deploy()
    one.edit(MASTER_CF, one.content(MASTER_CF) + service("submission", f"smtpd_sender_restrictions={BINDS}"))
    main, _, _ = after(one)
    assert main["mua_sender_restrictions"] == BINDS


def test_logins_on_port_25_that_are_switched_off_again_are_named() -> None:
    one = Host(host())
    one.deploy()
    one.edit(MASTER_CF, one.content(MASTER_CF) + submission("smtpd_milters=inet:a:1"))
    main, _, told = after(one)
    assert AUTH not in main
    text = "logins are switched off on port 25: smtp would not limit them as submissions on port 465 does"
    assert f"{text} (smtpd_milters)" in told


def test_logins_on_port_25_that_reject_others_are_named() -> None:
    look = host(main=f"smtpd_sender_restrictions = {BINDS}\n")
    assert f"{REJECTS} (smtpd_sender_restrictions)" in notes(planned(look, smtp_auth_on_port_25=True))


# -- further hosts ------------------------------------------------------------------------------------


def test_no_login_owns_an_address_without_a_table_of_owners() -> None:
    look = host(main=f"smtpd_sender_login_maps =\nsmtpd_sender_restrictions = permit_mynetworks, {BINDS}\n")
    [refused] = planned(look).refusals
    assert "smtpd_sender_restrictions = " in refused
    assert "which rejects even clients that have logged in: set mua_sender_restrictions" in refused
    assert planned(look, mua_sender_restrictions=[]).refusals == ()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("smtpd_milters=",), "smtpd_milters"),
        (("smtpd_end_of_data_restrictions=",), "smtpd_end_of_data_restrictions"),
    ],
)
def test_an_existing_service_without_logins_is_limited_less(options: tuple[str, ...], name: str) -> None:
    policy = "smtpd_end_of_data_restrictions=check_policy_service unix:private/policy"
    look = host(submission("smtpd_milters=inet:a:1", policy), service("smtps", *options))
    [refused] = planned(look).refusals
    assert (
        f"smtps on port 465 has {name} = empty, but submission/inet, where users log in so far, has "
        in refused
    )
    assert f"set {name} in submissions_options" in refused
    assert planned(look, submissions_options={name: ""}).refusals == ()


@pytest.mark.parametrize("name", ["2525", "127.0.0.1:587"])
def test_what_limits_logins_on_other_ports_is_named(name: str) -> None:
    look = host(service(name, YES, "smtpd_milters=inet:a:1"), main=DOVECOT)
    assert f"submissions does not have smtpd_milters of {name}/inet: inet:a:1" in notes(planned(look))


def test_what_every_service_on_port_465_has_is_not_named() -> None:
    own = ("smtpd_tls_security_level=encrypt", "smtpd_tls_auth_only=yes", "smtpd_sasl_type=dovecot")
    look = host(submission(*own, "smtpd_sasl_path=private/auth", "smtpd_recipient_restrictions="))
    assert not [text for text in notes(planned(look)) if "does not have" in text or "takes over" in text]


def test_one_of_the_lists_that_are_taken_over_becomes_the_one_that_asks_for_a_login() -> None:
    lists = {
        "client": "permit_mynetworks, reject_unknown_client_hostname",
        "relay": "check_policy_service unix:private/policy, permit_sasl_authenticated, reject",
        "recipient": "permit_mynetworks, reject_unknown_recipient_domain, permit_sasl_authenticated, reject",
    }
    options = [f"smtpd_{what}_restrictions={value}" for what, value in lists.items()]
    main, _ = deployed(host(submission(*options)))
    assert main["mua_sender_restrictions"] == "permit_sasl_authenticated, reject"
    bound, _ = deployed(host(submission(*options, f"smtpd_sender_restrictions={BINDS}")))
    assert bound["mua_sender_restrictions"] == f"{BINDS}, permit_sasl_authenticated, reject"


def test_a_stricter_floor_behind_a_name_stays() -> None:
    look = host(service("smtps", "smtpd_tls_mandatory_protocols=$strict"), main="strict = >=TLSv1.3\n")
    _, options = deployed(look)
    assert options["smtps/inet"]["smtpd_tls_mandatory_protocols"] == "$strict"


def test_classes_that_contain_themselves_are_read_once() -> None:
    look = host(main="smtpd_restriction_classes = a\na = a a a a a a a a a\nmua_sender_restrictions = a\n")
    assert planned(look).refusals == ()
