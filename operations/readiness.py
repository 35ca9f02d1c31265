"""Whether a host can be deployed to at all: data, prerequisites, certificate. Changes nothing.

What is wrong fails that host alone, in the plan, with one sentence that says what to do.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pyinfra import host, logger, state
from pyinfra.context import ctx_host

from facts.mail_host import Lineage, Look
from operations import postfix_sasl, postfix_tls, submissions_service
from operations.changes import begin
from postfix.master_cf import submissions_services
from settings import Settings, SettingsError, settings_from_data


def ready() -> bool:
    """Validate the host's data, look at the host, and say whether the operations can go on.

    Fails the host with every reason where they cannot.
    """
    current = ctx_host.get()
    try:
        settings = settings_from_data(current.name, current.data.dict())
    except SettingsError as error:
        return _failed([str(problem) for problem in error.problems])
    look = begin(settings, parameters(settings))
    if look is None:
        return False
    found = list(obstacles(settings, look))
    return _failed(found) if found else True


def parameters(settings: Settings) -> tuple[str, ...]:
    """The Postfix parameters that the operations ask about."""
    options = submissions_service.all_options(settings)
    names = (*postfix_tls.PARAMETERS, *postfix_sasl.PARAMETERS, *options)
    return tuple(dict.fromkeys((*names, "smtpd_sasl_exceptions_networks")))


def obstacles(settings: Settings, look: Look) -> Iterator[str]:
    """Why this host cannot be deployed to; nothing where it can."""
    if look.uid != 0:
        yield "not root: set ssh_user to 'root', or _sudo to True, for this host"
        return
    programs = {"postconf": "Postfix", "doveconf": "Dovecot", "systemctl": "systemd"}
    for command, program in programs.items():
        if command not in look.commands:
            yield f"{program} is not installed ({command} not found): install it, or leave this host out"
    if programs.keys() - look.commands:
        return
    for command in ("openssl", "flock"):
        if command not in look.commands:
            yield f"the program {command} is missing: install the package that brings it"
    yield from _service_obstacles(look)
    yield from _certificate_obstacles(settings, look)


def _service_obstacles(look: Look) -> Iterator[str]:
    if look.postfix_reloaded is None:
        yield "Postfix is not running: start it (systemctl start postfix), for a change proves itself live"
    if look.dovecot_version is None:
        yield "Dovecot's configuration has an error: doveconf -n on the host names it"
    elif not look.dovecot_running:
        yield "Dovecot is not running: start it (systemctl start dovecot), for a change proves itself live"
    for file in (look.main_cf, look.master_cf):
        if file.content is None:
            yield f"{file.path} is missing or cannot be read: restore it"
    try:
        services = submissions_services(look.master_cf.content or "")
    except ValueError as error:
        yield f"{look.master_cf.path} has a broken line, mend it first: {error}"
        return
    for service in services:
        if service.command != "smtpd":
            yield (
                f"port 465 is held by {service.name}/inet, which runs {service.command} and not smtpd: "
                f"move it to another port in {look.master_cf.path}"
            )
    if 465 in look.listening and not services:
        yield "port 465 is held by another program than Postfix (ss -ltnp shows which): stop that first"


def _certificate_obstacles(settings: Settings, look: Look) -> Iterator[str]:
    domain = settings.mail_domain
    lineage = look.certificates[domain]
    if lineage.chain is None:
        others = ", ".join(look.lineages)
        yield (
            f"no certificate for {domain} in {lineage.directory}"
            + (f" (there is {others})" if others else "")
            + f": run certbot certonly --cert-name {domain} -d {settings.mail_hostname} on the host"
        )
        return
    try:
        certificate = _leaf(lineage)
    except ValueError:
        yield f"{lineage.directory}/fullchain.pem is not a certificate in PEM: renew it with certbot"
        return
    if not lineage.key:
        yield f"{lineage.directory}/privkey.pem is missing or cannot be read without a passphrase"
    elif _public_key(lineage) != _der(certificate.public_key()):
        yield (
            f"{lineage.directory}: privkey.pem does not belong to fullchain.pem: "
            f"renew it with certbot renew --force-renewal --cert-name {domain}"
        )
    if not _covers(certificate, settings.mail_hostname):
        yield (
            f"the certificate in {lineage.directory} does not cover {settings.mail_hostname}: "
            "issue it for that name too, or set mail_hostname to a name that it covers"
        )
    if certificate.not_valid_after_utc < datetime.now(UTC):
        yield (
            f"the certificate in {lineage.directory} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: "
            f"renew it with certbot renew --cert-name {domain}"
        )


def _leaf(lineage: Lineage) -> x509.Certificate:
    return x509.load_pem_x509_certificate((lineage.chain or "").encode("latin-1"))


def _public_key(lineage: Lineage) -> bytes:
    return _der(load_pem_public_key(lineage.key.encode("ascii")))


def _der(key: object) -> bytes:
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return der


def _covers(certificate: x509.Certificate, name: str) -> bool:
    """Whether one of the certificate's DNS names is this one, wildcards included (RFC 6125)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    names = {covered.lower() for covered in extension.value.get_values_for_type(x509.DNSName)}
    return name in names or re.sub(r"^[^.]+", "*", name) in names


def _failed(reasons: list[str]) -> bool:
    for reason in reasons:
        host.log_styled(reason, fg="red", log_func=logger.error)
    state.fail_hosts({ctx_host.get()})
    return False
