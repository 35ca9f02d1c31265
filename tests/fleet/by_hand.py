"""Hosts as administrators leave them: the guide followed by hand, and ten years of edits."""

from lab.command import wait_until
from lab.host import LabHost

# Postfix then offers AUTH without TLS, too.
EDIT = "postconf -e smtpd_tls_auth_only=no && systemctl reload postfix"

GUIDE_STANZA = """submissions inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_forbid_unauth_pipelining=no
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o local_header_rewrite_clients=static:all
{hide}  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o smtpd_helo_restrictions=$mua_helo_restrictions
  -o smtpd_sender_restrictions=$mua_sender_restrictions
  -o smtpd_relay_restrictions=$mua_relay_restrictions
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
"""

GUIDE_MAIN_CF = """
# Add SASL configurations
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
smtpd_tls_auth_only = yes
"""

RESTRICTIONS_AND_FLOOR = """
# Our own restrictions
mua_client_restrictions = permit_sasl_authenticated,
    # phones first
    reject
mua_helo_restrictions =
mua_sender_restrictions = reject_non_fqdn_sender
mua_relay_restrictions = permit_sasl_authenticated reject
smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1
"""

# Everything is asked at once, and nothing refuses a client that has not logged in yet.
SERVES_WITHOUT_DELAY = """
smtpd_delay_reject = no
mua_client_restrictions =
mua_helo_restrictions =
mua_sender_restrictions =
mua_relay_restrictions = permit_sasl_authenticated, reject
smtpd_tls_mandatory_protocols = >=TLSv1.2
"""

MESSY_MAIN_CF = """
# --- moved here from the old server, 2014 (jk) ---
smtpd_sasl_type = cyrus
smtpd_tls_ciphers = medium\t
mynetworks = 127.0.0.0/8
    [::1]/128
# the branch office
    192.0.2.0/24
header_size_limit=51200
smtpd_tls_eccert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem
"""

MESSY_STANZA = """# Outlook needs this (2016)
smtps     inet  n       -       n       -       50      smtpd -o syslog_name=postfix/smtps
  -o smtpd_tls_wrappermode=yes
  # our filter; do not remove!
  -o smtpd_client_connection_count_limit=7
  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
  -o smtpd_etrn_restrictions=reject -o smtpd_sasl_auth_enable=no
"""

MESSY_HOOK = "#!/bin/bash\n# web server\nlogger renewed $RENEWED_LINEAGE\n"


def follow_the_guide(host: LabHost, extra: str = "") -> None:
    """Edit the files as the guide says, and reload.

    + extra: further lines for main.cf
    """
    lineage = f"/etc/letsencrypt/live/{host.domain}"
    uncomment_listener(host, "    mode = 0600\n    user = postfix\n    group = postfix\n")
    main = host.root / "etc/postfix/main.cf"
    lines = []
    for line in main.read_text().splitlines():
        name = line.partition("=")[0].strip()
        if name == "smtpd_tls_cert_file":
            line = f"smtpd_tls_cert_file = {lineage}/fullchain.pem"
        elif name == "smtpd_tls_key_file":
            line = f"smtpd_tls_key_file={lineage}/privkey.pem"
        elif name == "cyrus_sasl_config_path":
            line = f"#{line}"
        lines.append(line)
    main.write_text("\n".join(lines) + "\n" + GUIDE_MAIN_CF + extra)
    knows_hiding = "smtpd_hide_client_session" in host.run("postconf -d smtpd_hide_client_session").stdout
    hide = "  -o smtpd_hide_client_session=yes\n" if knows_hiding else ""
    with (host.root / "etc/postfix/master.cf").open("a") as services:
        services.write(GUIDE_STANZA.format(hide=hide))
    hook = host.root / "etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
    hook.write_text("#!/bin/sh\nsystemctl reload postfix\n")
    hook.chmod(0o755)
    reload(host)


def make_messy(host: LabHost) -> None:
    """Make a host as ten years of administrators leave it, with port 25 served, and reload."""
    with (host.root / "etc/postfix/main.cf").open("a") as main:
        main.write(MESSY_MAIN_CF)
    with (host.root / "etc/postfix/master.cf").open("a") as services:
        services.write(MESSY_STANZA)
    uncomment_listener(host, "    mode = 0666\n")
    hook = host.root / "etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
    hook.write_text(MESSY_HOOK)
    hook.chmod(0o644)
    reload(host)


def reload(host: LabHost) -> None:
    """Reload Dovecot and Postfix. systemctl(1) does not wait until Dovecot has done it: this does."""
    before = dovecot_log(host)
    host.run("systemctl reload dovecot && systemctl reload postfix")
    wait_until(lambda: dovecot_log(host) not in ("", before), f"Dovecot on {host.name} reloads")


def dovecot_log(host: LabHost) -> str:
    """The PID of Dovecot's log process: a reload starts another one, once the sockets are as configured."""
    return host.run("pgrep -n -x -P $(cat /run/dovecot/master.pid) log", check=False).stdout


def reloads_of_postfix(host: LabHost) -> int:
    """How often Postfix was reloaded, as far as the host's journal goes back."""
    log = host.run("journalctl --sync; journalctl --output=cat -t postfix/master", check=False).stdout
    return log.count("reload -- version")


def uncomment_listener(host: LabHost, settings: str) -> None:
    """Uncomment Dovecot's stock block, with these settings in it; no reload."""
    master = host.root / "etc/dovecot/conf.d/10-master.conf"
    text = master.read_text()
    commented = "  #unix_listener /var/spool/postfix/private/auth {\n  #  mode = 0666\n  #}\n"
    assert commented in text
    listener = f"  unix_listener /var/spool/postfix/private/auth {{\n{settings}  }}\n"
    master.write_text(text.replace(commented, listener))
