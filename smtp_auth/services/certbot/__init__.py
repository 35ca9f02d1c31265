"""certbot, which obtains and renews the certificates: its deploy hook, and its lineages."""

from smtp_auth.plan.service import Service

CERTBOT = Service(key="certbot", name="certbot's deploy hook", package="SmtpAuth::Certbot")
