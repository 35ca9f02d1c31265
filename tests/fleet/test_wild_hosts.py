"""Hosts in the wild: each was set up in another way, by an administrator who knew what they did.

A new state is one entry of the table; `states.py` says what it is made of.
"""

import re
import shlex

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet import by_hand
from tests.fleet.authority import Authority
from tests.fleet.deploying import deploy, succeed
from tests.fleet.hook import HOOK, run_until_postfix_is_reloaded
from tests.fleet.states import (
    LOGIN_ONLY,
    MYNETWORKS_TOO,
    OWN_SENDERS,
    POLICY,
    POSTSCREEN,
    REFUSES_A_FOREIGN_SENDER,
    RELOAD,
    SAYS_QUOTA,
    State,
    auth_on_port_25,
    commands,
    lets_in_nobody,
    logs_in,
    main_cf,
    on_service,
    reads,
    refuses_tls_1_1,
    rounds,
    sends,
    serves_a_proxys_client,
    service,
    try_states,
)

DROPIN = "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf"

LISTENER = "import socket, time; held = socket.create_server(('', 465)); time.sleep(999)"
TAKEN = (
    "systemctl stop postfix; "
    f"systemd-run --quiet --unit=taken python3 -c {shlex.quote(LISTENER)}; "
    "until ss -ltn | grep -q :465; do sleep 0.1; done; systemctl start postfix"
)

# A service without a list that requires a login.
OPEN_SERVICE = commands(
    service(
        f"smtpd_client_restrictions={MYNETWORKS_TOO}",
        f"smtpd_relay_restrictions={MYNETWORKS_TOO}",
        f"smtpd_recipient_restrictions={MYNETWORKS_TOO}",
    ),
    RELOAD,
)

DEBIAN_11_SMTPS = (
    "syslog_name=postfix/smtps",
    "smtpd_tls_wrappermode=yes",
    "smtpd_sasl_auth_enable=yes",
    "smtpd_reject_unlisted_recipient=no",
    "smtpd_client_restrictions=$mua_client_restrictions",
    "smtpd_helo_restrictions=$mua_helo_restrictions",
    "smtpd_sender_restrictions=$mua_sender_restrictions",
    "smtpd_recipient_restrictions=",
    "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
    "milter_macro_daemon_name=ORIGINATING",
)

# A pair of key and certificate in a lineage of its own. {names} is like DNS:a,DNS:b.
SELF_SIGNED = (
    "mkdir -p {live}/{lineage} && openssl req -x509 -nodes -days 90 -subj /CN=x {kind} "
    "-addext subjectAltName={names} -keyout {live}/{lineage}/privkey.pem "
    "-out {live}/{lineage}/fullchain.pem 2>/dev/null"
)
P256 = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"


def _lineage(lineage: str, names: str, kind: str = P256) -> str:
    return SELF_SIGNED.replace("{lineage}", lineage).replace("{names}", names).replace("{kind}", kind)


# As certbot writes it if --cert-name is the host's name.
NAMED_AFTER_HOST = "cp -a {live}/{domain} {live}/{name} && rm -r {live}/{domain}"


def _hostile_certificate(host: LabHost) -> None:
    """The certificate of the domain has a name that a shell would execute."""
    lineage = host.root / "etc/letsencrypt/live" / host.domain
    for name, content in Authority().lineage("$(reboot).example").items():
        (lineage / name).write_text(content)


STATES = {
    # 1 to 7: mail would be down or weaker
    "1 port 465 held by another program": State(
        commands(f"{{ {TAKEN}; }}", service()),
        refused="port 465 is held by another program",
        undo="systemctl stop taken",
    ),
    "2 no service is chrooted": State(
        commands("postconf -F '*/*/chroot=n'", RELOAD),
        seen=(sends, reads("postconf -F submissions/inet/chroot", r"\S+ = n")),
    ),
    "2 no service is chrooted, behind postscreen": State(
        commands(POSTSCREEN.replace("{chroot}", "n"), RELOAD),
        seen=(sends, reads("postconf -F submissions/inet/chroot", r"\S+ = n")),
    ),
    "2 an existing service keeps its column": State(
        commands(service("smtpd_tls_wrappermode=yes", chroot="n"), RELOAD),
        seen=(sends, reads("postconf -F smtps/inet/chroot", r"\S+ = n")),
    ),
    "3 the service has a sender's list": State(
        commands(OWN_SENDERS, service("smtpd_sender_restrictions=reject_sender_login_mismatch"), RELOAD),
        said="smtps keeps its smtpd_sender_restrictions",
        seen=(
            logs_in,
            REFUSES_A_FOREIGN_SENDER,
            on_service("smtps/inet", "smtpd_sender_restrictions = reject_sender_login_mismatch"),
        ),
    ),
    "3 the service asks a policy service": State(
        commands(
            POLICY,
            service(
                "{ smtpd_recipient_restrictions = check_policy_service unix:private/policy, "
                "permit_sasl_authenticated, reject }"
            ),
            RELOAD,
        ),
        said="smtps keeps its smtpd_recipient_restrictions",
        seen=(logs_in, SAYS_QUOTA, lets_in_nobody),
    ),
    "3 lists of main.cf that the service inherits": State(
        commands(
            OWN_SENDERS,
            POLICY,
            main_cf(
                "smtpd_sender_restrictions = reject_sender_login_mismatch",
                "smtpd_recipient_restrictions = check_policy_service unix:private/policy, "
                "permit_sasl_authenticated, reject",
            ),
            service("smtpd_tls_wrappermode=yes"),
            RELOAD,
        ),
        said="smtps keeps smtpd_sender_restrictions of main.cf",
        seen=(logs_in, REFUSES_A_FOREIGN_SENDER, SAYS_QUOTA, lets_in_nobody),
    ),
    "3 no list of the service asks for a login": State(
        OPEN_SERVICE,
        refused="set mua_relay_restrictions",
    ),
    "3 the same, with mua_relay_restrictions": State(
        OPEN_SERVICE,
        data={"mua_relay_restrictions": ["permit_sasl_authenticated", "reject"]},
        seen=(
            sends,
            lets_in_nobody,
            on_service(
                "smtps/inet",
                f"smtpd_client_restrictions = {MYNETWORKS_TOO}",
                "smtpd_relay_restrictions = $mua_relay_restrictions",
            ),
        ),
    ),
    "3 a list under which nobody can send": State(
        commands(service("smtpd_relay_restrictions=permit_mynetworks,reject"), RELOAD),
        refused="which rejects even clients that have logged in: set mua_relay_restrictions",
    ),
    "3 the service inherits what is meant for port 25": State(
        commands(
            main_cf("smtpd_recipient_restrictions = reject_unknown_sender_domain, reject_unauth_destination"),
            service("smtpd_tls_wrappermode=yes"),
            RELOAD,
        ),
        seen=(sends, on_service("smtps/inet", f"smtpd_recipient_restrictions = {LOGIN_ONLY}")),
    ),
    "3 one of several lists asks for a login": State(
        commands(
            service(
                f"smtpd_client_restrictions={MYNETWORKS_TOO}",
                "smtpd_recipient_restrictions=",
                "syslog_name=x",
            ),
            RELOAD,
        ),
        seen=(
            sends,
            lets_in_nobody,
            on_service(
                "smtps/inet",
                f"smtpd_client_restrictions = {MYNETWORKS_TOO}",
                f"smtpd_recipient_restrictions = {LOGIN_ONLY}",
                "smtpd_relay_restrictions = $mua_relay_restrictions",
                "syslog_name = x",
            ),
        ),
    ),
    "3 Debian 11's smtps, uncommented": State(
        commands(service(*DEBIAN_11_SMTPS), RELOAD),
        seen=(
            sends,
            lets_in_nobody,
            on_service(
                "smtps/inet",
                *(option.replace("=", " = ") for option in DEBIAN_11_SMTPS if not option.endswith("=")),
                f"smtpd_recipient_restrictions = {LOGIN_ONLY}",
            ),
        ),
    ),
    "3 a new service, and main.cf binds senders to logins": State(
        commands(OWN_SENDERS, main_cf("smtpd_sender_restrictions = reject_sender_login_mismatch"), RELOAD),
        seen=(logs_in, REFUSES_A_FOREIGN_SENDER),
    ),
    "4 port 25 offers logins by an option": State(
        commands("postconf -P smtp/inet/smtpd_sasl_auth_enable=yes", RELOAD),
        data={"smtp_auth_on_port_25": False},
        seen=(sends, auth_on_port_25(False)),
    ),
    "4 port 25 offers logins by an option, behind postscreen": State(
        commands(
            POSTSCREEN.replace("{chroot}", "y"), "postconf -P smtpd/pass/smtpd_sasl_auth_enable=yes", RELOAD
        ),
        data={"smtp_auth_on_port_25": False},
        seen=(sends, on_service("smtpd/pass", "smtpd_sasl_auth_enable = no")),
    ),
    "4 port 25 refuses logins by an option": State(
        commands("postconf -P smtp/inet/smtpd_sasl_auth_enable=no", RELOAD),
        said="smtp keeps its smtpd_sasl_auth_enable=no",
        seen=(sends, auth_on_port_25(False), on_service("smtp/inet", "smtpd_sasl_auth_enable = no")),
    ),
    "4 the service is below the floor": State(
        commands(service("smtpd_tls_wrappermode=yes", "smtpd_tls_mandatory_protocols=!SSLv2,!SSLv3"), RELOAD),
        seen=(sends, refuses_tls_1_1),
    ),
    "4 the service asks Cyrus SASL": State(
        commands(
            service("smtpd_tls_wrappermode=yes", "smtpd_sasl_type=cyrus", "smtpd_sasl_path=smtpd"), RELOAD
        ),
        seen=(sends,),
    ),
    "4 port 25 has a lower level of TLS by an option": State(
        commands("postconf -P smtp/inet/smtpd_tls_security_level=none", RELOAD),
        data={"smtpd_tls_security_level": "may"},
        seen=(sends, auth_on_port_25(True)),
    ),
    "6 a misspelt option": State(
        ":",
        data={"submissions_options": {"smtpd_milter": "inet:127.0.0.1:8891"}},
        refused="did you mean smtpd_milters?",
    ),
    "6 an option of a later release": State(
        ":",
        data={"submissions_options": {"smtpd_reject_filter_maps": "static:DUNNO"}},
        said="smtpd_reject_filter_maps is not written, because it exists since Postfix 3.11",
    ),
    "6 an option of the owner's, defined in main.cf": State(
        commands(main_cf("our_milter =", "smtpd_milters = $our_milter"), RELOAD),
        data={
            "submissions_options": {"our_milter": "inet:127.0.0.1:8891", "milter_default_action": "accept"}
        },
        seen=(sends, on_service("submissions/inet", "our_milter = inet:127.0.0.1:8891")),
    ),
    "7 Postfix stopped, its number another's": State(
        "systemctl stop 'postfix*'; systemctl show --value --property=MainPID ssh "
        ">/var/spool/postfix/pid/master.pid",
        refused="Postfix is not running",
        undo="systemctl start postfix",
    ),
    # 8 to 19: refused for ever, or failing at the end
    "8 a parameter defined twice": State(
        commands(
            main_cf("smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem", "smtpd_sasl_type = cyrus"),
            main_cf("smtpd_sasl_type = cyrus"),
            RELOAD,
        ),
        seen=(
            sends,
            reads("postconf -n 2>&1 | grep -c warning", "0"),
            reads("grep -c '^#smtpd_sasl_type = cyrus' /etc/postfix/main.cf", "1"),
        ),
    ),
    "9 options that refer to no mua_ parameter": State(
        ":",
        data={
            "submissions_options": {
                "smtpd_client_restrictions": "permit_sasl_authenticated, reject",
                "smtpd_helo_restrictions": None,
            }
        },
        seen=(
            sends,
            reads("grep -E '^mua_(client|helo)' /etc/postfix/main.cf", ""),
            reads("postconf -n 2>&1 | grep -c warning", "0"),
        ),
    ),
    "10 a macro that nothing refers to afterwards": State(
        commands(
            "sed -i '/^smtpd_tls_[a-z]*_file/d' /etc/postfix/main.cf",
            main_cf(
                "tls_dir = /etc/ssl",
                "smtpd_tls_cert_file = $tls_dir/certs/ssl-cert-snakeoil.pem",
                "smtpd_tls_key_file = $tls_dir/private/ssl-cert-snakeoil.key",
            ),
            RELOAD,
        ),
    ),
    "11 a wildcard that covers names of the host's own certificate": State(
        commands(
            _lineage("{name}", "DNS:{name},DNS:mail.{domain}"),
            "rm -r {live}/{domain}",
            _lineage("{domain}", "DNS:*.{domain}"),
        ),
        data={"mail_domain": "{name}", "additional_domains": ["{domain}"]},
        seen=(lets_in_nobody,),
    ),
    "12 an owner's table has another certificate for the host's name": State(
        commands(
            _lineage("other", "DNS:{name}"),
            "echo '{name} {live}/other/privkey.pem {live}/other/fullchain.pem' >/etc/postfix/own_sni",
            "postmap -F hash:/etc/postfix/own_sni",
            main_cf("tls_server_sni_maps = hash:/etc/postfix/own_sni"),
            RELOAD,
        ),
        refused="tls_server_sni_maps",
    ),
    "12 an owner's table has a parent domain of it": State(
        commands(
            _lineage("other", "DNS:*.{domain}"),
            "echo '.{domain} {live}/other/privkey.pem {live}/other/fullchain.pem' >/etc/postfix/own_sni",
            main_cf("tls_server_sni_maps = texthash:/etc/postfix/own_sni"),
            RELOAD,
        ),
        refused="tls_server_sni_maps",
    ),
    "12 an owner's table has the same certificate": State(
        commands(
            "echo '{name} {live}/{domain}/privkey.pem {live}/{domain}/fullchain.pem' >/etc/postfix/own_sni",
            "postmap -F hash:/etc/postfix/own_sni",
            main_cf("tls_server_sni_maps = hash:/etc/postfix/own_sni"),
            RELOAD,
        ),
    ),
    "13 a listener in local.conf": State(
        "printf '%s\\n' 'service auth {' 'unix_listener /var/spool/postfix/private/auth {' 'mode = 0666' "
        "'}' '}' >/etc/dovecot/local.conf && systemctl reload dovecot",
        refused="overrules it",
    ),
    "13 Dovecot configured in one file": State(
        "doveconf -n >/root/flat && cp /root/flat /etc/dovecot/dovecot.conf && systemctl reload dovecot",
        refused="dovecot.conf does not include",
    ),
    "14 smtpd_delay_reject = no": State(
        commands(main_cf("smtpd_delay_reject = no"), RELOAD),
        seen=(sends, on_service("submissions/inet", "smtpd_delay_reject = yes")),
    ),
    "14 the same, by hand, and it serves": State(
        lambda host: by_hand.follow_the_guide(host, by_hand.SERVES_WITHOUT_DELAY),
        unchanged=True,
    ),
    "14 postscreen that greets slowly": State(
        commands(
            POSTSCREEN.replace("{chroot}", "y"),
            main_cf("postscreen_access_list =", "postscreen_greet_action = drop"),
            RELOAD,
        ),
        seen=(sends,),
    ),
    "14 smtpd_upstream_proxy_protocol": State(
        commands(main_cf("smtpd_upstream_proxy_protocol = haproxy"), RELOAD),
        said="submissions expects a proxy's header",
        seen=(serves_a_proxys_client,),
    ),
    "14 smtpd_upstream_proxy_protocol, not on port 465": State(
        commands(main_cf("smtpd_upstream_proxy_protocol = haproxy"), RELOAD),
        data={"submissions_options": {"smtpd_upstream_proxy_protocol": ""}},
    ),
    "14 smtpd_tls_req_ccert = yes": State(
        commands(main_cf("smtpd_tls_req_ccert = yes"), RELOAD), refused="smtpd_tls_req_ccert"
    ),
    "14 smtpd_tls_req_ccert = yes, by hand, and nothing to do": State(
        lambda host: by_hand.follow_the_guide(
            host, by_hand.RESTRICTIONS_AND_FLOOR + "smtpd_tls_req_ccert = yes\n"
        ),
        unchanged=True,
        seen=(),
    ),
    "14 smtpd_tls_req_ccert = yes, not on port 465": State(
        commands(main_cf("smtpd_tls_req_ccert = yes"), RELOAD),
        data={"submissions_options": {"smtpd_tls_req_ccert": "no"}},
    ),
    "15 oqmgr": State(commands("postconf -M 'qmgr/unix=qmgr unix n - n 300 1 oqmgr'", RELOAD)),
    "16 Postfix started by hand": State(
        # As in a session of the administrator's. On Debian 13, "postfix start" would ask systemd.
        "systemctl stop 'postfix*'; systemd-run --quiet --unit=by-hand --property=Type=forking "
        "/usr/lib/postfix/sbin/master -w",
        refused="Postfix was not started by systemd (it runs in by-hand.service)",
        undo="systemctl stop by-hand; systemctl start postfix",
    ),
    "17 a lineage named after the host": State(NAMED_AFTER_HOST, refused="set certificate_name to '{name}'"),
    "17 the same, with certificate_name": State(NAMED_AFTER_HOST, data={"certificate_name": "{name}"}),
    "17 the domain's lineage does not cover the host": State(
        commands(NAMED_AFTER_HOST, _lineage("{domain}", "DNS:www.{domain}")),
        refused="set certificate_name to '{name}'",
    ),
    "17 names of several lineages": State(
        commands(NAMED_AFTER_HOST, _lineage("shop-2026", "DNS:mail.shop.{domain}")),
        data={
            "additional_domains": ["shop.{domain}"],
            "certificate_name": {"{domain}": "{name}", "shop.{domain}": "shop-2026"},
        },
    ),
    "18 a snapshot of Postfix": State(commands(main_cf("mail_version = 3.12-20260821"), RELOAD)),
    "18 a release candidate of Postfix": State(commands(main_cf("mail_version = 3.10-RC1"), RELOAD)),
    "18 a key of an unknown kind": State(
        _lineage("{domain}", "DNS:{name}", "-newkey ec -pkeyopt ec_paramgen_curve:sect239k1"),
        refused="issue the certificate with an RSA or ECDSA key",
    ),
    "19 a dangling link as hook": State(
        f"ln -s /nonexistent/hook {HOOK}", refused=f"{HOOK} is a link to /nonexistent/hook"
    ),
    "19 a dangling link as drop-in": State(
        f"ln -s /nonexistent/conf {DROPIN}",
        refused="link to /nonexistent/conf",
    ),
    "19 a dangling link as table": State(
        commands("ln -s /nonexistent/sni /etc/postfix/smtp_auth_sni", _lineage("shop", "DNS:mail.shop")),
        data={"additional_domains": ["shop.{domain}"], "certificate_name": {"shop.{domain}": "shop"}},
        refused="/etc/postfix/smtp_auth_sni is a link to /nonexistent/sni",
    ),
    "19 a dangling link that is in nobody's way": State("ln -s /nonexistent/sni /etc/postfix/smtp_auth_sni"),
    # 20 and 21: stricter settings
    **{
        f"20 smtpd_tls_mandatory_protocols = {value}": State(
            commands(main_cf(f"smtpd_tls_mandatory_protocols = {value}"), RELOAD),
            seen=(sends, reads("postconf -h smtpd_tls_mandatory_protocols", re.escape(value))),
        )
        for value in (">=tlsv1.3", "tlsv1.3", ">=0304")
    },
    "21 smtpd_tls_security_level = encrypt": State(
        commands("postconf smtpd_tls_security_level=encrypt", RELOAD),
        seen=(sends, reads("postconf -h smtpd_tls_security_level", "encrypt")),
    ),
    "21 smtpd_enforce_tls = yes": State(
        commands("postconf smtpd_tls_security_level= smtpd_enforce_tls=yes", RELOAD),
        seen=(sends, reads("postconf -h smtpd_tls_security_level", "encrypt")),
    ),
    # 22: control characters of a terminal
    "22 a hook's first line": State(
        f"printf '#!/usr/bin/tcl\\007\\nputs x\\n' >{HOOK}; chmod +x {HOOK}", refused="/usr/bin/tcl\\x07"
    ),
    "22 a lineage's name": State(
        "cp -a {live}/{domain} \"{live}/$(printf 'x;reboot\\007')\" && rm -r {live}/{domain}",
        refused="the host has: x;reboot\\x07",
    ),
    "22 a name in a certificate": State(
        _hostile_certificate, refused="'$(reboot).example', which is no DNS name"
    ),
}


@pytest.mark.parametrize("names", rounds(STATES), ids=" / ".join)
def test_a_host_in_the_wild(lab: Lab, names: tuple[str, ...]) -> None:
    try_states(lab, [STATES[name] for name in names])


# -- certbot's hook -----------------------------------------------------------------------------------

RELOADS = "systemctl reload postfix"

# Hooks of owners, to whether they reload Postfix for sure, so that nothing has to be written.
HOOKS = {
    "a reload for another lineage": (
        f'#!/bin/sh\n[ "$RENEWED_LINEAGE" = /etc/letsencrypt/live/other ] && {RELOADS}\n:\n',
        False,
    ),
    "an echo": (f"#!/bin/sh\necho {RELOADS}\n", False),
    "a here-document": (f"#!/bin/sh\ncat >/dev/null <<END\n{RELOADS}\nEND\n", False),
    "an exit for others": (f'#!/bin/sh\n[ "$RENEWED_LINEAGE" = /x ] || exit 0\n{RELOADS}\n', False),
    "an exit in an if": (f'#!/bin/sh\nif [ -z "$NEVER" ]; then\n  exit 0\nfi\n{RELOADS}\n', False),
    "set -e": (f"#!/bin/sh\nset -e\nfalse\n{RELOADS}\n", False),
    "-e in the first line": ("#!/bin/sh -eu\nfalse\nlogger done\n", False),
    "a function": (f"#!/bin/bash\nrenew() {{\n{RELOADS}\n}}\n", False),
    "an exec": (f"#!/bin/sh\nexec logger renewed\n{RELOADS}\n", False),
    "a reload in the background of a condition": (f"#!/bin/sh\nfalse &&\n{RELOADS}\n:\n", False),
    "the guide's": (f"#!/bin/sh\n{RELOADS}\n", True),
    "a reload after other commands": (f"#!/bin/bash\nlogger renewed\n{RELOADS} || logger failed\n", True),
    "restarted with others": ("#!/bin/sh\n# ours\nsystemctl restart dovecot postfix.service\nexit 0\n", True),
    "postfix reload": ("#!/bin/sh\nPATH=$PATH:/usr/sbin\n/usr/sbin/postfix reload\n", True),
}


@pytest.mark.parametrize("name", HOOKS)
def test_postfix_is_reloaded_after_a_renewal(lab: Lab, stock: list[LabHost], name: str) -> None:
    own, suffices = HOOKS[name]
    for host in stock:
        hook = host.root / HOOK.lstrip("/")
        hook.write_text(own)
        hook.chmod(0o755)
    succeed(deploy(stock))
    for host in stock:
        text = (host.root / HOOK.lstrip("/")).read_text()
        assert (text == own) == suffices, text
        assert set(own.splitlines()) <= set(text.splitlines())
        run_until_postfix_is_reloaded(host)


def test_the_hook_is_a_page_that_can_be_read(stock: list[LabHost]) -> None:
    succeed(deploy(stock))
    for host in stock:
        folder = (host.root / HOOK.lstrip("/")).parent
        assert [file.name for file in folder.iterdir()] == ["reload_services.sh"]
        assert len((folder / "reload_services.sh").read_text().splitlines()) <= 14
