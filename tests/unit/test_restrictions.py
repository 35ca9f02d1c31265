"""What lists of restrictions permit, and how lists and parameters are read."""

import pytest

from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.parameters import came_with, nearest
from smtp_auth.postfix.restriction_lists import asks_for_login, refuses_logins

DEFINED = {
    "ours": "permit_sasl_authenticated, reject",
    "open": "permit_mynetworks",
    "loop": "$loop",
    "smtpd_restriction_classes": "reject_some reject_nobody, staff_only reject_loop",
    "reject_some": "check_client_access static:OK",
    "reject_nobody": "reject_unknown_client, permit_sasl_authenticated",
    "staff_only": "check_sasl_access texthash:/etc/postfix/staff, reject",
    "reject_loop": "reject_loop",
}


@pytest.mark.parametrize(
    "value",
    [
        "permit_sasl_authenticated,reject",
        "permit_sasl_authenticated reject",
        "Permit_SASL_authenticated,\tREJECT",
        "reject",
        "permit_sasl_authenticated, defer",
        "reject_unknown_sender_domain, reject_rbl_client zen.example.org, permit_sasl_authenticated, reject",
        "warn_if_reject reject_unknown_helo_hostname, reject",
        "sleep 1, permit_sasl_authenticated, reject, permit",
        "$ours",
        "${ours}",
        "reject_unauth_pipelining, $(ours)",
        "$undefined, reject",
        "check_sasl_access texthash:/etc/postfix/users, reject",
        "reject_unknown_client, reject",
        "reject_nobody, reject",
    ],
)
def test_a_list_that_asks_everybody_for_a_login(value: str) -> None:
    assert asks_for_login(value, DEFINED)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "permit_sasl_authenticated",
        "permit_mynetworks, permit_sasl_authenticated, reject",
        "permit_sasl_authenticated, reject_unauth_destination",
        "check_policy_service unix:private/policy, permit_sasl_authenticated, reject",
        "check_client_access reject, reject",
        "check_policy_service { inet:127.0.0.1:1, timeout=2s }, reject",
        "warn_if_reject reject",
        "warn_if_reject, reject",
        "permit_tls_clientcerts, reject",
        "our_class, reject",
        "$open, reject",
        "$smtpd_banner, reject",
        "reject_some, reject",
        "reject_undefined, reject",
        "$loop, reject",
        "${ours?{permit}:{x}}, reject",
        "{ reject }",
        "reject_rbl_client reject",
    ],
)
def test_a_list_that_may_let_somebody_through(value: str) -> None:
    assert not asks_for_login(value, DEFINED)


def test_elements_are_those_of_postfix() -> None:
    assert elements(" a,b  c,\t{ d, { e f } } g{h ,, ") == ["a", "b", "c", "{ d, { e f } }", "g{h"]
    assert elements("hash:/x, inline:{ a=b, {c=d} }") == ["hash:/x", "inline:{ a=b, {c=d} }"]
    assert elements("") == []


def test_what_is_not_defined_is_not_replaced() -> None:
    assert expanded("$ours $x ${open} $$", DEFINED) == f"{DEFINED['ours']} $x permit_mynetworks $$"


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("smtpd_milters", (0, 0)),
        ("smtpd_hide_client_session", (3, 10)),
        ("smtpd_reject_filter_maps", (3, 11)),
        ("smtpd_milter", None),
    ],
)
def test_it_is_known_with_which_release_a_parameter_came(name: str, release: tuple[int, int] | None) -> None:
    assert came_with(name) == release


def test_the_nearest_name_is_postfixs_or_the_hosts_own() -> None:
    assert nearest("smtpd_milter") == "smtpd_milters"
    assert nearest("our_milters_x", ["our_milters"]) == "our_milters"
    assert nearest("zzzzzzzzzzzz") is None


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ("reject", True),
        ("permit_mynetworks, reject_unauth_destination, permit_sasl_authenticated", True),
        ("permit_mynetworks, defer_unauth_destination", True),
        ("check_policy_service unix:reject, Reject", False),
        ("check_sasl_access texthash:/etc/postfix/users, reject", False),
        ("check_client_access cidr:/etc/postfix/vpn, reject", False),
        ("check_client_access cidr:/etc/postfix/spammers, reject_unauth_destination", True),
        ("reject_some, reject", False),
        ("reject_nobody, reject", False),
        ("staff_only", False),
        ("reject_unknown_client, reject", True),
        ("reject_loop, reject", False),
        ("permit_tls_clientcerts, reject", True),
        ("", False),
        ("reject_unknown_sender_domain, reject_rbl_client zen.example.org", False),
        ("permit_sasl_authenticated, reject", False),
        ("warn_if_reject reject", False),
        ("$ours", False),
        ("permit, reject", False),
    ],
)
def test_a_list_that_refuses_those_who_have_logged_in(value: str, refused: bool) -> None:
    assert refuses_logins(value, DEFINED) == refused
