"""The steps of the guide, in its order: one module per step.

Everything that needs the steps uses this list. deploy.py calls each step's operation in the same order.
"""

from operations import (
    certbot_hook,
    dovecot_auth_listener,
    postfix_sasl,
    postfix_sni,
    postfix_tls,
    submissions_service,
)
from smtp_auth.plan.step import Step

STEPS: tuple[Step, ...] = (
    postfix_tls.STEP,
    postfix_sni.STEP,
    certbot_hook.STEP,
    dovecot_auth_listener.STEP,
    postfix_sasl.STEP,
    submissions_service.STEP,
)
