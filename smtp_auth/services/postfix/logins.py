"""Where Postfix offers logins in addition to port 465."""

from smtp_auth.facts.look import Look
from smtp_auth.postfix.master_cf import port_25_services
from smtp_auth.settings import Settings

AUTH = "smtpd_sasl_auth_enable"


def offered_on_port_25(settings: Settings, look: Look) -> bool:
    """Whether port 25 offers logins after a deploy."""
    if settings.smtp_auth_on_port_25 is False:
        return False
    services = port_25_services(look.master_cf.content or "")
    return any(service.effective_options.get(AUTH) != "no" for service in services)
