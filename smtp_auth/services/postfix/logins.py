"""Where Postfix offers logins in addition to port 465."""

from dataclasses import dataclass

from smtp_auth.facts.look import Look
from smtp_auth.postfix.master_cf import Service, port_25_services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.postfix.restrictions import LISTS_OF_A_MESSAGE, rejects_strangers_with_sasl
from smtp_auth.services.postfix.login_rules import AUTH, missing_limits, offers_logins
from smtp_auth.services.postfix.submissions_options import options_of_services
from smtp_auth.settings import Settings


@dataclass(frozen=True)
class Difference:
    """Why logins on port 25 would be another thing than on port 465, or change more than logins.

    + service: the one of port 25
    + unlimited: names of lists and options that limit logins on port 465 and not there
    + limited: the name of the service on port 465
    + strangers: its lists that would begin to reject clients without a login
    """

    service: Service
    unlimited: tuple[str, ...] = ()
    limited: str = ""
    strangers: tuple[str, ...] = ()


def offered_on_port_25(settings: Settings, look: Look) -> bool:
    """Whether port 25 offers logins after a deploy. + look: the host without what we have written"""
    return any(
        is_offered_after(settings, look, one) for one in port_25_services(look.master_cf.content or "")
    )


def is_offered_after(settings: Settings, look: Look, service: Service) -> bool:
    """Whether a service of port 25 offers logins after a deploy. The arguments are those above."""
    if settings.smtp_auth_on_port_25 is False:
        return False
    if AUTH in service.effective_options:
        return offers_logins(look, service)
    return is_on_in_main_cf(settings, look)


def is_on_in_main_cf(settings: Settings, look: Look) -> bool:
    """Whether main.cf switches logins on after a deploy. The arguments are those above."""
    asked = settings.smtp_auth_on_port_25
    if asked is None:
        return is_yes(look.parameters[AUTH]) or not differences(settings, look)
    return asked


def differences(settings: Settings, look: Look) -> list[Difference]:
    """Why logins should not be switched on for services of port 25. The arguments are those above."""
    if is_yes(look.parameters[AUTH]):
        return []
    beginning = [
        one for one in port_25_services(look.master_cf.content or "") if AUTH not in one.effective_options
    ]
    found = []
    for service in beginning:
        strangers = _lists_against_strangers(look, service)
        if strangers:
            found.append(Difference(service, strangers=strangers))
        for one in options_of_services(settings, look):
            missing = missing_limits(look, service, one.limits, one.limiting)
            if missing:
                found.append(Difference(service, tuple(missing), one.name))
    return found


def lists_that_need_sasl(look: Look) -> list[tuple[Service, tuple[str, ...]]]:
    """The services of port 25 that offer logins, and their lists that reject strangers only with SASL."""
    found = [one for one in port_25_services(look.master_cf.content or "") if offers_logins(look, one)]
    return [(one, lists) for one in found if (lists := _lists_against_strangers(look, one))]


def _lists_against_strangers(look: Look, service: Service) -> tuple[str, ...]:
    definitions = look.definitions_of(service)
    return tuple(
        name
        for name in LISTS_OF_A_MESSAGE
        if rejects_strangers_with_sasl(look.effective(service, name), definitions)
    )
