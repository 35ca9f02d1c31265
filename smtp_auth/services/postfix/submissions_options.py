"""The options of a service on port 465: the guide's, what its owner keeps, and what the data asks for.

The deploy always enforces what the data keys promise: TLS from the first byte, the minimum TLS version,
logins through Dovecot, no mail without a login. All other options of the owner's stay. A service that is new,
or has offered no logins so far, gets the options of its model, too (login_rules.py): milters, limits, tables
of senders. submissions_lists.py has the rules for restriction lists.
"""

import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from smtp_auth.facts.look import Look
from smtp_auth.postfix import tls_protocols
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.master_cf import Service, port_25_services, services
from smtp_auth.postfix.restriction_lists import (
    LISTS_OF_A_MESSAGE,
    Restriction,
    asks_for_login,
    for_logins,
    refuses_logins,
)
from smtp_auth.services.dovecot.listener import asks_the_listener
from smtp_auth.services.postfix.guide_options import (
    ASKS_DOVECOT,
    GUIDE_OPTIONS,
    LISTS,
    SAFE_RESTRICTIONS,
)
from smtp_auth.services.postfix.login_rules import LoginRules, early_lists, is_its_own, models_of
from smtp_auth.services.postfix.submissions_lists import (
    ListChoice,
    Origin,
    asked_for,
    choice_of,
    gated,
    unless_written,
)
from smtp_auth.settings import Settings

# Further parameters of main.cf that change what a service does.
INHERITED = (
    "smtpd_delay_reject",
    "smtpd_discard_ehlo_keyword_address_maps",
    "smtpd_discard_ehlo_keywords",
    "smtpd_sasl_exceptions_networks",
    "smtpd_tls_req_ccert",
    "smtpd_upstream_proxy_protocol",
)

# Options of the guide that no data key promises: an owner's value stays.
_OWNERS = {
    "syslog_name",
    "smtpd_forbid_unauth_pipelining",
    "local_header_rewrite_clients",
    "smtpd_reject_unlisted_recipient",
    "milter_macro_daemon_name",
}


# Postfix does not check the HELO list if a client sends no HELO (smtpd_helo_required).
_GATES = tuple(name for name in LISTS if name != "smtpd_helo_restrictions")


@dataclass(frozen=True)
class ServiceOptions:
    """The options of one service on port 465 after the change.

    + service: as it is now; `None` if it is new
    + options: those to write, name to value; the value `None` deletes an option
    + choices: what becomes of each restriction list
    + taken: the options that it takes over from its model, name to value
    + limiting: those of the owner's service and of the model that may limit logins, except for lists
    + models: the rules that must hold for logins, from `models_of`; the first counts
    + mua: the mua_* parameters that have to be written for it, name to value
    + effective: name to value after the change, of its options, of `LISTS_OF_A_MESSAGE` and `INHERITED`
    + definitions: what a `$name` in these values stands for after the change
    """

    service: Service | None
    options: Mapping[str, str | None]
    choices: Mapping[str, ListChoice]
    taken: Mapping[str, str]
    limiting: Mapping[str, str]
    models: tuple[LoginRules, ...]
    mua: Mapping[str, str]
    effective: Mapping[str, str]
    definitions: Mapping[str, str]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.service.name if self.service else "submissions"

    @property
    def label(self) -> str:
        """What postconf(1) calls it."""
        return f"{self.name}/inet"

    @property
    def model(self) -> LoginRules | None:
        """The rules of its model; `None` if it has none."""
        return next(iter(self.models), None)

    @cached_property
    def limits(self) -> dict[str, tuple[Restriction, ...]]:
        """What each of its lists does with clients that have logged in."""
        early = early_lists(self.value("smtpd_delay_reject"))
        return {
            name: for_logins(self.effective[name], self.definitions, before_login=name in early)
            for name in LISTS_OF_A_MESSAGE
        }

    def value(self, name: str) -> str:
        """The value of an option, with each `$name` replaced."""
        return expanded(self.effective[name], self.definitions)

    def lists_from(self, origin: Origin) -> list[str]:
        """The lists with this origin."""
        return [name for name, choice in self.choices.items() if choice.origin == origin]


def all_options(settings: Settings) -> dict[str, str | None]:
    """The guide's options, overridden by `submissions_options`; the value `None` deletes an option."""
    return {**GUIDE_OPTIONS, **settings.submissions_options}


def unknown_options(settings: Settings, look: Look) -> list[str]:
    """The options that this Postfix does not know and its main.cf does not define either."""
    return [
        name
        for name, value in all_options(settings).items()
        if value is not None and name not in look.parameters and name not in look.defined
    ]


def options_of_services(settings: Settings, look: Look) -> list[ServiceOptions]:
    """The options of each service on port 465; of one new service if there is none."""
    present: list[Service | None] = [*look.submissions_services]
    found: list[ServiceOptions] = []
    for service in present or [None]:
        found.append(
            _options_of(settings, look, service, {k: v for one in found for k, v in one.mua.items()})
        )
    return found


def restrictions_needed(
    settings: Settings, look: Look, found: list[ServiceOptions]
) -> tuple[dict[str, str], list[str]]:
    """The mua_* restrictions that have to be written, and the data keys that have no effect.

    A data key has no effect if no option of a service uses its list.
    """
    wanted: dict[str, str] = {}
    for one in found:
        wanted |= one.mua
    defined = look.defined
    referred = mua_parameters_in(value for one in found for value in one.effective.values())
    # An option of the data may refer to one that the guide's list does not need.
    for name in [name for name in SAFE_RESTRICTIONS if name in referred and name not in wanted]:
        asked = asked_for(settings, name)
        value = SAFE_RESTRICTIONS[name] if asked is None else ", ".join(asked)
        if name not in defined or (asked is not None and elements(defined[name]) != elements(value)):
            wanted[name] = value
    used = {LISTS[name] for one in found for name in one.lists_from(Origin.DATA)} | referred
    unused = [
        name for name in SAFE_RESTRICTIONS if name not in used and asked_for(settings, name) is not None
    ]
    return wanted, unused


def mua_parameters_in(values: Iterable[str]) -> set[str]:
    """The mua_* parameters to which values refer."""
    return {name for value in values for name in re.findall(r"\$[({]?(mua_\w+)", value)}


def is_login_only(one: ServiceOptions) -> bool:
    """Whether one of the service's lists certainly rejects every client that has not logged in."""
    return any(asks_for_login(one.effective[name], one.definitions) for name in _GATES)


def lists_that_refuse_logins(one: ServiceOptions) -> list[str]:
    """The lists that reject mail to other domains from everybody, so that no client with a login can send."""
    early = early_lists(one.value("smtpd_delay_reject"))
    return [
        name
        for name in LISTS_OF_A_MESSAGE
        if refuses_logins(one.effective[name], one.definitions, before_login=name in early)
    ]


def chroot_of_a_new_service(look: Look) -> str:
    """The chroot column of the host's own smtpd: a new service then reaches the same milters and tables."""
    content = look.master_cf.content or ""
    smtpds = [service for service in services(content) if service.command == "smtpd"]
    found = [*port_25_services(content), *smtpds]
    return found[0].chroot if found else "y"


def asks_our_dovecot(look: Look, one: ServiceOptions) -> bool:
    """Whether the service asks the listener in Postfix's spool about logins."""
    kind, path = (expanded(one.effective.get(*asked), one.definitions) for asked in ASKS_DOVECOT.items())
    return asks_the_listener(look, kind, path)


def has_own_certificate(services: list[Service]) -> bool:
    """Whether a service on port 465 has a certificate of its own in master.cf."""
    return any(_OWN_CERTIFICATE & service.effective_options.keys() for service in services)


_OWN_CERTIFICATE = {"smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_tls_eccert_file"}


def _options_of(
    settings: Settings, look: Look, service: Service | None, written: Mapping[str, str]
) -> ServiceOptions:
    """The options of a service. + written: the mua_* parameters of another service on port 465"""
    models = tuple(models_of(look, service))
    model = next(iter(models), None)
    choices = {
        name: unless_written(choice_of(settings, look, service, model, name), written.get(key or ""))
        for name, key in LISTS.items()
    }
    one = _with_choices(settings, look, service, models, choices)
    # On a service of theirs, owners may want to let others send, too.
    if is_login_only(one) or (service and service.label not in look.own_services):
        return one
    for name in _GATES:
        gate = gated(look, name, choices[name], one.effective[name], one.definitions)
        if gate:
            return _with_choices(settings, look, service, models, {**choices, name: gate})
    return one


def _with_choices(
    settings: Settings,
    look: Look,
    service: Service | None,
    models: tuple[LoginRules, ...],
    choices: Mapping[str, ListChoice],
) -> ServiceOptions:
    model = next(iter(models), None)
    present = service.effective_options if service else {}
    options: dict[str, str | None] = {}
    for name, value in GUIDE_OPTIONS.items():
        if name not in choices and not (name in _OWNERS and name in present):
            options[name] = value
        elif name in choices and choices[name].option is not None:
            options[name] = choices[name].option
    for name, value in ASKS_DOVECOT.items():
        if name in present:
            options[name] = value
    floor, protocols = settings.tls_minimum_version, "smtpd_tls_mandatory_protocols"
    if service and protocols in present and not tls_protocols.meets(look.value(service, protocols), floor):
        options[protocols] = tls_protocols.at_least(floor, look.postfix_release)
    taken = {
        name: value
        for name, value in (model.options.items() if model and model.service != service else ())
        if name not in present and name not in settings.submissions_options
    }
    options |= {**taken, **settings.submissions_options}
    for name in unknown_options(settings, look):
        options.pop(name, None)
    effective = _effective(look, present, options)
    mua = {
        key: choice.mua for name, choice in choices.items() if (key := LISTS[name]) and choice.mua is not None
    }
    definitions = ChainMap({**mua, **effective}, look.definitions, SAFE_RESTRICTIONS)
    early = early_lists(expanded(effective["smtpd_delay_reject"], definitions))
    if "smtpd_delay_reject" not in options and any(
        refuses_logins(effective[name], definitions, before_login=True) for name in early
    ):
        # Otherwise Postfix applies these lists before a client can log in.
        options["smtpd_delay_reject"] = effective["smtpd_delay_reject"] = "yes"
    theirs = present if service and service.label not in look.own_services else {}
    limiting = {name: value for name, value in {**theirs, **taken}.items() if not is_its_own(name)}
    return ServiceOptions(service, options, choices, taken, limiting, models, mua, effective, definitions)


def _effective(look: Look, present: Mapping[str, str], options: Mapping[str, str | None]) -> dict[str, str]:
    inherited = {name: look.parameters.get(name, "") for name in (*LISTS_OF_A_MESSAGE, *INHERITED)}
    gone = {name for name, value in options.items() if value is None}
    stays = {name: value for name, value in present.items() if name not in gone}
    return {**inherited, **stays, **{name: value for name, value in options.items() if value is not None}}
