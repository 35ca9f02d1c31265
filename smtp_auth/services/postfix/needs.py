"""What services that the owner has set up since the first deploy need of what we have written.

A removal keeps it. An undo that would delete or change it is refused.
"""

from collections.abc import Iterator, Mapping

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.service import Needed
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, is_on_loopback, is_smtpd_of_port_25, services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.certbot.block import HOOK, our_lines
from smtp_auth.services.certbot.definitions import OUR_LINES
from smtp_auth.services.dovecot.listener import DROPIN, asks_the_listener
from smtp_auth.services.postfix import certificate_files
from smtp_auth.services.postfix.guide_options import ASKS_DOVECOT, LISTS
from smtp_auth.services.postfix.login_rules import AUTH
from smtp_auth.services.postfix.references import names_table, referred
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
        halves = _halves_of_ours(ledger, service)
        definitions |= {(MASTER_CF.key, f"{service.label}/{name}") for name in halves}
        parts += halves
        if DROPIN.key in ledger.files and ledger.files[DROPIN.key].is_ours and _asks_listener(look, service):
            files.add(DROPIN.key)
            parts.append(look.files[DROPIN.key].path)
        if "smtpd_tls_cert_file" in names:
            definitions.add((HOOK.key, OUR_LINES))
        stays = f"{service.label} stays, because its owner has set it up or changed it since the first deploy"
        notes.append(f"{stays}; it needs these, which stay, too: {', '.join(parts)}" if parts else stays)
    for ours, theirs in _partners(look, ledger):
        definitions.add((MAIN_CF.key, ours))
        notes.append(f"{ours} stays, because it belongs to {theirs}, which its owner has edited")
        if _is_reloaded_by_us(look):
            definitions.add((HOOK.key, OUR_LINES))
    others = referred(look, ledger, first_seen)
    definitions |= others.keys()
    notes += others.values()
    if (MAIN_CF.key, "tls_server_sni_maps") in definitions or names_table(look, ledger):
        files.add(TABLE.key)
    return Needed(frozenset(definitions), frozenset(files), tuple(notes))


def breaks(draft: Draft, first_seen: Mapping[str, str]) -> tuple[str, ...]:
    """Which services and settings of the owner an undo would break, one sentence each.

    + draft: that of the undo
    + first_seen: as for `needs`; without master.cf, services are not judged
    """
    found = [*_undefined(draft, first_seen)]
    if MASTER_CF.key in first_seen:
        found += _broken(draft, first_seen)
    return tuple(found)


def set_up_since(look: Look, ledger: Ledger, first_seen: Mapping[str, str]) -> list[Service]:
    """The services that the owner has set up for logins since the first deploy.

    These are smtpd services that offer logins by an edit of the owner, and that did not exist, or offered
    none, before us. The arguments are those of `needs`.
    """
    first = {service.label: service for service in services(first_seen.get(MASTER_CF.key, ""))}
    default = defined_parameters(first_seen.get(MAIN_CF.key, "")).get(AUTH, "")
    found = []
    ours = ledger.ours(MASTER_CF.key)
    for service in services(look.master_cf.content or ""):
        if service.label in ours:
            continue
        earlier = first.get(service.label)
        had_logins = earlier and is_yes(earlier.effective_options.get(AUTH, default))
        if service.command == "smtpd" and not had_logins and _wants_logins(look, ledger, service, earlier):
            found.append(service)
    return found


def _wants_logins(look: Look, ledger: Ledger, service: Service, earlier: Service | None) -> bool:
    """Whether an edit of the owner makes the service offer logins.

    An option of theirs switches them on; or the service inherits them from main.cf, and permits those who
    have logged in: by an option of theirs, or, if it is new and open to others, by a list of main.cf.
    """
    ours, known = ledger.ours(MASTER_CF.key), look.definitions
    was = earlier.effective_options if earlier else {}
    theirs = {
        name: expanded(value, known)
        for name, value in service.effective_options.items()
        if f"{service.label}/{name}" not in ours and was.get(name) != value
    }
    if AUTH in service.effective_options:
        return is_yes(theirs.get(AUTH, "no"))
    if not is_yes(expanded(look.parameters.get(AUTH, ""), known)):
        return False
    values = [*theirs.values()]
    if earlier is None and not is_smtpd_of_port_25(service) and not is_on_loopback(service):
        values += [expanded(look.effective(service, name), known) for name in LISTS]
    return any("permit_sasl_authenticated" in map(str.lower, elements(value)) for value in values)


def _inherited(look: Look, ledger: Ledger, service: Service) -> list[str]:
    """The parameters of ours that the service inherits from main.cf."""
    own, ours = service.effective_options, ledger.ours(MAIN_CF.key)
    has_certificate = any(name in own for name in _CERTIFICATE)
    wanted = [*_LOGINS, *(() if has_certificate else _CERTIFICATE)]
    level = ours.get("smtpd_tls_security_level")
    if level and (level.effective or "none").lower() == "none":
        # There was no level before us: without ours, the service would offer no TLS.
        wanted.append("smtpd_tls_security_level")
    # If it takes one half of a pair from main.cf, both stay there.
    pairs = [pair for pair in certificate_files.KEYS.items() if len(own.keys() & {*pair}) == 1]
    halves = [name for pair in pairs for name in pair if name in ours]
    return [*(name for name in wanted if name in ours and name not in own), *halves]


def _halves_of_ours(ledger: Ledger, service: Service) -> list[str]:
    """The halves of a certificate and its key that we have added to the service's own ones."""
    ours = ledger.ours(MASTER_CF.key)
    return [name for name in certificate_files.NAMES if f"{service.label}/{name}" in ours]


def _asks_listener(look: Look, service: Service) -> bool:
    kind, path = (expanded(look.effective(service, name), look.definitions) for name in ASKS_DOVECOT)
    return asks_the_listener(look, kind, path)


def _partners(look: Look, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Pairs of a parameter of ours and one of the owner's that name a certificate and its key."""
    ours = ledger.ours(MAIN_CF.key)
    theirs = ledger.of(MAIN_CF.key).keys() - ours.keys()
    for pair in certificate_files.KEYS.items():
        for one, other in (pair, pair[::-1]):
            if one in ours and other in theirs:
                yield one, other


def _is_reloaded_by_us(look: Look) -> bool:
    """Whether our lines in certbot's hook are for the certificate that main.cf names."""
    directory = look.parameters.get("smtpd_tls_cert_file", "").rpartition("/")[0]
    return bool(directory) and directory in our_lines(look.files[HOOK.key].content or "")


def _undefined(draft: Draft, first_seen: Mapping[str, str]) -> Iterator[str]:
    coming = defined_parameters(draft.main_cf)
    for _, name in referred(draft.look, draft.ledger, first_seen):
        if name not in coming:
            yield (
                f"an undo would delete {name}, although a setting of the owner refers to it: change that "
                "setting first, or use smtp-auth remove, which keeps the parameter"
            )


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
                "first, or use smtp-auth remove, which keeps what it needs"
            )


def _is_lost(name: str, coming: Mapping[str, str]) -> bool:
    """Whether a draft deletes a parameter, or switches logins off. Another value of the owner is allowed."""
    return name not in coming or (name == AUTH and not is_yes(coming[name]))
