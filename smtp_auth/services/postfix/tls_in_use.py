"""The versions of TLS and the ciphers that Postfix offers on a port after a deploy."""

import re
from collections.abc import Iterator, Mapping

from smtp_auth.facts.look import Look
from smtp_auth.plan.proof import CipherCheck
from smtp_auth.postfix import tls_protocols
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.master_cf import port_25_services, services_of_port
from smtp_auth.services.certbot.certificates import key_kind
from smtp_auth.services.postfix.certificate_files import NAMES
from smtp_auth.services.postfix.submissions_options import ServiceOptions
from smtp_auth.settings import Settings

MANDATORY_PROTOCOLS, PROTOCOLS = "smtpd_tls_mandatory_protocols", "smtpd_tls_protocols"

_LISTS = {"high": "tls_high_cipherlist", "medium": "tls_medium_cipherlist"}

_GRADES = {True: "smtpd_tls_mandatory_ciphers", False: "smtpd_tls_ciphers"}

_EXCLUSIONS = {
    True: ("smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers"),
    False: ("smtpd_tls_exclude_ciphers",),
}

PARAMETERS = (
    MANDATORY_PROTOCOLS,
    PROTOCOLS,
    "smtpd_tls_security_level",
    *_LISTS.values(),
    *_GRADES.values(),
    *_EXCLUSIONS[True],
)

# The versions that a client may be limited to; smtpd_tls_mandatory_protocols allows no older ones.
_PROVED = ("TLSv1.3", "TLSv1.2")


def mandatory_protocols(settings: Settings, look: Look) -> str:
    """smtpd_tls_mandatory_protocols in main.cf after a deploy.

    + look: the host without what we have written
    """
    present = look.parameters[MANDATORY_PROTOCOLS]
    if tls_protocols.meets(present, settings.tls_minimum_version):
        return present
    return tls_protocols.at_least(settings.tls_minimum_version, look.postfix_release)


def versions_served(settings: Settings, look: Look, one: ServiceOptions) -> tuple[str, ...]:
    """The versions of TLS that a service on port 465 must serve, the highest first."""
    protocols = one.effective.get(MANDATORY_PROTOCOLS, mandatory_protocols(settings, look))
    allowed = tls_protocols.allowed(expanded(protocols, one.definitions))
    return tuple(version for version in _PROVED if version in allowed)


def cipher_checks(settings: Settings, look: Look, found: list[ServiceOptions]) -> Iterator[CipherCheck]:
    """What the host's OpenSSL is asked of its ciphers, if the owner has limited them.

    + look: the host without what we have written
    + found: the services on port 465
    """
    lineage = look.certificates[settings.mail_domain]
    kind = key_kind(lineage)
    main_cf = {MANDATORY_PROTOCOLS: mandatory_protocols(settings, look)}
    for one in found:
        yield from _check(look, one.name, 465, {**main_cf, **one.effective}, kind, lineage.directory)
    content = look.master_cf.content or ""
    for port, services in ((25, port_25_services(content)), (587, services_of_port(content, 587))):
        for service in services:
            yield from _check(look, service.name, port, service.effective_options, kind, lineage.directory)


def _check(
    look: Look, name: str, port: int, options: Mapping[str, str], kind: str, directory: str
) -> Iterator[CipherCheck]:
    values = {**look.parameters, **options}
    definitions = {**look.definitions, **options}

    def value(parameter: str) -> str:
        return expanded(values.get(parameter, ""), definitions)

    is_mandatory = port == 465 or value("smtpd_tls_security_level").lower() == "encrypt"
    protocols = value(MANDATORY_PROTOCOLS if is_mandatory else PROTOCOLS)
    grade = _LISTS.get(value(_GRADES[is_mandatory]).lower())
    own_certificate = {*NAMES} & options.keys()
    if not kind or not grade or own_certificate or "TLSv1.2" not in tls_protocols.allowed(protocols):
        return
    given = [one for one in _EXCLUSIONS[is_mandatory] if value(one)]
    if grade in {*look.defined, *options}:
        given.append(grade)
    if not given:
        return
    excluded = re.findall(r"[^\s,:]+", " ".join(map(value, _EXCLUSIONS[is_mandatory])))
    listed = ":".join([value(grade), *(f"!{word}" for word in excluded)])
    said = "; ".join(f"{one} = {value(one)}" for one in given)
    yield CipherCheck(listed, kind, no_cipher(name, port, kind, directory, said))


def no_cipher(name: str, port: int, kind: str, directory: str, said: str) -> str:
    """The sentence for a service with which clients limited to TLSv1.2 could not agree on a cipher."""
    way_out = ", or set tls_minimum_version to 'TLSv1.3'" if port == 465 else ""
    return (
        f"{name} on port {port} leaves no cipher of TLSv1.2 for the {kind} key in {directory} ({said}), so "
        f"clients without TLSv1.3 could not connect: allow some{way_out}"
    )
