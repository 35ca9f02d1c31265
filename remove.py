"""Removes all that the deploy has ever written on a host: the guide, from bottom to top.

pyinfra inventory.py remove.py --dry --diff     shows what would be removed
pyinfra inventory.py remove.py                  removes it
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
from smtp_auth.runs import live, removal

if removal.ready_to_remove(STEPS):
    removal.as_first_seen(name="Files that nobody else has edited: restore them as first seen")

    submissions_service.service(
        name="Submissions: delete the service, or restore its owner's options", present=False
    )

    postfix_sasl.sasl(name="SMTP AUTH, Postfix: restore the earlier settings", present=False)

    # After Postfix: an smtpd that offers AUTH and finds no listener dies, on port 25, too.
    dovecot_auth_listener.listener(name="SMTP AUTH, Dovecot: delete the socket for Postfix", present=False)

    certbot_hook.reload_services(
        name="Certificate rotation: delete our lines from certbot's hook", present=False
    )

    postfix_sni.domains(name="Further domains: stop serving their certificates", present=False)

    postfix_tls.certificate(name="SMTP TLS: restore the earlier settings", present=False)

    live.changes(name="Reload: every service runs its current configuration")
