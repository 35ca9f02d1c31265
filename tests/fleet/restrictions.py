"""The words of which drawn lists of restrictions are made, and how often people have them."""

# The second login of a drawn host: the one that a table may suspend.
SUSPENDED = "bob"

_SUSPENSION = (
    "check_sasl_access texthash:/etc/postfix/suspended",
    f"check_sasl_access inline:{{ {{ {SUSPENDED} = 554 suspended }} }}",
)
_STAFF = "check_sasl_access texthash:/etc/postfix/staff"
TABLES = {"suspended": f"{SUSPENDED} 554 suspended\n", "staff": "{user} OK\n"}

# It says the same of the suspended login, and nothing of others.
_POLICY = "check_policy_service unix:private/policy"
POLICY_PROGRAM = f"""#!/bin/sh
action=DUNNO
while read -r line; do
    case $line in
        sasl_username={SUSPENDED}) action='554 suspended' ;;
        '') printf 'action=%s\\n\\n' "$action"; action=DUNNO ;;
    esac
done
"""
POLICY_SERVICE = "policy unix - n n - 0 spawn user=nobody argv=/usr/local/bin/policy"

OWNERS = (
    f"inline:{{ root@{{domain}}=root, {{user}}@{{domain}}={{user}}, {SUSPENDED}@{{domain}}={SUSPENDED} }}"
)

_MISMATCH = (
    "reject_sender_login_mismatch",
    "reject_authenticated_sender_login_mismatch",
    "reject_known_sender_login_mismatch",
    "reject_unauthenticated_sender_login_mismatch",
)

# What a list of any kind may be made of.
WORDS = (
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "reject",
    "reject_unauth_destination",
    "defer_unauth_destination",
    *_MISMATCH,
    *_SUSPENSION,
    _STAFF,
    "check_sender_access inline:{ { elsewhere.example = 554 not from there } }",
    "check_client_access inline:{ 127.0.0.9=OK }",
    "warn_if_reject reject_sender_login_mismatch",
    "reject_maybe",
    "staff_only",
    "$our_senders",
)

CLASSES = {
    "reject_maybe": {
        "permit_sasl_authenticated, permit_mynetworks": 2,
        "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination": 2,
        "permit_mynetworks, reject": 1,
    },
    "staff_only": {
        f"{_STAFF}, reject": 2,
        "permit_sasl_authenticated, reject": 1,
        f"{_SUSPENSION[0]}, permit_sasl_authenticated, reject": 1,
    },
}

OUR_SENDERS = {
    "reject_sender_login_mismatch": 3,
    "reject_authenticated_sender_login_mismatch": 2,
    "permit_mynetworks, reject_sender_login_mismatch": 1,
    "permit_sasl_authenticated": 1,
}

# Key of a list to the values that it has in main.cf, with weights. "" is not defined, "?" is made of any
# words, "=" is Debian's own list, which is there already.
MAIN_LISTS = {
    "client": {
        "": 16,
        "permit_mynetworks, permit_sasl_authenticated, check_client_access inline:{ 192.0.2.66=REJECT }": 2,
        _SUSPENSION[0]: 1,
        "reject_maybe": 1,
        "?": 1,
    },
    "helo": {"": 16, "permit_mynetworks, reject_invalid_helo_hostname": 3, "?": 1},
    "sender": {
        "": 12,
        "reject_sender_login_mismatch": 1,
        "permit_mynetworks, reject_sender_login_mismatch": 2,
        "permit_sasl_authenticated, permit_mynetworks, reject_sender_login_mismatch": 2,
        "permit_mynetworks, reject_authenticated_sender_login_mismatch": 2,
        "reject_known_sender_login_mismatch": 1,
        "$our_senders": 2,
        "warn_if_reject reject_sender_login_mismatch": 1,
        "reject_non_fqdn_sender, check_sender_access inline:{ { spam.example = REJECT } }": 2,
        "?": 2,
    },
    "relay": {
        "=": 14,
        "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination": 4,
        "permit_mynetworks, reject_unauth_destination": 3,
        f"permit_mynetworks, {_STAFF}, reject_unauth_destination": 2,
        f"{_SUSPENSION[0]}, permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination": 2,
        "permit_mynetworks, staff_only": 1,
        "reject_maybe, reject_unauth_destination": 1,
        "?": 1,
    },
    "recipient": {
        "": 14,
        "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination": 3,
        f"{_SUSPENSION[1]}, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination": 2,
        "permit_mynetworks, reject_unauth_destination": 1,
        f"{_POLICY}, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination": 1,
        "?": 1,
    },
}

# The mua_* parameters that Debian's stanzas refer to.
MUA = {
    "client": {
        "": 6,
        "permit_sasl_authenticated,reject": 6,
        "permit_mynetworks,permit_sasl_authenticated,reject": 5,
        "permit_mynetworks,reject": 1,
        f"{_SUSPENSION[0]}, permit_sasl_authenticated, reject": 2,
    },
    "helo": {"": 10, "permit_mynetworks, reject_invalid_helo_hostname": 2},
    "sender": {
        "": 9,
        "reject_authenticated_sender_login_mismatch": 2,
        "reject_sender_login_mismatch": 3,
        "$our_senders": 1,
        "permit_mynetworks, reject_sender_login_mismatch": 1,
    },
    "relay": {
        "": 8,
        "permit_sasl_authenticated,reject": 3,
        "permit_mynetworks,permit_sasl_authenticated,reject": 2,
        f"{_STAFF}, reject": 1,
    },
}

# The lists of a service that has its own; "" is none of its own, so that main.cf's holds.
OWN_LISTS = {
    "client": {
        "": 5,
        "permit_sasl_authenticated,reject": 6,
        "permit_mynetworks,permit_sasl_authenticated,reject": 3,
        f"{_SUSPENSION[0]}, permit_sasl_authenticated, reject": 3,
        f"{_SUSPENSION[1]}, reject_maybe": 1,
        "?": 1,
    },
    "helo": {"": 9, "permit_mynetworks": 1},
    "sender": {
        "": 6,
        "reject_sender_login_mismatch": 4,
        "reject_authenticated_sender_login_mismatch": 2,
        "permit_mynetworks,reject_sender_login_mismatch": 1,
        "$our_senders": 2,
        "?": 1,
    },
    "relay": {
        "": 4,
        "permit_sasl_authenticated,reject": 6,
        "permit_mynetworks,permit_sasl_authenticated,reject": 2,
        f"{_STAFF}, reject": 1,
        "staff_only": 1,
        "?": 1,
    },
    "recipient": {
        "": 6,
        "permit_sasl_authenticated,reject": 2,
        "permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination": 2,
        f"{_SUSPENSION[0]}, permit_sasl_authenticated, reject": 1,
        f"{_POLICY}, permit_sasl_authenticated, reject": 2,
        "?": 1,
    },
}
