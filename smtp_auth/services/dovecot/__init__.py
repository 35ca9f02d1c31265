"""Dovecot, which knows the users and their passwords."""

from smtp_auth.plan.service import Service

DOVECOT = Service("dovecot", "Dovecot", "SmtpAuth::Dovecot", 0)

# Below Postfix's queue directory: a chrooted smtpd sees no other place.
LISTENER = "private/auth"
