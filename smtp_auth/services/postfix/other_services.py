"""What services beside port 465 must keep although main.cf changes: they take their logins from it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smtp_auth.facts.look import Look
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.master_cf import Service, is_on_loopback, is_smtpd_of_port_25, is_submissions, services
from smtp_auth.postfix.parameters import is_no
from smtp_auth.services.dovecot.listener import asks_the_listener
from smtp_auth.services.postfix.broken_services import DISABLED, is_disabled
from smtp_auth.services.postfix.guide_options import ASKS_DOVECOT
from smtp_auth.services.postfix.login_rules import AUTH, offers_logins, treats_logins_otherwise
from smtp_auth.services.postfix.logins import Switch, is_offered_after
from smtp_auth.settings import Settings

AUTH_ONLY = "smtpd_tls_auth_only"

_TYPE, _PATH = ASKS_DOVECOT


@dataclass(frozen=True)
class Kept:
    """Options that a service needs.

    + options: name to value
    + reason: for people
    + is_for_port_25: whether the guide asks for it there, and not the service
    """

    service: Service
    options: dict[str, str]
    reason: str
    is_for_port_25: bool = False


def kept_options(settings: Settings, look: Look, switch: Switch) -> list[Kept]:
    """The options that services other than port 465 need, so that logins there stay as they are.

    + look: the host without what we have written
    + switch: from `switch_of`
    """
    found = []
    for service in _smtpds(look):
        if is_smtpd_of_port_25(service):
            found += [*_on_port_25(settings, look, service, switch)]
        found += [*_kept_by(look, service, switch)]
    return found


def services_with_cyrus(look: Look, kept: Iterable[Kept]) -> list[str]:
    """The names of services that go on to check logins with Cyrus SASL.

    + look: the host without what we have written
    + kept: from `kept_options`
    """
    changes = {one.service.label: one.options for one in kept if _TYPE in one.options}
    found = []
    for service in _smtpds(look):
        options = {**service.effective_options, **changes.get(service.label, {})}
        if expanded(options.get(_TYPE, ""), look.definitions_of(service)).lower() == "cyrus":
            found.append(service.name)
    return found


def services_that_move_to_dovecot(look: Look, kept: Iterable[Kept]) -> list[str]:
    """The names of services that offer logins and take the backend from main.cf.

    The arguments are those above.
    """
    stay = {one.service.label for one in kept if _TYPE in one.options}
    return [
        one.name
        for one in _smtpds(look)
        if offers_logins(look, one)
        and not is_smtpd_of_port_25(one)
        and one.label not in stay
        and not {*ASKS_DOVECOT} & one.effective_options.keys()
        and look.value(one, _TYPE) != ASKS_DOVECOT[_TYPE]
    ]


def with_logins_of_dovecot(
    settings: Settings, look: Look, switch: Switch
) -> list[tuple[Service, dict[str, str]]]:
    """The services beside port 465 that offer logins inside TLS after a deploy, and ask our listener.

    Each with its options. The arguments are those of `kept_options`.
    """
    kept: dict[str, dict[str, str]] = {}
    for one in kept_options(settings, look, switch):
        kept.setdefault(one.service.label, {}).update(one.options)
    found = []
    for service in _smtpds(look):
        options = {**service.effective_options, **kept.get(service.label, {})}
        known = look.definitions_of(service)
        kind, path = (expanded(options.get(*asked), known) for asked in ASKS_DOVECOT.items())
        level = options.get("smtpd_tls_security_level", settings.smtpd_tls_security_level or "")
        has_tls = expanded(level, known).lower() != "none"
        is_served = not is_disabled(look.parameters.get(DISABLED, ""), service.label)
        offers = (
            is_offered_after(settings, look, service, switch)
            if is_smtpd_of_port_25(service)
            else (offers_logins(look, service) and not is_no(options.get(AUTH, "yes")))
        )
        if is_served and offers and has_tls and asks_the_listener(look, kind, path):
            found.append((service, options))
    return found


def services_without_tls(look: Look) -> list[str]:
    """The names of services that have offered logins outside TLS, and have no TLS.

    + look: the host without what we have written
    """
    return [
        one.name
        for one in _smtpds(look)
        if offers_logins(look, one)
        and not is_on_loopback(one)
        and AUTH_ONLY not in one.effective_options
        and one.effective_options.get("smtpd_tls_security_level", "").lower() == "none"
    ]


def _smtpds(look: Look) -> list[Service]:
    """The smtpd services beside port 465."""
    found = services(look.master_cf.content or "")
    return [one for one in found if one.command == "smtpd" and not is_submissions(one)]


def _on_port_25(settings: Settings, look: Look, service: Service, switch: Switch) -> Iterator[Kept]:
    """What the guide asks for on port 25, where an option overrides main.cf."""
    own = service.effective_options
    if not is_offered_after(settings, look, service, switch):
        return
    if is_no(look.value(service, AUTH_ONLY)) and AUTH_ONLY in own:
        yield Kept(service, {AUTH_ONLY: "yes"}, "passwords are accepted inside TLS only", True)
    if not offers_logins(look, service):
        dovecot = {name: value for name, value in ASKS_DOVECOT.items() if name in own}
        if dovecot:
            yield Kept(service, dovecot, "logins begin there, and Dovecot checks them", True)


def _kept_by(look: Look, service: Service, switch: Switch) -> Iterator[Kept]:
    own, before = service.effective_options, offers_logins(look, service)
    if AUTH not in own and not is_smtpd_of_port_25(service):
        if before and not switch.is_on:
            yield Kept(service, {AUTH: "yes"}, "logins stay on there, although main.cf switches them off")
        elif switch.is_on and not before and _would_differ(look, service):
            yield Kept(service, {AUTH: "no"}, "logins stay off there, although main.cf switches them on")
    if not before:
        return
    sasl = _sasl_kept(look, service)
    if sasl:
        yield Kept(service, sasl, "logins are checked there as before, although main.cf names Dovecot")
    is_local = is_on_loopback(service) and not is_smtpd_of_port_25(service)
    if is_local and AUTH_ONLY not in own and is_no(look.parameters[AUTH_ONLY]):
        yield Kept(service, {AUTH_ONLY: "no"}, "only the host itself can connect there, also without TLS")


def _would_differ(look: Look, service: Service) -> bool:
    """Whether a client could do more or less with logins on a service, or send a password without TLS."""
    is_clear = AUTH_ONLY in service.effective_options and is_no(look.value(service, AUTH_ONLY))
    return is_clear or treats_logins_otherwise(look, service)


def _is_set_up(look: Look, backend: str) -> bool:
    """Whether somebody has chosen Cyrus SASL, which is also the default of Postfix."""
    return backend.lower() == "cyrus" and (look.has_cyrus or _TYPE in look.defined)


def _sasl_kept(look: Look, service: Service) -> dict[str, str]:
    """What a service takes from main.cf of the backend of SASL, if it must stay."""
    own = service.effective_options
    before = {name: look.value(service, name) for name in (_TYPE, _PATH)}
    inherited = {name: value for name, value in before.items() if name not in own}
    changing = {name: value for name, value in inherited.items() if value != ASKS_DOVECOT[name]}
    is_half = len(inherited) == 1
    is_elsewhere = _is_set_up(look, before[_TYPE]) or before[_PATH].startswith("inet:")
    if is_smtpd_of_port_25(service):
        # There, the guide asks for Dovecot, unless the owner has chosen otherwise for this service.
        return changing if is_half else {}
    return inherited if changing and (is_half or is_elsewhere) else {}
