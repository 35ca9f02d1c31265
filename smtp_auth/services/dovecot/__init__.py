"""Dovecot, which knows the logins: Postfix asks its auth listener."""

from smtp_auth.plan.service import Service

DOVECOT = Service(key="dovecot", name="Dovecot", package="SmtpAuth::Dovecot", reload_order=1)
