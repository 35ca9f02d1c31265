"""What a service of Postfix does with clients that have logged in: its lists, and what else limits them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smtp_auth.facts.look import Look
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.master_cf import (
    PORT_587_NAMES,
    Service,
    is_on_loopback,
    is_smtpd_of_port_25,
    is_submissions,
    port_of,
    services,
)
from smtp_auth.postfix.parameters import came_with, is_no, is_yes
from smtp_auth.postfix.restriction_lists import (
    LISTS_OF_A_MESSAGE,
    Restriction,
    depends_on_login,
    for_logins,
)
from smtp_auth.services.postfix.guide_options import EARLY_LISTS, GUIDE_OPTIONS

AUTH = "smtpd_sasl_auth_enable"

# Parameters that limit what a login may send, or how much, or that look at it.
LIMITS = (
    "cleanup_service_name",
    "content_filter",
    "message_size_limit",
    "receive_override_options",
    "smtpd_client_auth_rate_limit",
    "smtpd_client_connection_count_limit",
    "smtpd_client_connection_rate_limit",
    "smtpd_client_event_limit_exceptions",
    "smtpd_client_message_rate_limit",
    "smtpd_client_recipient_rate_limit",
    "smtpd_command_filter",
    "smtpd_milters",
    "smtpd_proxy_filter",
    "smtpd_recipient_limit",
    "smtpd_reject_unlisted_sender",
    "smtpd_sasl_security_options",
    "smtpd_sasl_tls_security_options",
    "smtpd_sender_login_maps",
    "smtpd_tls_req_ccert",
)

# A service on another port needs its own: names, the backend of SASL, a proxy's header.
_ONLY_ITS_OWN = {
    *GUIDE_OPTIONS,
    "cyrus_sasl_config_path",
    "myhostname",
    "smtpd_banner",
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


@dataclass(frozen=True)
class LoginRules:
    """What a service does with clients that have logged in.

    + label: what postconf(1) calls the service
    + service: the service; `None` if we have taken over its rules, and it offers no logins any more
    + lists: each restriction list, to what it does with them; empty if it permits all of them
    + texts: each restriction list, as it can be written for a service on port 465
    + options: its other options in master.cf that a service on port 465 can have, too, name to value
    + own: those that only make sense on this service
    """

    label: str
    service: Service | None
    lists: Mapping[str, tuple[Restriction, ...]]
    texts: Mapping[str, str]
    options: Mapping[str, str]
    own: Mapping[str, str]

    @property
    def limiting(self) -> dict[str, str]:
        """Those of its lists and options that limit logins, name to value."""
        lists = {name: self.texts[name] for name in LISTS_OF_A_MESSAGE if self.lists[name]}
        return {**lists, **{name: value for name, value in self.options.items() if name in LIMITS}}


def offers_logins(look: Look, service: Service) -> bool:
    """Whether an smtpd service offers logins. + look: the host without what we have written"""
    if service.command != "smtpd":
        return False
    if is_yes(look.value(service, AUTH)) or AUTH in service.effective_options:
        return is_yes(look.value(service, AUTH))
    if is_smtpd_of_port_25(service) or is_submissions(service):
        return False
    option = look.ours.get(f"{service.label}/{AUTH}")
    if option is not None:
        return is_yes(option)
    # It was set up after we had switched logins on in main.cf: earlier ones have an option of ours.
    return is_yes(look.ours.get(AUTH) or "no") and treats_logins_otherwise(look, service)


def treats_logins_otherwise(look: Look, service: Service) -> bool:
    """Whether a client may be able to do more or less on a service if it logs in."""
    definitions = look.definitions_of(service)
    return any(depends_on_login(look.effective(service, name), definitions) for name in LISTS_OF_A_MESSAGE)


def models_of(look: Look, service: Service | None) -> list[LoginRules]:
    """The rules that must hold for logins on a service on port 465, because its users have had them so far.

    These are those of the service itself, if it offers logins already; else of the services of port 587 that
    offer logins; else of those of port 25. What we have taken over stays after its service is gone. Empty if
    there is none of these.

    + look: the host without what we have written
    + service: the one on port 465; `None` if it is new
    """
    if service and _has_its_own(look, service):
        return [rules_of(look, service)]
    offering = [one for one in _offering(look) if not is_on_loopback(one)]
    on_587 = [one for one in offering if one.type == "inet" and one.port in PORT_587_NAMES]
    on_25 = [one for one in offering if is_smtpd_of_port_25(one)]
    if on_587:
        return [rules_of(look, one) for one in on_587]
    gone = [
        _rules_taken_over(look, label, ours)
        for label, ours in look.taken_over.items()
        if label != "main.cf" and not (on_25 and port_of(label) == port_of("smtp/inet"))
    ]
    return [one for one in gone if one.limiting or one.options] or [rules_of(look, one) for one in on_25]


def other_rules(look: Look, models: Iterable[LoginRules]) -> list[LoginRules]:
    """The rules of the services with logins that are neither on port 465 nor models.

    + look: the host without what we have written
    + models: from `models_of`
    """
    labels = {one.label for one in models}
    return [
        rules_of(look, one) for one in _offering(look) if one.label not in labels and not is_submissions(one)
    ]


def rules_of(look: Look, service: Service) -> LoginRules:
    """What a service does with clients that have logged in. + look: the host without what we have written"""
    own = service.effective_options
    known = look.definitions_of(service)
    macros = {name: value for name, value in own.items() if _is_macro(look, name)}
    early = early_lists(look.value(service, "smtpd_delay_reject"))
    lists, texts = {}, {}
    for name in LISTS_OF_A_MESSAGE:
        text = own.get(name, look.defined.get(name, look.parameters.get(name, "")))
        lists[name] = for_logins(text, known, before_login=name in early)
        text = ", ".join(one.words for one in lists[name]) if name in early else expanded(text, macros)
        # As Postfix reads it in master.cf.
        texts[name] = " ".join(text.split())
    classes = elements(expanded(known.get("smtpd_restriction_classes", ""), known))
    options = {
        name: value if name in macros else expanded(value, macros)
        for name, value in own.items()
        if name in classes or not (name in macros or is_its_own(name))
    }
    left = {name: value for name, value in own.items() if name not in (*options, *macros, *GUIDE_OPTIONS)}
    return LoginRules(service.label, service, lists, texts, options, left)


def missing_limits(
    look: Look,
    service: Service,
    limits: Mapping[str, tuple[Restriction, ...]],
    options: Mapping[str, str],
) -> list[str]:
    """What limits logins elsewhere, but not on this service: names of lists and options.

    + look: the host without what we have written
    + limits: the lists elsewhere, by `for_logins`
    + options: those elsewhere, name to value
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
    known = look.definitions
    return missing + [
        name
        for name in LIMITS
        if name in options and look.value(service, name) != expanded(options[name], known)
    ]


def early_lists(delay_reject: str) -> tuple[str, ...]:
    """The lists that Postfix applies before a client can log in. + delay_reject: smtpd_delay_reject"""
    return EARLY_LISTS if is_no(delay_reject) else ()


def is_its_own(name: str) -> bool:
    """Whether an option only makes sense on its own service, or is about other things than logins."""
    if name in _CLIENTS_CERTIFICATES:
        return False
    return name in _ONLY_ITS_OWN or name.startswith(("smtpd_tls_", "tls_", "tlsproxy_"))


def _has_its_own(look: Look, service: Service) -> bool:
    """Whether a service on port 465 is the owner's, and offers logins by rules of its own."""
    taken = [name for ours in look.taken_over.values() for name in ours]
    is_limited_by_us = any(name.startswith(f"{service.label}/") for name in taken)
    return service.label not in look.own_services and offers_logins(look, service) and not is_limited_by_us


def _offering(look: Look) -> list[Service]:
    return [one for one in services(look.master_cf.content or "") if offers_logins(look, one)]


def _rules_taken_over(look: Look, label: str, ours: Mapping[str, str]) -> LoginRules:
    """The rules of a service that offers no logins any more, as we have them on port 465."""
    options = {name.rpartition("/")[2]: value for name, value in ours.items() if "/" in name}
    known = {**look.definitions, **ours, **options}
    lists = {name: for_logins(options.get(name, ""), known) for name in LISTS_OF_A_MESSAGE}
    texts = {name: expanded(options.get(name, ""), ours) for name in LISTS_OF_A_MESSAGE}
    others = {name: value for name, value in options.items() if not is_its_own(name)}
    return LoginRules(label, None, lists, texts, others, {})


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
