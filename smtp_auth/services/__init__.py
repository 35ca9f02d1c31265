"""All that is known of a service, a folder each: its files, what a host is told, its reload and proof."""

from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.postfix import POSTFIX

SERVICES = (POSTFIX, DOVECOT, CERTBOT)
