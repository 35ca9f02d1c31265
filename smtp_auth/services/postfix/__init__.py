"""Postfix, which takes messages and delivers them."""

from smtp_auth.facts.look import MAIN_CF, MASTER_CF
from smtp_auth.plan.service import Service

POSTFIX = Service("postfix", "Postfix", "SmtpAuth::Postfix", 1, (MAIN_CF, MASTER_CF))
