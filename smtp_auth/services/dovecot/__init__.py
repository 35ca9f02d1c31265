"""Dovecot, which knows the logins: Postfix asks its auth listener."""

from smtp_auth.plan.service import Service
from smtp_auth.services.dovecot.listener import expect

# Before Postfix: an smtpd that offers AUTH and finds no listener dies, on port 25, too.
DOVECOT = Service(key="dovecot", name="Dovecot", package="SmtpAuth::Dovecot", reload_order=1, expect=expect)
