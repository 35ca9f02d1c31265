"""Postfix's access restrictions: how many arguments each takes, and what a list of them permits.

Source: postconf(5), access control; SMTPD_ACCESS_README.
"""

from collections.abc import Iterator, Mapping

from smtp_auth.postfix.lists import elements, expanded

_MAP = (1,)
_NONE = (0,)

# Restriction to the numbers of arguments that it accepts. It does not contain `warn_if_reject`, which only
# has a meaning before another restriction, and restriction classes, which each host defines itself.
RESTRICTIONS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        (
            "permit",
            "reject",
            "defer",
            "defer_if_permit",
            "defer_if_reject",
            "defer_unauth_destination",
            "permit_auth_destination",
            "permit_mx_backup",
            "permit_mynetworks",
            "permit_naked_ip_address",
            "permit_inet_interfaces",
            "permit_sasl_authenticated",
            "permit_tls_all_clientcerts",
            "permit_tls_clientcerts",
            "reject_authenticated_sender_login_mismatch",
            "reject_invalid_helo_hostname",
            "reject_known_sender_login_mismatch",
            "reject_multi_recipient_bounce",
            "reject_non_fqdn_helo_hostname",
            "reject_non_fqdn_recipient",
            "reject_non_fqdn_sender",
            "reject_plaintext_session",
            "reject_sender_login_mismatch",
            "reject_unauth_destination",
            "reject_unauth_pipelining",
            "reject_unauthenticated_sender_login_mismatch",
            "reject_unknown_client_hostname",
            "reject_unknown_forward_client_hostname",
            "reject_unknown_helo_hostname",
            "reject_unknown_recipient_domain",
            "reject_unknown_reverse_client_hostname",
            "reject_unknown_sender_domain",
            "reject_unlisted_recipient",
            "reject_unlisted_sender",
            "reject_unverified_recipient",
            "reject_unverified_sender",
        ),
        _NONE,
    ),
    **dict.fromkeys(
        (
            "check_ccert_access",
            "check_client_a_access",
            "check_client_access",
            "check_client_mx_access",
            "check_client_ns_access",
            "check_helo_a_access",
            "check_helo_access",
            "check_helo_mx_access",
            "check_helo_ns_access",
            "check_policy_service",
            "check_recipient_a_access",
            "check_recipient_access",
            "check_recipient_mx_access",
            "check_recipient_ns_access",
            "check_reverse_client_hostname_a_access",
            "check_reverse_client_hostname_access",
            "check_reverse_client_hostname_mx_access",
            "check_reverse_client_hostname_ns_access",
            "check_sasl_access",
            "check_sender_a_access",
            "check_sender_access",
            "check_sender_mx_access",
            "check_sender_ns_access",
            "permit_dnswl_client",
            "permit_rhswl_client",
            "reject_rbl_client",
            "reject_rhsbl_client",
            "reject_rhsbl_helo",
            "reject_rhsbl_recipient",
            "reject_rhsbl_reverse_client",
            "reject_rhsbl_sender",
            "sleep",
        ),
        _MAP,
    ),
}

# Restrictions whose names do not begin with "reject". These never permit a client that has not logged in.
_PERMIT_NOBODY_ELSE = {
    "permit_sasl_authenticated",
    "defer_if_permit",
    "defer_if_reject",
    "defer_unauth_destination",
    "sleep",
}


# These reject mail to other domains, unless a restriction before them has permitted it.
_END_RELAYING = {"reject", "defer", "reject_unauth_destination", "defer_unauth_destination"}


def refuses_logins(value: str, definitions: Mapping[str, str]) -> bool:
    """Whether a list of restrictions rejects mail to other domains even from clients with a login.

    + definitions: the values for each `$name` in the list
    """
    for name, is_warning in _restrictions(value, definitions):
        if name in ("permit", "permit_sasl_authenticated"):
            return False
        if name in _END_RELAYING and not is_warning:
            return True
    return False


def asks_for_login(value: str, definitions: Mapping[str, str]) -> bool:
    """Whether a list of restrictions certainly rejects every client that has not logged in.

    It does if it contains `reject` or `defer`, and no restriction before that can permit such a client. A
    table, a policy service and a restriction class can.

    + definitions: the values for each `$name` in the list
    """
    for name, is_warning in _restrictions(value, definitions):
        if name in ("reject", "defer") and not is_warning:
            return True
        if not (name.startswith("reject") or name in _PERMIT_NOBODY_ELSE or name == "defer"):
            return False
    return False


def _restrictions(value: str, definitions: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Each restriction of a list, in lower case and without arguments; whether it only warns."""
    is_warning = False
    words = iter(elements(expanded(value, definitions)))
    for word in words:
        name = word.lower()
        if name != "warn_if_reject":
            yield name, is_warning
        is_warning = name == "warn_if_reject"
        for _ in range(max(RESTRICTIONS.get(name, _NONE))):
            next(words, None)
