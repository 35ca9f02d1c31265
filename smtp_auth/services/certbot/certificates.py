"""The certificates of a host: whether Postfix can serve them, and which problems they will soon have.

A certificate that cannot be served is an obstacle, for which the host is refused: it is missing, does not
belong to its key, has expired, or does not cover `mail_hostname`. A certificate that should have been renewed
by now (lifetime.py) is a warning.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from smtp_auth.accepted_values import lineage_name
from smtp_auth.facts.look import Lineage, Look
from smtp_auth.services.certbot.hook import configuration_directory, has_certbot, is_for_certbot
from smtp_auth.services.certbot.lifetime import is_overdue
from smtp_auth.settings import Settings
from smtp_auth.shown import command

# This library takes longer to load than all our modules together. The functions that need it import it, so
# that it loads while we wait for the hosts' answers.
if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


def obstacles(settings: Settings, look: Look, domain: str) -> Iterator[str]:
    """Why a domain's certificate cannot be served; yields nothing if it can be served."""
    lineage = look.certificates[domain]
    if lineage.unread:
        yield (
            f"{lineage.unread}, so it is not read: replace it by a file of the account that owns "
            f"{lineage.directory}"
        )
        return
    if lineage.chain is None:
        yield f"there is no certificate for {domain} in {lineage.directory}{_instead(settings, look, domain)}"
        return
    name = settings.lineage_name(domain)
    certificate = _leaf(lineage)
    if certificate is None:
        renewal = _renewal(look, lineage, name)
        yield f"{lineage.directory}/fullchain.pem is not a certificate in PEM: {renewal}"
        return
    try:
        _listed(certificate)
    except ValueError as error:
        yield (
            f"the names of the certificate in {lineage.directory} cannot be read ({error}): "
            f"{_renewal(look, lineage, name)}"
        )
        return
    yield from _key_obstacles(look, lineage, certificate, name)
    if certificate.not_valid_after_utc < datetime.now(UTC):
        yield (
            f"the certificate in {lineage.directory} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: "
            f"{_renewal(look, lineage, name)}"
        )
    if domain == settings.mail_domain and not _covers(lineage, settings.mail_hostname):
        wider = _wider(look, lineage, [*names(lineage), settings.mail_hostname])
        yield (
            f"the certificate in {lineage.directory} does not cover {settings.mail_hostname}: "
            f"{_named_otherwise(settings, look) or wider}, or set mail_hostname to a name that it covers"
        )
    if not names(lineage):
        yield f"the certificate in {lineage.directory} covers no DNS name: issue it for the domain's names"


def warnings(settings: Settings, look: Look, domain: str) -> Iterator[str]:
    """The problems that a domain's certificate will soon have."""
    lineage = look.certificates[domain]
    certificate = _leaf(lineage)
    if certificate is None:
        return
    if is_overdue(certificate):
        yield (
            f"the certificate in {lineage.directory} expires on {certificate.not_valid_after_utc:%Y-%m-%d}"
            f" and was not renewed: {_renewal(look, lineage, settings.lineage_name(domain))}"
        )
    for name in _covered(lineage):
        if not _DNS_NAME.fullmatch(name):
            yield (
                f"the certificate in {lineage.directory} covers {name!r}, which is no DNS name: no client "
                "can ask for it, so nothing is written for it"
            )


# Also with a wildcard, and with underscores. White space would add words, and a line end lines, to Postfix's
# tables.
_DNS_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")


def names(lineage: Lineage) -> list[str]:
    """The DNS names that a lineage's certificate covers, in lower case, in the certificate's order."""
    return [name for name in _covered(lineage) if _DNS_NAME.fullmatch(name)]


def _covered(lineage: Lineage) -> list[str]:
    certificate = _leaf(lineage)
    try:
        return [] if certificate is None else _listed(certificate)
    except ValueError:
        return []


def _listed(certificate: "x509.Certificate") -> list[str]:
    """The DNS names in a certificate. Raises `ValueError` if they cannot be read."""
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from None
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def key_kind(lineage: Lineage) -> str:
    """The kind of a lineage's key in OpenSSL's words, `RSA` or `ECDSA`; empty if it is another or unknown."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = _public_key(lineage)
    except (UnsupportedAlgorithm, ValueError):
        return ""
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePublicKey) else ""


def _key_obstacles(look: Look, lineage: Lineage, certificate: "x509.Certificate", name: str) -> Iterator[str]:
    from cryptography.exceptions import UnsupportedAlgorithm

    if not lineage.key:
        yield f"{lineage.directory}/privkey.pem is missing or cannot be read without a passphrase"
        return
    try:
        belongs = _der(_public_key(lineage)) == _der(certificate.public_key())
    except (UnsupportedAlgorithm, ValueError) as error:
        yield (
            f"{lineage.directory}: it is unknown whether privkey.pem belongs to fullchain.pem "
            f"({error}): issue the certificate with an RSA or ECDSA key"
        )
        return
    if not belongs:
        yield (
            f"{lineage.directory}: privkey.pem does not belong to fullchain.pem: "
            f"{_renewal(look, lineage, name, '--force-renewal')}"
        )


def _instead(settings: Settings, look: Look, domain: str) -> str:
    """Which lineages exist instead of the missing one, and the command that creates the missing one."""
    is_default = domain == settings.mail_domain
    name = settings.lineage_name(domain)
    covered = settings.mail_hostname if is_default else f"mail.{domain}"
    obtain = _certbot(look, "certonly", "--cert-name", name, "-d", covered)
    renamed = _renamed(look, name)
    otherwise = _named_otherwise(settings, look) if is_default else ""
    if renamed and look.is_certbots:
        return (
            f"; certbot named it {renamed[-1]}: run {obtain} on the host (with a -d for each of its "
            f"names), then {_certbot(look, 'delete', '--cert-name', renamed[-1])}"
            + (f"; or: {otherwise}" if otherwise else "")
        )
    if otherwise:
        return f": {otherwise}"
    others = f" (the host has: {', '.join(look.lineages)})" if look.lineages else ""
    if not look.is_certbots:
        return f"{others}: obtain it with the client that keeps its certificates there"
    return f"{others}: run {obtain} on the host"


def _named_otherwise(settings: Settings, look: Look) -> str:
    """The advice to name another lineage that covers the host's name; empty if there is none."""
    now = datetime.now(UTC)
    for name, lineage in look.covering.items():
        certificate = _leaf(lineage)
        if certificate is None or certificate.not_valid_after_utc < now or not _is_name(name):
            continue
        if _covers(lineage, settings.mail_hostname):
            return f"the lineage {name} covers {settings.mail_hostname}: set certificate_name to '{name}'"
    return ""


def _is_name(name: str) -> bool:
    """Whether `certificate_name` accepts this name of a lineage."""
    try:
        return bool(lineage_name(name))
    except ValueError:
        return False


def _wider(look: Look, lineage: Lineage, wanted: list[str]) -> str:
    """How to add names to a lineage. Without --cert-name, certbot would create another lineage."""
    if not _is_renewed_by_certbot(look, lineage):
        return "issue it for that name too"
    words = [word for one in wanted for word in ("-d", one)]
    return f"run {_certbot(look, 'certonly', '--cert-name', _certbots_name(lineage), *words)} on the host"


def _renewal(look: Look, lineage: Lineage, name: str, *options: str) -> str:
    """How to renew a lineage, and which other lineage certbot may be renewing instead."""
    renewal = "renew it with the client that obtained it"
    if _is_renewed_by_certbot(look, lineage):
        renewal = f"renew it with {_certbot(look, 'renew', *options, '--cert-name', _certbots_name(lineage))}"
    renamed = _renamed(look, name) if is_for_certbot(look) else []
    return (
        f"{renewal} (certbot also has {', '.join(renamed)}, which Postfix does not use)"
        if renamed
        else renewal
    )


def _is_renewed_by_certbot(look: Look, lineage: Lineage) -> bool:
    return has_certbot(look) and bool(lineage.renewal)


def _certbots_name(lineage: Lineage) -> str:
    """certbot's name of a lineage, from its renewal configuration."""
    return lineage.renewal.rpartition("/")[2].removesuffix(".conf")


def _certbot(look: Look, action: str, *words: str) -> str:
    """A command for certbot, which reads another directory than its default one only if it is told."""
    directory = configuration_directory(look)
    where = () if directory == "/etc/letsencrypt" else ("--config-dir", directory)
    return command("certbot", action, *where, *words)


def _renamed(look: Look, name: str) -> list[str]:
    """The further lineages that certbot created for the same name: example.jp-0001 and so on."""
    return [other for other in look.lineages if re.fullmatch(rf"{re.escape(name)}-\d{{4,}}", other)]


def _leaf(lineage: Lineage) -> "x509.Certificate | None":
    return _first(lineage.chain or "")


# A plan reads the same certificate several times.
@lru_cache(maxsize=8)
def _first(chain: str) -> "x509.Certificate | None":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(chain.encode("latin-1"))
    except (ValueError, x509.InvalidVersion):
        return None


def _public_key(lineage: Lineage) -> "PublicKeyTypes":
    return load_pem_public_key(lineage.key.encode("ascii"))


def _der(key: object) -> bytes:
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return der


def _covers(lineage: Lineage, name: str) -> bool:
    """Whether one of the certificate's DNS names is this one, wildcards included (RFC 6125)."""
    covered = names(lineage)
    return name in covered or re.sub(r"^[^.]+", "*", name) in covered
