"""SMTP TLS: Postfix uses the domain's Let's Encrypt certificate (main.cf)."""

from collections.abc import Generator, Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.facts.look import Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.postfix.master_cf import port_25_services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.runs.operation import take_part
from smtp_auth.services.certbot import certificates
from smtp_auth.services.postfix import POSTFIX, certificate_files
from smtp_auth.services.postfix.certificate_pairs import keep_pairs
from smtp_auth.services.postfix.reload import reload_if_older
from smtp_auth.services.postfix.tls_in_use import MANDATORY_PROTOCOLS, mandatory_protocols
from smtp_auth.settings import Settings


@operation()
def certificate(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Make Postfix use the lineage of `mail_domain` and offer TLS, and set the oldest TLS version.

    This sets the guide's three parameters of main.cf, and `smtpd_tls_mandatory_protocols`. The latter applies
    wherever TLS is mandatory, and so on port 465, which is in wrapper mode.

    + present: `False` in remove.py, which restores the earlier settings

    Source: postconf(5), smtpd_tls_mandatory_protocols and smtpd_tls_wrappermode.

    **Example:**

    .. code:: python

        postfix_tls.certificate(name="SMTP TLS: Postfix uses the domain's certificate")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Set the certificate, the TLS level of port 25 and the oldest TLS version, if the host has others."""
    settings, look = draft.settings, draft.look
    owners = draft.owners
    draft.set_parameters(_wanted(settings, owners))
    _set_level_of_port_25(draft)
    protocols = mandatory_protocols(settings, owners)
    if protocols != owners.parameters[MANDATORY_PROTOCOLS]:
        draft.set_parameters(
            {MANDATORY_PROTOCOLS: protocols},
            f"the oldest TLS version where TLS is mandatory is {settings.tls_minimum_version}",
        )
    others = {name: None for name in certificate_files.OTHERS if owners.parameters.get(name)}
    draft.set_parameters(others, "Postfix would serve this certificate instead")
    keep_pairs(draft)
    chain = f"{settings.lineage(settings.mail_domain)}/fullchain.pem"
    draft.proof = draft.proof.with_certificate(settings.mail_hostname, chain)
    if chain == look.parameters["smtpd_tls_cert_file"]:
        changed = look.certificates[settings.mail_domain].changed
        reason = f"the certificate of {settings.mail_domain} is newer than the running configuration"
        reload_if_older(draft, changed, reason)


def _parameters(_settings: Settings) -> tuple[str, ...]:
    guides = ("smtpd_tls_key_file", "smtpd_tls_cert_file", "smtpd_tls_security_level", "smtpd_enforce_tls")
    return (*guides, MANDATORY_PROTOCOLS, *certificate_files.OTHERS)


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    return certificates.obstacles(settings, look, settings.mail_domain)


def _warnings(settings: Settings, look: Look) -> Iterator[str]:
    return certificates.warnings(settings, look, settings.mail_domain)


def _wanted(settings: Settings, look: Look) -> dict[str, str | None]:
    lineage = settings.lineage(settings.mail_domain)
    present = look.parameters["smtpd_tls_security_level"]
    # Postfix uses this older parameter if smtpd_tls_security_level is empty.
    if not present and is_yes(look.parameters.get("smtpd_enforce_tls", "no")):
        present = "encrypt"
    return {
        "smtpd_tls_key_file": f"{lineage}/privkey.pem",
        "smtpd_tls_cert_file": f"{lineage}/fullchain.pem",
        "smtpd_tls_security_level": _level(settings, present),
    }


def _level(settings: Settings, present: str) -> str:
    """The level in the data; if that is `None`, the present level, but at least `may`."""
    if settings.smtpd_tls_security_level is not None:
        return settings.smtpd_tls_security_level
    return "may" if present.lower() in ("", "none") else present


def _set_level_of_port_25(draft: Draft) -> None:
    """Set the level in the options of port 25's services, too, because an option overrides main.cf."""
    option = "smtpd_tls_security_level"
    wanted: dict[str, dict[str, str | None]] = {
        service.label: {option: _level(draft.settings, service.effective_options[option])}
        for service in port_25_services(draft.owners.master_cf.content or "")
        if option in service.effective_options
    }

    draft.set_options(wanted, "the level of TLS on port 25")


STEP = Step(
    name="SMTP TLS",
    nothing_to_do="TLS parameters are as wanted",
    service=POSTFIX,
    edit=edit,
    parameters=_parameters,
    obstacles=_obstacles,
    warnings=_warnings,
)
