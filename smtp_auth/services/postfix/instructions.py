"""The instructions for Postfix, which Change.pm in this folder reads."""

from collections.abc import Iterator

from smtp_auth.facts.look import Look
from smtp_auth.plan.plan import Plan
from smtp_auth.postfix.master_cf import services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.dovecot.listener import is_the_listener
from smtp_auth.services.instruction import Instruction
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix.conversations import conversations, earlier_conversations
from smtp_auth.settings import Settings


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
    yield from (("postfix.prove", "\t".join(words)) for words in conversations(plan, settings, look))
    yield "postfix.unserved", "465" if _is_not_open(look) or _lacks_listener(look) else ""
    yield from (("postfix.prove_old", "\t".join(words)) for words in earlier_conversations(settings, look))


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


def _is_not_open(look: Look) -> bool:
    """Whether nobody has reloaded Postfix since a service on port 465 was written."""
    return bool(look.submissions_services) and 465 not in look.listening


def _lacks_listener(look: Look) -> bool:
    """Whether an smtpd on port 465 would die when it starts, because its Dovecot listener does not exist."""
    needed = ("smtpd_tls_wrappermode", "smtpd_sasl_auth_enable")
    return not look.socket and any(
        all(is_yes(look.value(service, name)) for name in needed)
        and look.value(service, "smtpd_sasl_type") == "dovecot"
        and is_the_listener(look, look.value(service, "smtpd_sasl_path"))
        for service in look.submissions_services
    )
