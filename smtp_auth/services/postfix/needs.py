"""What services that the owner has set up since the first deploy need of what we have written.

A removal keeps it. An undo that would delete or change it is refused.
"""

import re
from collections.abc import Iterator, Mapping

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.service import Needed
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, services
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.certbot.definitions import OUR_LINES
from smtp_auth.services.dovecot.listener import AUTH_LISTENER, DROPIN, listener_path
from smtp_auth.services.postfix import certificate_files
from smtp_auth.services.postfix.logins import AUTH
from smtp_auth.services.postfix.sni import TABLE

_SASL = ("smtpd_sasl_type", "smtpd_sasl_path", AUTH)

_LOGINS = (*_SASL, "smtpd_tls_auth_only")

_CERTIFICATE = (*certificate_files.NAMES, "tls_server_sni_maps")


def needs(look: Look, ledger: Ledger, first_seen: Mapping[str, str]) -> Needed:
    """What a removal must keep because the owner's services and settings need it.

    + look: the host as it is
    + ledger: from `ledger_now`
    + first_seen: main.cf and master.cf as they were before us, by their keys
    """
    definitions: set[tuple[str, str]] = set()
    files: set[str] = set()
    notes = []
    for service in set_up_since(look, ledger, first_seen):
        names = _inherited(look, ledger, service)
        parts = [*names]
        definitions |= {(MAIN_CF.key, name) for name in names}
        if DROPIN.key in ledger.files and ledger.files[DROPIN.key].is_ours and _asks_listener(look, service):
            files.add(DROPIN.key)
            parts.append(look.files[DROPIN.key].path)
        if "smtpd_tls_cert_file" in names:
            definitions.add((HOOK.key, OUR_LINES))
        stays = f"{service.label} stays, because its owner has set it up or changed it since the first deploy"
        notes.append(f"{stays}; it needs these, which stay, too: {', '.join(parts)}" if parts else stays)
    for name in _referred(look, ledger):
        definitions.add((MAIN_CF.key, name))
        notes.append(f"{name} stays, because a setting of the owner refers to it")
    if (MAIN_CF.key, "tls_server_sni_maps") in definitions or _names_table(look, ledger):
        files.add(TABLE.key)
    return Needed(frozenset(definitions), frozenset(files), tuple(notes))


def breaks(draft: Draft, first_seen: Mapping[str, str]) -> tuple[str, ...]:
    """Which services, set up by the owner since the first deploy, an undo would break, one sentence each.

    + draft: that of the undo
    + first_seen: as for `needs`; empty if master.cf is not among them
    """
    if MASTER_CF.key not in first_seen:
        return ()
    return tuple(_broken(draft, first_seen))


def set_up_since(look: Look, ledger: Ledger, first_seen: Mapping[str, str]) -> list[Service]:
    """The services that the owner has set up for logins since the first deploy.

    These are smtpd services that the owner wants to offer logins, and that did not exist, or offered none,
    before us. The arguments are those of `needs`.
    """
    first = {service.label: service for service in services(first_seen.get(MASTER_CF.key, ""))}
    default = defined_parameters(first_seen.get(MAIN_CF.key, "")).get(AUTH, "")
    found = []
    for service in services(look.master_cf.content or ""):
        earlier = first.get(service.label)
        had_logins = earlier and _is_yes(earlier.effective_options.get(AUTH, default))
        if service.command == "smtpd" and not had_logins and _offers_logins(look, ledger, service):
            found.append(service)
    return found


def _offers_logins(look: Look, ledger: Ledger, service: Service) -> bool:
    """Whether the owner wants the service to offer logins.

    So it is if an option of the owner switches them on, or if the service inherits them from main.cf and an
    option of the owner contains `permit_sasl_authenticated`.
    """
    own = service.effective_options.get(AUTH)
    ours = ledger.ours(MASTER_CF.key)
    if own is not None:
        return _is_yes(own) and f"{service.label}/{AUTH}" not in ours
    theirs = [
        value for name, value in service.effective_options.items() if f"{service.label}/{name}" not in ours
    ]
    definitions = {**look.parameters, **defined_parameters(look.main_cf.content or "")}
    words = [word.lower() for value in theirs for word in elements(expanded(value, definitions))]
    return _is_yes(look.parameters.get(AUTH, "")) and "permit_sasl_authenticated" in words


def _inherited(look: Look, ledger: Ledger, service: Service) -> list[str]:
    """The parameters of ours that the service inherits from main.cf."""
    own, ours = service.effective_options, ledger.ours(MAIN_CF.key)
    has_certificate = any(name in own for name in _CERTIFICATE)
    wanted = [*_LOGINS, *(() if has_certificate else _CERTIFICATE)]
    level = ours.get("smtpd_tls_security_level")
    if level and (level.effective or "none").lower() == "none":
        # There was no level before us: without ours, the service would offer no TLS.
        wanted.append("smtpd_tls_security_level")
    return [name for name in wanted if name in ours and name not in own]


def _asks_listener(look: Look, service: Service) -> bool:
    if look.effective(service, "smtpd_sasl_type").lower() != "dovecot":
        return False
    return look.effective(service, "smtpd_sasl_path") in (AUTH_LISTENER, listener_path(look))


def _referred(look: Look, ledger: Ledger) -> list[str]:
    """The parameters that a removal would delete although a setting of the owner refers to them."""
    values = [*_values_of_the_owner(look, ledger)]
    return [
        name
        for name, one in ledger.ours(MAIN_CF.key).items()
        if one.before is None and any(re.search(rf"\$(?:{name}\b|[({{]{name}\b)", value) for value in values)
    ]


def _names_table(look: Look, ledger: Ledger) -> bool:
    """Whether a setting of the owner names our SNI table."""
    table = look.files[TABLE.key]
    return any(table.path in value for value in _values_of_the_owner(look, ledger))


def _values_of_the_owner(look: Look, ledger: Ledger) -> Iterator[str]:
    parameters, options = ledger.ours(MAIN_CF.key), ledger.ours(MASTER_CF.key)
    defined = defined_parameters(look.main_cf.content or "")
    yield from (value for name, value in defined.items() if name not in parameters)
    for service in services(look.master_cf.content or ""):
        for name, value in service.effective_options.items():
            # A service that is ours is deleted with the options that its owner has added.
            if not {service.label, f"{service.label}/{name}"} & options.keys():
                yield value


def _broken(draft: Draft, first_seen: Mapping[str, str]) -> Iterator[str]:
    look = draft.look
    present, coming = (defined_parameters(text) for text in (look.main_cf.content or "", draft.main_cf))
    left = {service.label for service in services(draft.master_cf)}
    for service in set_up_since(look, draft.ledger, first_seen):
        own = service.effective_options
        lost = [name for name in present if name in _SASL and name not in own and _is_lost(name, coming)]
        if draft.content(DROPIN) is None and look.files[DROPIN.key].content and _asks_listener(look, service):
            lost.append(look.files[DROPIN.key].path)
        if lost and service.label in left:
            yield (
                f"an undo would break {service.label} in {look.master_cf.path}, which its owner has set up "
                f"or changed since the first deploy and which needs {', '.join(lost)}: delete that service "
                "first, or use remove.py, which keeps what it needs"
            )


def _is_lost(name: str, coming: Mapping[str, str]) -> bool:
    """Whether a draft deletes a parameter, or switches logins off. Another value of the owner is allowed."""
    return name not in coming or (name == AUTH and not _is_yes(coming[name]))


def _is_yes(value: str) -> bool:
    return value.lower() == "yes"
