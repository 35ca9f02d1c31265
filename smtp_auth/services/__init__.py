"""All that is known of a service, in one folder each: its files, its instructions, its reload and proof.

    dovecot/   the auth listener
    postfix/   main.cf, master.cf and the SNI table; the options of a service on port 465
    certbot/   the deploy hook and the certificates

Python and Perl are side by side: `instructions.py` makes the instructions that `Change.pm` reads on the host.
"""

from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot import instructions as certbot
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot import instructions as dovecot
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix import instructions as postfix

# Each service to the function that makes its instructions.
INSTRUCTIONS = {
    POSTFIX: postfix.instructions,
    DOVECOT: dovecot.instructions,
    CERTBOT: certbot.instructions,
}

SERVICES = tuple(INSTRUCTIONS)
