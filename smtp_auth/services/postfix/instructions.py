"""The instructions for Postfix, which Change.pm in this folder reads."""

from collections.abc import Iterator

from smtp_auth.facts.look import Look
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.proof import Proof
from smtp_auth.postfix.master_cf import PORT_25_NAMES, services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.dovecot.listener import AUTH_LISTENER, listener_path
from smtp_auth.services.instruction import Instruction
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.settings import Settings

Conversation = tuple[str, ...]


def instructions(plan: Plan, settings: Settings, look: Look) -> Iterator[Instruction]:
    """Postfix's part of a change."""
    yield "postfix.config_directory", look.parameters["config_directory"]
    yield "postfix.queue_directory", look.queue_directory
    yield from (("postfix.moving", label) for label in _moving(plan, look))
    yield from (("postfix.wanted", f"{name} = {value}".rstrip()) for name, value in plan.expected)
    yield "postfix.earlier", "yes" if plan.proof.earlier else ""
    if plan.proof.certificates:
        yield from zip(("postfix.hostname", "postfix.chain"), plan.proof.certificates[0], strict=True)
    yield from (("postfix.restored", "\t".join(files)) for files in plan.proof.restored_certificates)
    yield from (("postfix.sni_table", table) for table in plan.proof.sni_tables)
    yield from (("postfix.prove", "\t".join(words)) for words in _conversations(plan.proof, look))
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


def _conversations(proof: Proof, look: Look) -> Iterator[Conversation]:
    """The conversations that prove a change: the arguments of Proof.pm without the time."""
    proxied = _proxied(look)
    for port in _served_ports(look) - {465}:
        yield _protocol(port in proxied), str(port)
    if not proof.submissions:
        return
    how = ("yes" if proof.logins else "", "yes" if proof.login_only else "")
    for name, chain in proof.certificates:
        yield _protocol(proof.proxied), "465", *((name, chain, *how) if proof.wrapped else ())


def _earlier_conversations(settings: Settings, look: Look) -> Iterator[Conversation]:
    """The conversations that prove that a host serves as it did before the change."""
    proxied = _proxied(look)
    for port in sorted(_served_ports(look)):
        is_wrapped = port == 465 and _wrapped(look)
        yield (
            _protocol(port in proxied),
            str(port),
            *((settings.mail_hostname, "", "", "") if is_wrapped else ()),
        )


def _protocol(proxied: bool) -> str:
    return "proxied" if proxied else "smtp"


def _served_ports(look: Look) -> frozenset[int]:
    """Which of the ports 25 and 465 the present files serve; Postfix may still run with older files."""
    present = look.submissions_services
    # The proof has no client certificate, so it cannot prove such a service.
    closed = any(is_yes(look.value(one, "smtpd_tls_req_ccert")) for one in present)
    return look.listening if present and not closed else look.listening - {465}


def _proxied(look: Look) -> set[int]:
    """On which of the ports 25 and 465 Postfix waits for a proxy's header before the conversation."""
    found = {465: look.submissions_services}
    found[25] = [one for one in services(look.master_cf.content or "") if one.port in PORT_25_NAMES]
    return {
        port
        for port, ones in found.items()
        if any(look.value(one, f"{one.command}_upstream_proxy_protocol") for one in ones)
    }


def _wrapped(look: Look) -> bool:
    """Whether port 465 speaks TLS from the first byte, before the change."""
    return any(is_yes(look.value(one, "smtpd_tls_wrappermode")) for one in look.submissions_services)


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
