"""certbot, which renews the certificates and then calls the deploy hook."""

from smtp_auth.plan.service import Service

CERTBOT = Service("certbot", "certbot's deploy hook", "SmtpAuth::Certbot")
