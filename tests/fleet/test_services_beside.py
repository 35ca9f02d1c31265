"""Other services beside port 465: it lets nobody do more than they, and takes nothing from them.

The numbers are kinds of states. Of each kind, those that are "near" are what other administrators have done.
"""

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import deploy, side_by_side, succeed
from tests.fleet.states import (
    ADDED_PASSWORD,
    LOGIN_ONLY,
    MYNETWORKS_TOO,
    OWN_SENDERS,
    POLICY,
    POSTSCREEN,
    REFUSES_A_FOREIGN_SENDER,
    RELOAD,
    SAYS_QUOTA,
    State,
    answers,
    auth_on_port_25,
    commands,
    lets_in_nobody,
    logs_in,
    main_cf,
    no_login_in_clear,
    on_service,
    prepare,
    reads,
    rounds,
    sends,
    service,
    try_states,
)

# -- how states are made ------------------------------------------------------------------------------

REFUSES_LOGINS = "which rejects even clients that have logged in: set "

OFFICE_ONLY = main_cf("office_only = permit_mynetworks, reject", "smtpd_restriction_classes = office_only")

# Postfix asks Dovecot, whose listener is the owner's.
DOVECOT = commands(
    "printf '%s\\n' 'service auth {' 'unix_listener /var/spool/postfix/private/auth {' 'mode = 0666' '}' '}' "
    ">/etc/dovecot/conf.d/90-auth.conf",
    "systemctl reload dovecot",
    main_cf("smtpd_sasl_type = dovecot", "smtpd_sasl_path = private/auth"),
)

# Printers, and applications on other hosts: the test's own address is one.
PRINTERS = "postconf mynetworks=127.0.0.0/8,198.18.0.0/15"
_LISTS_OF_DEBIAN_11 = (
    "smtpd_helo_restrictions=$mua_helo_restrictions",
    "smtpd_sender_restrictions=$mua_sender_restrictions",
    f"smtpd_relay_restrictions={MYNETWORKS_TOO}",
)
A_PRINTER_SENDS = answers(587, 250)


def _submission(*options: str, name: str = "submission", level: str = "encrypt") -> str:
    """A service on port 587 where users log in."""
    return service(f"smtpd_tls_security_level={level}", "smtpd_sasl_auth_enable=yes", *options, name=name)


def _for_printers(list_of_clients: str) -> str:
    return commands(
        PRINTERS,
        DOVECOT,
        _submission(
            f"smtpd_client_restrictions={list_of_clients}",
            *_LISTS_OF_DEBIAN_11,
            level="may",
        ),
        RELOAD,
    )


# A user beside the host's own, and tables of logins.
ERIN = f"useradd --create-home erin && echo erin:{ADDED_PASSWORD} | chpasswd"
SUSPENDED = commands(
    ERIN, "echo 'erin REJECT' >/etc/postfix/suspended", "postmap hash:/etc/postfix/suspended"
)
RELAYING = commands(ERIN, "echo '{user} OK' >/etc/postfix/relaying", "postmap hash:/etc/postfix/relaying")
SAYS_WHO_RELAYS = commands(
    RELAYING,
    "postconf 'smtpd_relay_restrictions=permit_mynetworks, check_sasl_access hash:/etc/postfix/relaying, "
    "reject_unauth_destination'",
)
ERIN_IS_REFUSED = answers(465, 554, login="erin", words="Access denied")
ERIN_DOES_NOT_RELAY = answers(465, 554, login="erin", words="Relay access denied")
A_FOREIGN_SENDER_PASSES = answers(465, 250, login="{user}", sender="somebody-else")

# A policy service that permits those who have logged in.
POLICY_FOR_LOGINS = commands(
    POLICY,
    "printf '%s\\n' '#!/bin/sh' 'action=DUNNO' 'while read -r line && [ -n \"$line\" ]; do' "
    "'case $line in sasl_username=?*) action=OK;; esac' 'done' "
    "'printf \"action=%s\\n\\n\" $action' >/usr/local/bin/policy",
)

LETS_MYNETWORKS_IN = tuple(f"smtpd_{name}_restrictions={MYNETWORKS_TOO}" for name in ("client", "relay"))


def _asks_cyrus(*options: str) -> str:
    return commands(
        "postconf cyrus_sasl_config_path=/etc/postfix/sasl",
        _submission("smtpd_relay_restrictions=permit_sasl_authenticated,reject", *options),
        RELOAD,
    )


CYRUS_KEEPS_ITS_PATH = reads("postconf -h cyrus_sasl_config_path", "/etc/postfix/sasl")


def _refers(name: str, value: str) -> str:
    return commands(main_cf(f"{name} = {value}"), RELOAD)


# -- the table ----------------------------------------------------------------------------------------

STATES = {
    "1 a list of the host's rejects everybody": State(
        commands(main_cf("mua_client_restrictions = permit_mynetworks, reject"), RELOAD),
        refused=f"{REFUSES_LOGINS}mua_client_restrictions",
    ),
    "1 a list of the host's lets nobody relay": State(
        commands(main_cf("mua_relay_restrictions = permit_mynetworks, reject_unauth_destination"), RELOAD),
        refused=f"{REFUSES_LOGINS}mua_relay_restrictions",
    ),
    "1 a list of the data rejects everybody": State(
        ":",
        data={"mua_client_restrictions": ["permit_mynetworks", "reject"]},
        refused="mua_client_restrictions = ['permit_mynetworks', 'reject']",
    ),
    "1 near: a class that rejects everybody, by a $name": State(
        commands(
            OFFICE_ONLY, main_cf("our_rules = office_only", "mua_sender_restrictions = $our_rules"), RELOAD
        ),
        refused=f"{REFUSES_LOGINS}mua_sender_restrictions",
    ),
    "1 near: nobody may send DATA": State(
        commands(main_cf("smtpd_data_restrictions = permit_mynetworks, reject"), RELOAD),
        refused=REFUSES_LOGINS,
    ),
    "1 near: a list of submissions_options, by a $name": State(
        commands(OFFICE_ONLY, RELOAD),
        data={"submissions_options": {"smtpd_recipient_restrictions": "$office_only"}},
        refused=REFUSES_LOGINS,
    ),
    "2 port 587 has the same list, and printers": State(
        _for_printers("$mua_client_restrictions"),
        seen=(sends, A_PRINTER_SENDS, lets_in_nobody),
    ),
    "2 near: port 2525 has the same list": State(
        commands(
            PRINTERS,
            service("smtpd_client_restrictions=$mua_client_restrictions", name="2525"),
            RELOAD,
        ),
        seen=(sends, answers(2525, 250), lets_in_nobody),
    ),
    "2 near: in braces, behind a macro of main.cf": State(
        commands(
            main_cf("our_clients = reject_unauth_pipelining, ${mua_client_restrictions}"),
            _for_printers("$our_clients"),
        ),
        seen=(sends, A_PRINTER_SENDS, lets_in_nobody),
    ),
    "2 near: the data have a list": State(
        _for_printers("$mua_client_restrictions"),
        data={"mua_client_restrictions": ["permit_sasl_authenticated", "reject"]},
        seen=(sends, A_PRINTER_SENDS, lets_in_nobody),
    ),
    "3 port 587 binds senders to logins": State(
        commands(
            DOVECOT,
            OWN_SENDERS,
            _submission(
                f"smtpd_relay_restrictions={LOGIN_ONLY}",
                "smtpd_sender_restrictions=reject_sender_login_mismatch",
                "smtpd_tls_mandatory_ciphers=high",
            ),
            RELOAD,
        ),
        said="does not have smtpd_tls_mandatory_ciphers of submission/inet: high",
        seen=(sends, REFUSES_A_FOREIGN_SENDER),
    ),
    "3 main.cf binds senders, behind a macro": State(
        commands(
            OWN_SENDERS,
            main_cf(
                "our_senders = reject_sender_login_mismatch",
                "smtpd_sender_restrictions = $our_senders",
            ),
            RELOAD,
        ),
        # Port 25 would reject mail of strangers that has a user's address as its sender.
        seen=(sends, REFUSES_A_FOREIGN_SENDER, answers(25, 250, to="{user}@{domain}")),
    ),
    "3 main.cf suspends a login": State(
        commands(
            SUSPENDED,
            main_cf(
                "smtpd_recipient_restrictions = check_sasl_access hash:/etc/postfix/suspended, "
                "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
            ),
            RELOAD,
        ),
        seen=(sends, ERIN_IS_REFUSED, lets_in_nobody),
    ),
    "3 port 587 suspends a login": State(
        commands(
            DOVECOT,
            SUSPENDED,
            _submission(
                "smtpd_recipient_restrictions=check_sasl_access,hash:/etc/postfix/suspended,"
                "permit_sasl_authenticated,reject"
            ),
            RELOAD,
        ),
        seen=(sends, ERIN_IS_REFUSED, lets_in_nobody),
    ),
    "3 main.cf says which logins relay": State(
        commands(SAYS_WHO_RELAYS, RELOAD),
        refused="set mua_relay_restrictions",
    ),
    "3 port 587 has a milter, a policy service and a limit": State(
        commands(
            DOVECOT,
            POLICY,
            _submission(
                "smtpd_milters=inet:127.0.0.1:8891",
                "milter_default_action=accept",
                "smtpd_client_message_rate_limit=100",
                "smtpd_recipient_restrictions=check_policy_service,unix:private/policy,permit_sasl_authenticated,reject",
            ),
            RELOAD,
        ),
        said="takes over smtpd_milters of submission/inet: inet:127.0.0.1:8891",
        seen=(
            logs_in,
            SAYS_QUOTA,
            on_service(
                "submissions/inet",
                "smtpd_milters = inet:127.0.0.1:8891",
                "milter_default_action = accept",
                "smtpd_client_message_rate_limit = 100",
            ),
        ),
    ),
    "3 near: 587 by its number, with a macro of its own": State(
        commands(
            DOVECOT,
            OWN_SENDERS,
            _submission(
                f"smtpd_relay_restrictions={LOGIN_ONLY}",
                "our_senders=reject_authenticated_sender_login_mismatch",
                "smtpd_sender_restrictions=$our_senders",
                name="587",
            ),
            RELOAD,
        ),
        seen=(sends, REFUSES_A_FOREIGN_SENDER),
    ),
    "3 near: 587 binds senders among its recipients' rules, filters and counts": State(
        commands(
            DOVECOT,
            OWN_SENDERS,
            _submission(
                "smtpd_recipient_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject",
                "content_filter=smtp:[127.0.0.1]:10024",
                "smtpd_recipient_limit=50",
            ),
            RELOAD,
        ),
        said="takes over content_filter of submission/inet: smtp:[127.0.0.1]:10024",
        seen=(
            logs_in,
            REFUSES_A_FOREIGN_SENDER,
            on_service(
                "submissions/inet",
                "content_filter = smtp:[127.0.0.1]:10024",
                "smtpd_recipient_limit = 50",
            ),
        ),
    ),
    "3 near: port 25 says which logins relay": State(
        commands(
            DOVECOT,
            SAYS_WHO_RELAYS,
            main_cf("smtpd_sasl_auth_enable = yes"),
            RELOAD,
        ),
        seen=(answers(465, 250, login="{user}"), ERIN_DOES_NOT_RELAY, lets_in_nobody),
    ),
    "4 main.cf lets logins pass before it compares senders": State(
        commands(
            OWN_SENDERS,
            main_cf(
                "smtpd_sender_restrictions = permit_sasl_authenticated, permit_mynetworks, "
                "reject_sender_login_mismatch"
            ),
            RELOAD,
        ),
        seen=(sends, A_FOREIGN_SENDER_PASSES),
    ),
    "4 near: everybody passes before": State(
        commands(
            OWN_SENDERS,
            main_cf(
                "smtpd_sender_restrictions = reject_non_fqdn_sender, permit, reject_sender_login_mismatch"
            ),
            RELOAD,
        ),
        seen=(sends, A_FOREIGN_SENDER_PASSES),
    ),
    "4 near: logins pass by a class": State(
        commands(
            OWN_SENDERS,
            main_cf(
                "smtpd_restriction_classes = our_users",
                "our_users = permit_sasl_authenticated",
                "smtpd_sender_restrictions = our_users, reject_sender_login_mismatch",
            ),
            RELOAD,
        ),
        seen=(sends, A_FOREIGN_SENDER_PASSES),
    ),
    "4 near: logins pass on 587, not in main.cf": State(
        commands(
            DOVECOT,
            OWN_SENDERS,
            main_cf("smtpd_sender_restrictions = reject_sender_login_mismatch"),
            _submission(
                f"smtpd_relay_restrictions={LOGIN_ONLY}",
                "smtpd_sender_restrictions=permit_sasl_authenticated,reject_sender_login_mismatch",
            ),
            RELOAD,
        ),
        seen=(sends, A_FOREIGN_SENDER_PASSES),
    ),
    "5 port 587 asks Cyrus by options of its own": State(
        _asks_cyrus("smtpd_sasl_type=cyrus", "smtpd_sasl_path=smtpd"),
        seen=(sends, CYRUS_KEEPS_ITS_PATH),
    ),
    "5 near: by a $name": State(
        commands(
            main_cf("their_sasl = cyrus"), _asks_cyrus("smtpd_sasl_type=$their_sasl", "smtpd_sasl_path=smtpd")
        ),
        seen=(sends, CYRUS_KEEPS_ITS_PATH),
    ),
    "5 near: port 587 takes Cyrus from main.cf": State(
        commands(main_cf("smtpd_sasl_type = cyrus"), _asks_cyrus()),
        seen=(
            sends,
            CYRUS_KEEPS_ITS_PATH,
            on_service("submission/inet", "smtpd_sasl_type = cyrus", "smtpd_sasl_path = smtpd"),
        ),
    ),
    "5 near: port 587 has a path alone": State(
        _asks_cyrus("smtpd_sasl_path=submission"),
        seen=(
            sends,
            CYRUS_KEEPS_ITS_PATH,
            on_service("submission/inet", "smtpd_sasl_type = cyrus", "smtpd_sasl_path = submission"),
        ),
    ),
    "6 port 25 takes passwords in clear": State(
        commands("postconf -P smtp/inet/smtpd_tls_auth_only=no", RELOAD),
        seen=(sends, no_login_in_clear(25), auth_on_port_25(True)),
    ),
    "6 near: No, by a $name": State(
        commands(main_cf("in_tls = No"), "postconf -P 'smtp/inet/smtpd_tls_auth_only=$in_tls'", RELOAD),
        seen=(sends, no_login_in_clear(25)),
    ),
    "6 near: behind postscreen": State(
        commands(
            POSTSCREEN.replace("{chroot}", "y"), "postconf -P smtpd/pass/smtpd_tls_auth_only=no", RELOAD
        ),
        seen=(sends, on_service("smtpd/pass", "smtpd_tls_auth_only = yes")),
    ),
    "6 near: port 2525, where nobody logs in": State(
        commands(service("smtpd_tls_auth_only=no", name="2525"), RELOAD),
        seen=(sends, no_login_in_clear(2525), auth_on_port_25(True)),
    ),
    "7 a class reject_… that permits": State(
        commands(
            main_cf(
                "smtpd_restriction_classes = reject_strangers", "reject_strangers = permit_mynetworks, reject"
            ),
            service(
                *LETS_MYNETWORKS_IN,
                "smtpd_recipient_restrictions=permit_sasl_authenticated,reject_strangers,reject",
            ),
            RELOAD,
        ),
        refused="set mua_relay_restrictions",
    ),
    "7 a table of logins, then reject": State(
        commands(
            RELAYING,
            service("smtpd_recipient_restrictions=check_sasl_access,hash:/etc/postfix/relaying,reject"),
            RELOAD,
        ),
        seen=(sends, ERIN_IS_REFUSED, lets_in_nobody),
    ),
    "7 a policy service, then reject": State(
        commands(
            POLICY_FOR_LOGINS,
            service("smtpd_recipient_restrictions=check_policy_service,unix:private/policy,reject"),
            RELOAD,
        ),
        seen=(sends, lets_in_nobody),
    ),
    "7 near: a table of recipients, then reject": State(
        commands(
            "echo '{domain} OK' >/etc/postfix/ours && postmap hash:/etc/postfix/ours",
            service("smtpd_recipient_restrictions=check_recipient_access,hash:/etc/postfix/ours,reject"),
            RELOAD,
        ),
        seen=(sends, lets_in_nobody),
    ),
    "7 near: a class that rejects": State(
        commands(
            main_cf(
                "smtpd_restriction_classes = reject_strangers",
                "reject_strangers = permit_sasl_authenticated, reject",
            ),
            service(*LETS_MYNETWORKS_IN, "smtpd_recipient_restrictions=reject_strangers"),
            RELOAD,
        ),
        seen=(sends, lets_in_nobody),
    ),
    "7 near: a restriction by its old name": State(
        commands(
            service(
                *LETS_MYNETWORKS_IN,
                "smtpd_recipient_restrictions=reject_invalid_hostname,permit_sasl_authenticated,reject",
            ),
            RELOAD,
        ),
        seen=(sends, lets_in_nobody),
    ),
    "8 smtpd_enforce_tls = Yes": State(
        commands("postconf smtpd_tls_security_level= smtpd_enforce_tls=Yes", RELOAD),
        seen=(sends, reads("postconf -h smtpd_tls_security_level", "encrypt")),
    ),
    "8 smtpd_tls_wrappermode = YES": State(
        commands(
            DOVECOT,
            service(
                "smtpd_tls_wrappermode=YES",
                "smtpd_sasl_auth_enable=Yes",
                f"smtpd_recipient_restrictions={LOGIN_ONLY}",
            ),
            RELOAD,
            "date '+%F %T' >/root/made",
        ),
        # Whoever speaks plain words there waits for an answer in vain.
        seen=(
            sends,
            reads("journalctl --since \"$(cat /root/made)\" --output=cat | grep -c 'SSL_accept error'", "0"),
        ),
    ),
    "8 near: smtpd_delay_reject = NO": State(
        commands(main_cf("smtpd_delay_reject = NO"), RELOAD),
        seen=(sends, on_service("submissions/inet", "smtpd_delay_reject = yes")),
    ),
    "8 near: smtpd_tls_req_ccert = Yes": State(
        commands(main_cf("smtpd_tls_req_ccert = Yes"), RELOAD), refused="smtpd_tls_req_ccert"
    ),
    "8 near: port 25 says No": State(
        commands("postconf -P smtp/inet/smtpd_sasl_auth_enable=No", RELOAD),
        said="smtp keeps its smtpd_sasl_auth_enable=",
        seen=(sends, auth_on_port_25(False)),
    ),
    "9 smtp_tls_cert_file": State(
        _refers("smtp_tls_cert_file", "$smtpd_tls_cert_file"),
        said="smtp_tls_cert_file refers to smtpd_tls_cert_file, so it changes, too",
        seen=(),
    ),
    "9 near: through two names": State(
        commands(main_cf("our_key = $smtpd_tls_key_file"), _refers("smtp_tls_key_file", "$our_key")),
        said="smtp_tls_key_file refers to ",
        seen=(),
    ),
    "9 near: in braces": State(
        _refers("lmtp_tls_cert_file", "${smtpd_tls_cert_file}"),
        said="lmtp_tls_cert_file refers to smtpd_tls_cert_file, so it changes, too",
        seen=(),
    ),
    "9 near: an option of another service": State(
        commands("postconf -P 'relay/unix/smtp_tls_cert_file=$(smtpd_tls_cert_file)'", RELOAD),
        said="smtp_tls_cert_file refers to smtpd_tls_cert_file, so it changes, too",
        seen=(),
    ),
}


@pytest.mark.parametrize("names", rounds(STATES), ids=" / ".join)
def test_a_host_with_services_beside_port_465(lab: Lab, names: tuple[str, ...]) -> None:
    try_states(lab, [STATES[name] for name in names])


def test_what_port_465_has_taken_over_outlives_the_other_service(lab: Lab, stock: list[LabHost]) -> None:
    binds = _submission("smtpd_sender_restrictions=reject_sender_login_mismatch")
    side_by_side(lambda host: prepare(host, commands(OWN_SENDERS, binds, RELOAD)), stock)
    succeed(deploy(stock))
    side_by_side(lambda host: host.run("postconf -MX submission/inet"), stock)
    preview = deploy(stock, "--dry", "--diff")
    succeed(deploy(stock))
    for host in stock:
        kept = "submissions keeps smtpd_sender_restrictions of submission/inet"
        assert any(kept in line for line in preview.lines_of(host)), preview.output
        REFUSES_A_FOREIGN_SENDER(host, lab)
    side_by_side(lambda host: host.run("postconf -F submissions/inet/process_limit=20"), stock)
    succeed(deploy(stock))
    for host in stock:
        REFUSES_A_FOREIGN_SENDER(host, lab)
        logs_in(host, lab)
