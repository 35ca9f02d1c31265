"""Where Postfix offers logins in addition to port 465."""

from dataclasses import dataclass

from smtp_auth.facts.look import Look
from smtp_auth.postfix.master_cf import Service, is_on_loopback, port_25_services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.postfix.restriction_lists import LISTS_OF_A_MESSAGE, Restriction, rejects_strangers_with_sasl
from smtp_auth.services.postfix.login_rules import AUTH, missing_limits, offers_logins
from smtp_auth.services.postfix.submissions_options import (
    ServiceOptions,
    lists_that_refuse_logins,
    options_of_services,
)
from smtp_auth.settings import Settings


@dataclass(frozen=True)
class Unlimited:
    """A service of port 25 that would not limit logins as one on port 465 does.

    + service: the one of port 25
    + missing: names of lists and options that limit logins on port 465 and not there
    + limited: the name of the service on port 465
    """

    service: Service
    missing: tuple[str, ...]
    limited: str


@dataclass(frozen=True)
class Switch:
    """Whether main.cf switches logins on after a deploy. The rest is empty if they are on already.

    + unlimited: where a login could do more than on port 465
    + strangers: services of port 25, and which of their lists would begin to reject clients without a login
    """

    is_on: bool
    unlimited: tuple[Unlimited, ...] = ()
    strangers: tuple[tuple[Service, tuple[str, ...]], ...] = ()


def switch_of(settings: Settings, look: Look) -> Switch:
    """Decide whether main.cf switches logins on. + look: the host without what we have written"""
    asked = settings.smtp_auth_on_port_25
    if asked is False or is_yes(look.parameters[AUTH]):
        return Switch(asked is not False)
    found = port_25_services(look.master_cf.content or "")
    beginning = [one for one in found if AUTH not in one.effective_options]
    on_465 = options_of_services(settings, look) if beginning else []
    unlimited = tuple(
        Unlimited(service, tuple(missing), one.name)
        for service in beginning
        for one in on_465
        if (missing := missing_limits(look, service, _limits_of_some(one), one.limiting))
    )
    strangers = tuple((one, lists) for one in beginning if (lists := _lists_against_strangers(look, one)))
    return Switch(bool(asked) or not (unlimited or strangers), unlimited, strangers)


def offered_on_port_25(settings: Settings, look: Look) -> set[bool]:
    """Whether port 25 offers logins to other hosts after a deploy: both, if its services there differ.

    The arguments are those of `switch_of`.
    """
    switch = switch_of(settings, look)
    found = [one for one in port_25_services(look.master_cf.content or "") if not is_on_loopback(one)]
    return {is_offered_after(settings, look, one, switch) for one in found} or {False}


def is_offered_after(settings: Settings, look: Look, service: Service, switch: Switch) -> bool:
    """Whether a service of port 25 offers logins after a deploy.

    + look: the host without what we have written
    + switch: from `switch_of`
    """
    if settings.smtp_auth_on_port_25 is False:
        return False
    return offers_logins(look, service) if AUTH in service.effective_options else switch.is_on


def _limits_of_some(one: ServiceOptions) -> dict[str, tuple[Restriction, ...]]:
    """What its lists do with logins, without lists that reject all of them: these refuse the host anyway."""
    refusing = lists_that_refuse_logins(one)
    return {name: found for name, found in one.limits.items() if name not in refusing}


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
