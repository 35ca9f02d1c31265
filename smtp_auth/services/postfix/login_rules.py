"""What a service of Postfix does with clients that have logged in: its lists, and what else limits them."""

from collections.abc import Mapping
from dataclasses import dataclass

from smtp_auth.facts.look import Look
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, is_on_loopback, is_smtpd_of_port_25, services
from smtp_auth.postfix.parameters import came_with, is_yes
from smtp_auth.postfix.restrictions import LISTS_OF_A_MESSAGE, Restriction, for_logins
from smtp_auth.services.postfix.guide_options import EARLY_LISTS, GUIDE_OPTIONS

AUTH = "smtpd_sasl_auth_enable"

_PORT_587_NAMES = ("submission", "587")

# A service on another port needs its own: names in the log, the backend of SASL, a proxy's header.
_ONLY_ITS_OWN = {
    *GUIDE_OPTIONS,
    "cyrus_sasl_config_path",
    "smtpd_delay_reject",
    "smtpd_enforce_tls",
    "smtpd_sasl_path",
    "smtpd_sasl_service",
    "smtpd_sasl_type",
    "smtpd_upstream_proxy_protocol",
    "smtpd_upstream_proxy_timeout",
    "smtpd_use_tls",
}

# Among the options of TLS, these limit who may send.
_CLIENTS_CERTIFICATES = {"smtpd_tls_ask_ccert", "smtpd_tls_req_ccert"}

# These do not limit what a login may send.
_NO_LIMITS = {"smtpd_banner", "smtpd_etrn_restrictions"}


@dataclass(frozen=True)
class LoginRules:
    """What a service does with clients that have logged in.

    + lists: each restriction list, to what it does with them; empty if it permits all of them
    + texts: each restriction list, as it can be written for a service on port 465
    + options: its other options in master.cf that a service on port 465 can have, too, name to value
    + own: those that only make sense on this service
    """

    service: Service
    lists: Mapping[str, tuple[Restriction, ...]]
    texts: Mapping[str, str]
    options: Mapping[str, str]
    own: Mapping[str, str]

    @property
    def limits(self) -> tuple[object, ...]:
        """Equal for two services that limit logins in the same way."""
        return {**self.lists}, {name: v for name, v in self.options.items() if name not in _NO_LIMITS}


def offers_logins(look: Look, service: Service) -> bool:
    """Whether an smtpd service offers logins."""
    return service.command == "smtpd" and is_yes(look.value(service, AUTH))


def models_of(look: Look, service: Service | None) -> list[Service]:
    """The services whose rules for logins must hold on a service on port 465, too.

    Its users have logged in there so far. This is the service itself, if it offers logins already; else those
    of port 587 that offer logins; else those of port 25. Empty if none of them does.

    + look: the host without what we have written
    + service: the one on port 465; `None` if it is new
    """
    if service and service.label not in look.own_services and offers_logins(look, service):
        return [service]
    offering = [
        one
        for one in services(look.master_cf.content or "")
        if offers_logins(look, one) and not is_on_loopback(one)
    ]
    on_587 = [one for one in offering if one.type == "inet" and one.port in _PORT_587_NAMES]
    return on_587 or [one for one in offering if is_smtpd_of_port_25(one)]


def rules_of(look: Look, service: Service) -> LoginRules:
    """What a service does with clients that have logged in. + look: the host without what we have written"""
    own = service.effective_options
    known = look.definitions_of(service)
    defined = defined_parameters(look.main_cf.content or "")
    macros = {name: value for name, value in own.items() if _is_macro(look, name)}
    lists, texts = {}, {}
    for name in LISTS_OF_A_MESSAGE:
        text = own.get(name, defined.get(name, look.parameters.get(name, "")))
        is_early = name in EARLY_LISTS and look.value(service, "smtpd_delay_reject").lower() == "no"
        lists[name] = for_logins(text, known, before_login=is_early)
        text = ", ".join(one.words for one in lists[name]) if is_early else expanded(text, macros)
        # As Postfix reads it in master.cf.
        texts[name] = " ".join(text.split())
    classes = elements(expanded(known.get("smtpd_restriction_classes", ""), known))
    options = {
        name: value if name in macros else expanded(value, macros)
        for name, value in own.items()
        if name in classes or not (name in macros or is_its_own(name))
    }
    left = {name: value for name, value in own.items() if name not in (*options, *macros, *GUIDE_OPTIONS)}
    return LoginRules(service, lists, texts, options, left)


def missing_limits(
    look: Look,
    service: Service,
    limits: Mapping[str, tuple[Restriction, ...]],
    options: Mapping[str, str],
) -> list[str]:
    """What limits logins elsewhere, but not on this service: names of lists and options.

    + look: the host without what we have written
    + limits: the lists elsewhere, by `for_logins`
    + options: those elsewhere that limit logins, name to value
    """
    rules = rules_of(look, service)
    certain = {one for found in rules.lists.values() for one in _certain(found)}
    missing = [
        name
        for name, found in limits.items()
        if found
        and found != rules.lists[name]
        and not (all(one.only_rejects for one in found) and {*found} <= certain)
    ]
    return missing + [
        name
        for name, value in options.items()
        if name not in (*LISTS_OF_A_MESSAGE, *_NO_LIMITS) and look.effective(service, name) != value
    ]


def _certain(found: tuple[Restriction, ...]) -> list[Restriction]:
    """The restrictions of a list that no other restriction can prevent for somebody outside `mynetworks`."""
    certain = []
    for one in found:
        if one.only_rejects:
            certain.append(one)
        elif one.name != "permit_mynetworks":
            break
    return certain


def _is_macro(look: Look, name: str) -> bool:
    """Whether an option defines what a `$name` of the owner's stands for, and is no parameter of Postfix."""
    return came_with(name) is None and name not in look.parameters


def is_its_own(name: str) -> bool:
    """Whether an option only makes sense on its own service, or is about other things than logins."""
    if name in _CLIENTS_CERTIFICATES:
        return False
    return name in _ONLY_ITS_OWN or name.startswith(("smtpd_tls_", "tls_", "tlsproxy_"))
