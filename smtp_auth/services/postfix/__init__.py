"""Postfix, which serves the ports: main.cf, master.cf and the SNI table."""

from smtp_auth.facts.look import MAIN_CF, MASTER_CF
from smtp_auth.plan.service import Service
from smtp_auth.services.postfix.coming_back import expect, read
from smtp_auth.services.postfix.reload import due

POSTFIX = Service(
    key=MAIN_CF.service,
    name="Postfix",
    package="SmtpAuth::Postfix",
    reload_order=2,
    files=(MAIN_CF, MASTER_CF),
    due=due,
    read=read,
    expect=expect,
)
