# The guide's commands as a shell script: edits what differs, reloads what was edited.
# $1 is the mail domain, $2 smtpd_tls_security_level.
set -eu
live=/etc/letsencrypt/live/$1
hook=/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh
dropin=/etc/dovecot/conf.d/99-postfix-smtp-auth.conf
test -e "$live/fullchain.pem"

# Certificate rotation
if ! grep -qs '^#!' "$hook"; then
    printf '#!/bin/sh\n' >"$hook"
    chmod 0755 "$hook"
fi
grep -q '^systemctl reload postfix$' "$hook" || echo 'systemctl reload postfix' >>"$hook"

# Dovecot side
if ! doveconf -n | grep -q 'unix_listener /var/spool/postfix/private/auth'; then
    cat >"$dropin" <<'END'
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0600
    user = postfix
    group = postfix
  }
}
END
    systemctl reload dovecot
    echo changed Dovecot
fi

# Postfix
before=$(cat /etc/postfix/main.cf /etc/postfix/master.cf)
grep -q '^cyrus_sasl_config_path' /etc/postfix/main.cf && postconf -# cyrus_sasl_config_path
present=$(postconf -n)
set -- \
    "smtpd_tls_key_file = $live/privkey.pem" \
    "smtpd_tls_cert_file = $live/fullchain.pem" \
    "smtpd_tls_security_level = $2" \
    "smtpd_tls_mandatory_protocols = >=TLSv1.2" \
    "smtpd_sasl_type = dovecot" \
    "smtpd_sasl_path = private/auth" \
    "smtpd_sasl_auth_enable = yes" \
    "smtpd_tls_auth_only = yes" \
    "mua_client_restrictions = permit_sasl_authenticated, reject" \
    "mua_helo_restrictions =" \
    "mua_sender_restrictions =" \
    "mua_relay_restrictions = permit_sasl_authenticated, reject"
for line; do
    shift
    printf '%s\n' "$present" | grep -qxF -e "$line" -e "$line " || set -- "$@" "$line"
done
[ $# = 0 ] || postconf -e "$@"

# Submission port
options='
syslog_name=postfix/submissions
smtpd_forbid_unauth_pipelining=no
smtpd_tls_wrappermode=yes
smtpd_sasl_auth_enable=yes
local_header_rewrite_clients=static:all
smtpd_hide_client_session=yes
smtpd_reject_unlisted_recipient=no
smtpd_client_restrictions=$mua_client_restrictions
smtpd_helo_restrictions=$mua_helo_restrictions
smtpd_sender_restrictions=$mua_sender_restrictions
smtpd_relay_restrictions=$mua_relay_restrictions
smtpd_recipient_restrictions=permit_sasl_authenticated,reject
milter_macro_daemon_name=ORIGINATING'
if [ -z "$(postconf -M submissions/inet 2>/dev/null)" ]; then
    service='submissions inet n - y - - smtpd'
    for option in $options; do
        # A parameter that this Postfix does not know is left out.
        case $option in
        smtpd_hide_client_session=*) [ -n "$(postconf -d "${option%%=*}" 2>/dev/null)" ] || continue ;;
        esac
        service="$service -o $option"
    done
    postconf -M "submissions/inet=$service"
fi
if [ "$(cat /etc/postfix/main.cf /etc/postfix/master.cf)" != "$before" ]; then
    postfix check
    systemctl reload postfix
    echo changed Postfix
fi
