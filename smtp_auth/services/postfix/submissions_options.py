"""The options of a service on port 465: the guide's, what its owner keeps, and what the data asks for.

The deploy always enforces what the data keys promise: TLS from the first byte, the minimum TLS version,
logins through Dovecot, no mail without a login. All other options of the owner's stay. The owner's
restriction lists stay, too, on the service or inherited from main.cf: they may bind senders to logins or
check quotas. The guide's list replaces an empty list, and an inherited list that only says who may relay.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smtp_auth.facts.look import Look
from smtp_auth.postfix import tls_protocols
from smtp_auth.postfix.lists import elements
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, port_25_services, services
from smtp_auth.postfix.restrictions import asks_for_login, refuses_logins
from smtp_auth.services.dovecot.listener import AUTH_LISTENER
from smtp_auth.settings import Settings

# The guide's options: TLS from the first byte (RFC 8314), and no mail without a login.
GUIDE_OPTIONS: dict[str, str] = {
    "syslog_name": "postfix/submissions",
    "smtpd_forbid_unauth_pipelining": "no",
    "smtpd_tls_wrappermode": "yes",
    "smtpd_sasl_auth_enable": "yes",
    "local_header_rewrite_clients": "static:all",
    "smtpd_hide_client_session": "yes",
    "smtpd_reject_unlisted_recipient": "no",
    "smtpd_client_restrictions": "$mua_client_restrictions",
    "smtpd_helo_restrictions": "$mua_helo_restrictions",
    "smtpd_sender_restrictions": "$mua_sender_restrictions",
    "smtpd_relay_restrictions": "$mua_relay_restrictions",
    "smtpd_recipient_restrictions": "permit_sasl_authenticated,reject",
    "milter_macro_daemon_name": "ORIGINATING",
}

# If a service has these options, they override what the other steps write into main.cf.
ASKS_DOVECOT: dict[str, str] = {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": AUTH_LISTENER}

# Written if a host does not define them: for an undefined one, every Postfix command prints a warning.
SAFE_RESTRICTIONS: dict[str, str] = {
    "mua_client_restrictions": "permit_sasl_authenticated, reject",
    "mua_helo_restrictions": "",
    "mua_sender_restrictions": "",
    "mua_relay_restrictions": "permit_sasl_authenticated, reject",
}

# Each restriction list, to the data key that replaces an owner's list.
LISTS: dict[str, str | None] = {
    "smtpd_client_restrictions": "mua_client_restrictions",
    "smtpd_helo_restrictions": "mua_helo_restrictions",
    "smtpd_sender_restrictions": "mua_sender_restrictions",
    "smtpd_relay_restrictions": "mua_relay_restrictions",
    "smtpd_recipient_restrictions": None,
}

# Further parameters of main.cf that change what a service does.
INHERITED = ("smtpd_delay_reject", "smtpd_upstream_proxy_protocol", "smtpd_tls_req_ccert")

# Options of the guide that no data key promises: an owner's value stays.
_OWNERS = {
    "syslog_name",
    "smtpd_forbid_unauth_pipelining",
    "local_header_rewrite_clients",
    "smtpd_reject_unlisted_recipient",
    "milter_macro_daemon_name",
}

# Restrictions that only say who may relay.
_RELAYING = {
    "permit",
    "permit_auth_destination",
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "defer_unauth_destination",
    "reject_unauth_destination",
    "reject",
}

# Restrictions that bind senders to logins (smtpd_sender_login_maps).
_BINDS_SENDERS = re.compile(r"reject_(?:authenticated_|known_)?sender_login_mismatch", re.IGNORECASE)


@dataclass(frozen=True)
class ServiceOptions:
    """The options of one service on port 465 after the change.

    + service: as it is now; `None` if it is new
    + options: those to write, name to value; the value `None` deletes an option
    + kept: the owner's lists that stay on the service; `inherited`: those that it inherits from main.cf
    + effective: name to value after the change, of its options and of `LISTS` and `INHERITED`
    """

    service: Service | None
    options: Mapping[str, str | None]
    kept: tuple[str, ...]
    inherited: tuple[str, ...]
    effective: Mapping[str, str]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.service.name if self.service else "submissions"

    @property
    def label(self) -> str:
        """What postconf(1) calls it."""
        return f"{self.name}/inet"


def all_options(settings: Settings) -> dict[str, str | None]:
    """The guide's options, overridden by `submissions_options`; the value `None` deletes an option."""
    return {**GUIDE_OPTIONS, **settings.submissions_options}


def unknown_options(settings: Settings, look: Look) -> list[str]:
    """The options that this Postfix does not know and its main.cf does not define either."""
    defined = _defined(look)
    return [
        name
        for name, value in all_options(settings).items()
        if value is not None and name not in look.parameters and name not in defined
    ]


def options_of_services(settings: Settings, look: Look) -> list[ServiceOptions]:
    """The options of each service on port 465; of one new service if there is none."""
    present: list[Service | None] = [*look.submissions_services]
    return [_options_of(settings, look, service) for service in present or [None]]


def restrictions_needed(
    settings: Settings, look: Look, found: list[ServiceOptions]
) -> tuple[dict[str, str], list[str]]:
    """The mua_* restrictions that have to be written, and the data keys that have no effect.

    Only a restriction that an option of a service refers to is written: the data key's value, or a safe
    value if the data has none and main.cf does not define it. A data key that no option refers to has no
    effect.
    """
    defined, wanted = _defined(look), {}
    referred = mua_parameters_in(value for one in found for value in one.effective.values())
    for name, safe in SAFE_RESTRICTIONS.items():
        asked = _asked(settings, name)
        if name not in referred:
            continue
        if asked is None:
            if name not in defined:
                is_new = any(is_new_on(look, one.service) for one in found)
                binds = is_new and name == "mua_sender_restrictions"
                wanted[name] = ", ".join(_sender_rules(look)) if binds else safe
        elif name not in defined or elements(defined[name]) != elements(", ".join(asked)):
            wanted[name] = ", ".join(asked)
    unused = [
        name for name in SAFE_RESTRICTIONS if name not in referred and _asked(settings, name) is not None
    ]
    return wanted, unused


def mua_parameters_in(values: Iterable[str]) -> set[str]:
    """The mua_* parameters to which values refer."""
    return {name for value in values for name in re.findall(r"\$[({]?(mua_\w+)", value)}


def is_login_only(settings: Settings, look: Look, one: ServiceOptions) -> bool:
    """Whether one of the service's lists certainly rejects every client that has not logged in."""
    # Postfix does not check the HELO list if a client sends no HELO (smtpd_helo_required).
    lists = LISTS.keys() - {"smtpd_helo_restrictions"}
    definitions = _definitions(settings, look)
    return any(asks_for_login(one.effective[name], definitions) for name in lists)


def lists_that_refuse_logins(settings: Settings, look: Look, one: ServiceOptions) -> list[str]:
    """The owner's lists on the service that reject clients with a login, too, so that nobody can send."""
    definitions = _definitions(settings, look)
    return [name for name in one.kept if refuses_logins(one.effective[name], definitions)]


def chroot_of_a_new_service(look: Look) -> str:
    """The chroot column of the host's own smtpd: a new service then reaches the same milters and tables."""
    content = look.master_cf.content or ""
    smtpds = [service for service in services(content) if service.command == "smtpd"]
    found = [*port_25_services(content), *smtpds]
    return found[0].chroot if found else "y"


def is_new_on(look: Look, service: Service | None) -> bool:
    """Whether we add a service, or have added it."""
    return service is None or service.label in look.own_services


def has_own_certificate(services: list[Service]) -> bool:
    """Whether the owner has set a certificate for a service on port 465 in master.cf."""
    return any(_OWN_CERTIFICATE & service.effective_options.keys() for service in services)


_OWN_CERTIFICATE = {"smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_tls_eccert_file"}


def _options_of(settings: Settings, look: Look, service: Service | None) -> ServiceOptions:
    present = service.effective_options if service else {}
    is_new = is_new_on(look, service)
    options: dict[str, str | None] = {}
    kept: list[str] = []
    inherited: list[str] = []
    for name, value in GUIDE_OPTIONS.items():
        if name in LISTS and name not in settings.submissions_options and not is_new:
            place = _owners_place(settings, look, present, name)
            if place:
                (kept if place == "service" else inherited).append(name)
                continue
        if not (name in _OWNERS and name in present):
            options[name] = value
    for name, value in ASKS_DOVECOT.items():
        if name in present:
            options[name] = value
    floor, protocols = settings.tls_minimum_version, "smtpd_tls_mandatory_protocols"
    if protocols in present and not tls_protocols.meets(present[protocols], floor):
        options[protocols] = tls_protocols.at_least(floor, look.postfix_release)
    options |= settings.submissions_options
    for name in unknown_options(settings, look):
        options.pop(name, None)
    effective = _effective(look, present, options)
    if effective["smtpd_delay_reject"] == "no" and "smtpd_delay_reject" not in options:
        # Otherwise Postfix applies these lists before a client can log in.
        early = ("smtpd_client_restrictions", "smtpd_helo_restrictions")
        definitions = _definitions(settings, look)
        if any(asks_for_login(effective[name], definitions) for name in early):
            options["smtpd_delay_reject"] = effective["smtpd_delay_reject"] = "yes"
    return ServiceOptions(service, options, tuple(kept), tuple(inherited), effective)


def _owners_place(settings: Settings, look: Look, present: Mapping[str, str], name: str) -> str:
    """Where the owner's list is, if it stays: `service` or `main.cf`; empty if the guide's replaces it."""
    key = LISTS[name]
    if key and _asked(settings, key) is not None:
        return ""
    own = present.get(name)
    if own is not None:
        return "service" if elements(own) and own != GUIDE_OPTIONS[name] else ""
    inherited = _defined(look).get(name, "")
    # With such a list, nobody could send through the service: the owner wrote it for port 25.
    if refuses_logins(inherited, _definitions(settings, look)):
        return ""
    return "main.cf" if {word.lower() for word in elements(inherited)} - _RELAYING else ""


def _effective(look: Look, present: Mapping[str, str], options: Mapping[str, str | None]) -> dict[str, str]:
    lists = {name: look.parameters.get(name, "") for name in (*LISTS, *INHERITED)}
    gone = {name for name, value in options.items() if value is None}
    stays = {name: value for name, value in present.items() if name not in gone}
    return {**lists, **stays, **{name: value for name, value in options.items() if value is not None}}


def _definitions(settings: Settings, look: Look) -> dict[str, str]:
    """What a `$name` in a list stands for after the change."""
    mua = {}
    for key, safe in SAFE_RESTRICTIONS.items():
        asked = _asked(settings, key)
        mua[key] = ", ".join(asked) if asked is not None else _defined(look).get(key, safe)
    return {**look.definitions, **mua}


def _asked(settings: Settings, key: str) -> tuple[str, ...] | None:
    found: tuple[str, ...] | None = getattr(settings, key)
    return found


def _sender_rules(look: Look) -> list[str]:
    """The restrictions in main.cf that bind senders to logins, which a new service needs, too."""
    defined = _defined(look)
    words = [word.lower() for name in LISTS for word in elements(defined.get(name, ""))]
    return list(dict.fromkeys(word for word in words if _BINDS_SENDERS.fullmatch(word)))


def _defined(look: Look) -> dict[str, str]:
    return defined_parameters(look.main_cf.content or "")
