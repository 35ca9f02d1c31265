"""All that the deploy has ever written on a host is taken back: the guide, from bottom to top.

pyinfra inventory.py remove.py --dry --diff     shows what would go
pyinfra inventory.py remove.py                  takes it back
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
    removal.as_first_seen(name="Files that nobody else has edited come back as they were first seen")

    submissions_service.service(
        name="Submissions: the service goes, or has its owner's options", present=False
    )

    postfix_sasl.sasl(name="SMTP AUTH, Postfix: it asks whom it asked before", present=False)

    # Behind Postfix: an smtpd that offers AUTH and finds no listener dies, on port 25 too.
    dovecot_auth_listener.listener(
        name="SMTP AUTH, Dovecot: its listener in Postfix's spool goes", present=False
    )

    certbot_hook.reload_services(
        name="Certificate rotation: our lines go out of certbot's hook", present=False
    )

    postfix_sni.domains(name="Further domains: their certificates are served no more", present=False)

    postfix_tls.certificate(name="SMTP TLS: Postfix has its earlier certificate", present=False)

    live.changes(name="Going live: what runs is what is on the disk")
