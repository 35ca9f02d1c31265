"""certbot, which obtains and renews the certificates: its deploy hook, and its lineages."""

from smtp_auth.plan.service import Service
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.certbot.definitions import HookDefinitions

CERTBOT = Service(
    key=HOOK.service,
    name="certbot's deploy hook",
    package="SmtpAuth::Certbot",
    definitions=HookDefinitions(),
)
