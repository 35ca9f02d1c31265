"""The conversations that prove a change of Postfix: what Proof.pm in this folder is told."""

from collections import ChainMap
from collections.abc import Iterator, Mapping

from smtp_auth.facts.look import Look
from smtp_auth.plan.plan import Plan
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, port_25_services, services_of_port
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.dovecot.listener import asks_the_listener
from smtp_auth.services.postfix.certificate_files import NAMES
from smtp_auth.services.postfix.guide_options import ASKS_DOVECOT
from smtp_auth.services.postfix.login_rules import AUTH
from smtp_auth.services.postfix.tls_in_use import LEVEL
from smtp_auth.settings import Settings

# Words KEY=VALUE: the arguments of Proof.pm without the time.
Conversation = tuple[str, ...]


def conversations(plan: Plan, settings: Settings, look: Look) -> Iterator[Conversation]:
    """The conversations that prove a change."""
    proof = plan.proof
    for port in sorted(_served_ports(look) - {465}):
        tls = _starttls(plan, look, port)
        yield *_plain(settings, look, port), *([f"starttls={tls}"] if tls else [])
    if not proof.submissions:
        return
    how = {
        "proxied": proof.proxied,
        "outside": not proof.earlier,
        "wrapped": proof.wrapped,
        "auth": proof.wrapped and proof.logins,
        "login_only": proof.wrapped and proof.login_only,
    }
    for name, chain in proof.certificates:
        yield (
            "port=465",
            f"name={name}",
            *(f"{key}=yes" for key, is_on in how.items() if is_on),
            *([f"chain={chain}"] if proof.wrapped and chain else []),
            *(f"version={version}" for version in proof.versions),
        )


def _starttls(plan: Plan, look: Look, port: int) -> str:
    """Whether a port must serve behind STARTTLS after the change: `yes` if it offers it, or `required`.

    Empty if it cannot be proved, or depends on what is its owner's alone: that may not have served before,
    either.
    """
    files = {planned.file.path: planned.content or "" for planned in plan.files}
    main_cf = defined_parameters(files.get(look.main_cf.path, look.main_cf.content or ""))
    coming = _services_on(files.get(look.master_cf.path, look.master_cf.content or ""), port)
    definitions = {**look.parameters, **main_cf}
    found = [(one, _values(definitions, one)) for one in coming]
    if plan.proof.earlier or any(_is_its_owners(look, one, its) for one, its in found):
        return ""
    for one, its in found:
        is_hidden = any(its[name] for name in _MAY_HIDE_STARTTLS)
        if one.command != "smtpd" or its[LEVEL].lower() not in ("may", "encrypt") or is_hidden:
            return "yes"
    return "required" if found else ""


_MAY_HIDE_STARTTLS = ("smtpd_discard_ehlo_keywords", "smtpd_discard_ehlo_keyword_address_maps")


def _values(definitions: dict[str, str], service: Service) -> dict[str, str]:
    known = ChainMap(service.effective_options, definitions)
    names = (LEVEL, AUTH, *ASKS_DOVECOT, *_MAY_HIDE_STARTTLS)
    return {name: expanded(known.get(name, ""), known) for name in names}


def _is_its_owners(look: Look, service: Service, values: Mapping[str, str]) -> bool:
    """Whether it has a certificate or a backend of SASL of its own, or demands clients' certificates."""
    kind, path = (values[name] for name in ASKS_DOVECOT)
    asks_others = is_yes(values[AUTH]) and not asks_the_listener(look, kind, path)
    has_certificate = bool(service.effective_options.keys() & {*NAMES})
    return asks_others or has_certificate or _wants_certificates(look, service)


def earlier_conversations(settings: Settings, look: Look) -> Iterator[Conversation]:
    """The conversations that prove that a host serves as it did before the change."""
    for port in sorted(_served_ports(look)):
        yield _plain(settings, look, port)


def _plain(settings: Settings, look: Look, port: int) -> Conversation:
    """A conversation with a service as it is before the change."""
    found = services_of_port(look.master_cf.content or "", port)
    is_proxied = any(look.value(one, f"{one.command}_upstream_proxy_protocol") for one in found)
    smtpds = [one for one in found if one.command == "smtpd"]
    is_wrapped = any(is_yes(look.value(one, "smtpd_tls_wrappermode")) for one in smtpds)
    return (
        f"port={port}",
        f"name={settings.mail_hostname}",
        *(["proxied=yes"] if is_proxied else []),
        *(["wrapped=yes"] if is_wrapped else []),
    )


def _served_ports(look: Look) -> frozenset[int]:
    """Which of the ports 25, 465 and 587 the present files serve; Postfix may still run with older files."""
    found = (look.listening & {25, 465}) | (look.postfix_listening & {587})
    content = look.master_cf.content or ""
    gone = {port for port in found if not services_of_port(content, port)}
    closed = {465} if any(_wants_certificates(look, one) for one in look.submissions_services) else set()
    return found - gone - closed


def _wants_certificates(look: Look, service: Service) -> bool:
    return is_yes(look.value(service, "smtpd_tls_req_ccert"))


def _services_on(content: str, port: int) -> list[Service]:
    """The services that answer on a port: those behind postscreen, too."""
    behind = [one for one in port_25_services(content) if one.type == "pass"] if port == 25 else []
    return [*services_of_port(content, port), *behind]
