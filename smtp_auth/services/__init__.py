"""All that is known of a service, a folder each: its files, what a host is told, its reload and proof.

    dovecot/   the auth listener
    postfix/   main.cf, master.cf and the SNI table; the options of a service on port 465
    certbot/   the deploy hook and the certificates

Python and Perl stand side by side: `instructions.py` tells a host what `Change.pm` there has to know.
"""

from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot import instructions as certbot
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot import instructions as dovecot
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix import instructions as postfix

# Each service, to what a host is told of it.
INSTRUCTIONS = {
    POSTFIX: postfix.instructions,
    DOVECOT: dovecot.instructions,
    CERTBOT: certbot.instructions,
}

SERVICES = tuple(INSTRUCTIONS)
