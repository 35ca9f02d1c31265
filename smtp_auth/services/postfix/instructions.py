"""The instructions for Postfix, which Change.pm in this folder reads."""

from collections.abc import Iterator

from smtp_auth.facts.look import Look
from smtp_auth.plan.plan import Plan
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, port_25_services, services, services_of_port
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.dovecot.listener import AUTH_LISTENER, listener_path
from smtp_auth.services.instruction import Instruction
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix.certificate_files import NAMES
from smtp_auth.settings import Settings

# Words KEY=VALUE: the arguments of Proof.pm without the time.
Conversation = tuple[str, ...]


def instructions(plan: Plan, settings: Settings, look: Look) -> Iterator[Instruction]:
    """Postfix's part of a change."""
    yield "postfix.config_directory", look.parameters["config_directory"]
    yield "postfix.queue_directory", look.queue_directory
    yield from (
        ("postfix.served", f"{settings.lineage(domain)}/fullchain.pem") for domain in settings.domains
    )
    yield from (("postfix.moving", label) for label in _moving(plan, look))
    yield from (("postfix.wanted", f"{name} = {value}".rstrip()) for name, value in plan.expected)
    yield "postfix.earlier", "yes" if plan.proof.earlier else ""
    if plan.proof.certificates:
        yield from zip(("postfix.hostname", "postfix.chain"), plan.proof.certificates[0], strict=True)
    yield from (("postfix.restored", "\t".join(files)) for files in plan.proof.restored_certificates)
    yield from (("postfix.sni_table", table) for table in plan.proof.sni_tables)
    for check in plan.proof.ciphers:
        yield "postfix.ciphers", "\t".join((check.kind, check.listed, check.sentence))
    yield from (("postfix.prove", "\t".join(words)) for words in _conversations(plan, settings, look))
    yield "postfix.unserved", "465" if _is_not_open(look) or _lacks_listener(look) else ""
    yield from (("postfix.prove_old", "\t".join(words)) for words in _earlier_conversations(settings, look))


def proves_submissions(plan: Plan) -> bool:
    """Whether the change of a plan proves that port 465 serves."""
    return plan.proof.submissions and POSTFIX in plan.services


def _moving(plan: Plan, look: Look) -> Iterator[str]:
    """The services on ports that only the old or only the new master.cf has."""
    files = {planned.file.path: planned.content or "" for planned in plan.files}
    old = look.master_cf.content or ""
    labels = [
        {service.label for service in services(text) if service.type == "inet"}
        for text in (old, files.get(look.master_cf.path, old))
    ]
    yield from sorted(labels[0] ^ labels[1])


def _conversations(plan: Plan, settings: Settings, look: Look) -> Iterator[Conversation]:
    """The conversations that prove a change."""
    proof = plan.proof
    for port in sorted(_served_ports(look) - {465}):
        # What comes back may have had no working TLS before, either.
        tls = "" if proof.earlier or _wants_certificates(look, port) else _starttls(plan, look, port)
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
    """`required` if a port must offer STARTTLS after the change; `yes` if its services may hide it."""
    files = {planned.file.path: planned.content or "" for planned in plan.files}
    main_cf = defined_parameters(files.get(look.main_cf.path, look.main_cf.content or ""))
    coming = services_of_port(files.get(look.master_cf.path, look.master_cf.content or ""), port)
    definitions = {**look.parameters, **main_cf}
    for one in coming:
        own = one.effective_options
        level, *hidden = (
            expanded(own.get(name, definitions.get(name, "")), {**definitions, **own})
            for name in ("smtpd_tls_security_level", *_MAY_HIDE_STARTTLS)
        )
        its_own = own.keys() & {*NAMES}
        if one.command != "smtpd" or level.lower() not in ("may", "encrypt") or any(hidden) or its_own:
            return "yes"
    return "required"


_MAY_HIDE_STARTTLS = ("smtpd_discard_ehlo_keywords", "smtpd_discard_ehlo_keyword_address_maps")


def _earlier_conversations(settings: Settings, look: Look) -> Iterator[Conversation]:
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
    # Without a certificate of its own, the proof cannot begin there.
    closed = {
        port
        for port in (465, 587)
        if not _services_on(look, port) or (port == 465 and _wants_certificates(look, port))
    }
    return found - closed


def _wants_certificates(look: Look, port: int) -> bool:
    """Whether a service demands a certificate of each client in TLS: the proof has none."""
    return any(is_yes(look.value(one, "smtpd_tls_req_ccert")) for one in _services_on(look, port))


def _services_on(look: Look, port: int) -> list[Service]:
    """The services that answer on a port: those behind postscreen, too."""
    content = look.master_cf.content or ""
    behind = [one for one in port_25_services(content) if one.type == "pass"] if port == 25 else []
    return [*services_of_port(content, port), *behind]


def _is_not_open(look: Look) -> bool:
    """Whether nobody has reloaded Postfix since a service on port 465 was written."""
    return bool(look.submissions_services) and 465 not in look.listening


def _lacks_listener(look: Look) -> bool:
    """Whether an smtpd on port 465 would die when it starts, because its Dovecot listener does not exist."""
    needed = ("smtpd_tls_wrappermode", "smtpd_sasl_auth_enable")
    paths = (AUTH_LISTENER, listener_path(look))
    return not look.socket and any(
        all(is_yes(look.value(service, name)) for name in needed)
        and look.value(service, "smtpd_sasl_type") == "dovecot"
        and look.value(service, "smtpd_sasl_path") in paths
        for service in look.submissions_services
    )
