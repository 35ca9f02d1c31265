"""Postfix's access restrictions, and how many arguments each takes.

Source: postconf(5), access control; SMTPD_ACCESS_README.
"""

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

# Names that older releases of Postfix had, and still understand; none takes an argument.
FORMER_RESTRICTIONS = {
    "reject_invalid_hostname",
    "reject_maps_rbl",
    "reject_non_fqdn_hostname",
    "reject_unknown_address",
    "reject_unknown_client",
    "reject_unknown_hostname",
}
