"""Authenticated, encrypted submission on port 465 (RFC 8314): the guide, from top to bottom.

pyinfra inventory.py deploy.py --dry --diff     shows what would change
pyinfra inventory.py deploy.py                  changes it
"""

from operations import (
    STEPS,
    certbot_hook,
    dovecot_auth_listener,
    postfix_sasl,
    postfix_sni,
    postfix_tls,
    submissions_service,
)
from smtp_auth.runs import live
from smtp_auth.runs.host import ready

if ready(STEPS):
    postfix_tls.certificate(name="SMTP TLS: Postfix uses the domain's certificate")

    postfix_sni.domains(name="Further domains: Postfix serves each one's own certificate")

    certbot_hook.reload_services(name="Certificate rotation: certbot's hook reloads Postfix")

    # Before Postfix: an smtpd that offers AUTH and finds no listener dies, on port 25, too.
    dovecot_auth_listener.listener(name="SMTP AUTH, Dovecot: it listens on a socket for Postfix")

    postfix_sasl.sasl(name="SMTP AUTH, Postfix: it checks logins with Dovecot")

    submissions_service.service(name="Submissions: the service on port 465")

    # The first operation with an edit makes all edits of the host. This one reloads services if only that is
    # due.
    live.changes(name="Reload: every service runs its current configuration")
