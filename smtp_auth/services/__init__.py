"""The services of a mail host, each with all that is known of it in a folder of its own."""

from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.postfix import POSTFIX

SERVICES = (DOVECOT, POSTFIX, CERTBOT)
