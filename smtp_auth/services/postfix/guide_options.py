"""The guide's options of the submissions service, and the restriction lists among them."""

from smtp_auth.services.dovecot.listener import AUTH_LISTENER

# TLS from the first byte (RFC 8314), and no mail without a login.
GUIDE_OPTIONS: dict[str, str] = {
    "syslog_name": "postfix/submissions",
    "smtpd_forbid_unauth_pipelining": "no",
    "smtpd_tls_wrappermode": "yes",
    "smtpd_sasl_auth_enable": "yes",
    "local_header_rewrite_clients": "static:all",
    "smtpd_hide_client_session": "yes",
    "smtpd_reject_unlisted_recipient": "no",
    "smtpd_client_restrictions": "$mua_client_restrictions",
    "smtpd_helo_restrictions": "$mua_helo_restrictions",
    "smtpd_sender_restrictions": "$mua_sender_restrictions",
    "smtpd_relay_restrictions": "$mua_relay_restrictions",
    "smtpd_recipient_restrictions": "permit_sasl_authenticated,reject",
    "milter_macro_daemon_name": "ORIGINATING",
}

# If a service has these options, they override what the other steps write into main.cf.
ASKS_DOVECOT: dict[str, str] = {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": AUTH_LISTENER}

# Written if a host does not define them: for an undefined one, every Postfix command prints a warning.
SAFE_RESTRICTIONS: dict[str, str] = {
    "mua_client_restrictions": "permit_sasl_authenticated, reject",
    "mua_helo_restrictions": "",
    "mua_sender_restrictions": "",
    "mua_relay_restrictions": "permit_sasl_authenticated, reject",
}

# Each of the guide's restriction lists, to the data key that replaces an owner's list.
LISTS: dict[str, str | None] = {
    "smtpd_client_restrictions": "mua_client_restrictions",
    "smtpd_helo_restrictions": "mua_helo_restrictions",
    "smtpd_sender_restrictions": "mua_sender_restrictions",
    "smtpd_relay_restrictions": "mua_relay_restrictions",
    "smtpd_recipient_restrictions": None,
}

# If smtpd_delay_reject = no, Postfix applies these before a client can log in.
EARLY_LISTS = ("smtpd_client_restrictions", "smtpd_helo_restrictions")
