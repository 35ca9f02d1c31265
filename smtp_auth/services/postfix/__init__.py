"""Postfix, which serves the ports: main.cf, master.cf and the SNI table."""

from smtp_auth.plan.service import Service

POSTFIX = Service(key="postfix", name="Postfix", package="SmtpAuth::Postfix", reload_order=2)
