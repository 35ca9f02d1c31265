"""The versions of TLS and the ciphers that Postfix offers on a port after a deploy."""

import re
from collections import ChainMap
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

LEVEL = "smtpd_tls_security_level"

MANDATORY_PROTOCOLS, PROTOCOLS = "smtpd_tls_mandatory_protocols", "smtpd_tls_protocols"

_LISTS = {"high": "tls_high_cipherlist", "medium": "tls_medium_cipherlist"}

_GRADES = {True: "smtpd_tls_mandatory_ciphers", False: "smtpd_tls_ciphers"}

_EXCLUSIONS = {
    True: ("smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers"),
    False: ("smtpd_tls_exclude_ciphers",),
}

TLS_PARAMETERS = (
    MANDATORY_PROTOCOLS,
    PROTOCOLS,
    LEVEL,
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


def versions_served(settings: Settings, look: Look, found: list[ServiceOptions]) -> tuple[str, ...]:
    """The versions of TLS that each service on port 465 must serve, the highest first.

    + look: the host without what we have written
    + found: these services
    """
    in_main_cf = mandatory_protocols(settings, look)
    allowed = [
        tls_protocols.allowed(expanded(one.effective.get(MANDATORY_PROTOCOLS, in_main_cf), one.definitions))
        for one in found
    ]
    return tuple(version for version in _PROVED if all(version in versions for versions in allowed))


def cipher_checks(settings: Settings, look: Look, found: list[ServiceOptions]) -> Iterator[CipherCheck]:
    """What the host's OpenSSL is asked of its ciphers, if the owner has limited them.

    + look: the host without what we have written
    + found: the services on port 465
    """
    main_cf = {MANDATORY_PROTOCOLS: mandatory_protocols(settings, look)}
    level = settings.smtpd_tls_security_level
    in_general = {} if level is None else {LEVEL: level}
    content = look.master_cf.content or ""
    services = [*port_25_services(content), *services_of_port(content, 587)]
    asked: list[tuple[str, int, Mapping[str, str]]] = [
        *((one.name, 465, {**main_cf, **one.effective}) for one in found),
        *((one.name, one.number or 25, {**in_general, **one.effective_options}) for one in services),
    ]
    # One question for each kind of key: a further domain's certificate may have another.
    kinds = {key_kind(lineage): lineage.directory for lineage in reversed(look.certificates.values())}
    for name, port, options in asked:
        for kind, directory in reversed(kinds.items()):
            yield from _check(look, name, port, options, kind, directory)


def _check(
    look: Look, name: str, port: int, options: Mapping[str, str], kind: str, directory: str
) -> Iterator[CipherCheck]:
    own = {**options}
    values, definitions = ChainMap(own, look.parameters), ChainMap(own, look.definitions)

    def value(parameter: str) -> str:
        return expanded(values.get(parameter, ""), definitions)

    # main.cf has at least `may` after a deploy, unless the data says otherwise.
    has_tls = port == 465 or LEVEL not in options or value(LEVEL).lower() != "none"
    is_mandatory = port == 465 or value(LEVEL).lower() == "encrypt"
    protocols = value(MANDATORY_PROTOCOLS if is_mandatory else PROTOCOLS)
    grade = _LISTS.get(value(_GRADES[is_mandatory]).lower())
    its_own = {*NAMES} & options.keys()
    if not (kind and grade and has_tls) or its_own or "TLSv1.2" not in tls_protocols.allowed(protocols):
        return
    given = [one for one in _EXCLUSIONS[is_mandatory] if value(one)]
    if grade in {*look.defined, *options}:
        given.append(grade)
    if given:
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
