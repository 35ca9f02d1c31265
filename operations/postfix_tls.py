"""SMTP TLS: Postfix uses the domain's Let's Encrypt certificate (main.cf)."""

import re
from collections.abc import Generator, Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from deploys.operation import take_part
from facts.look import Look
from plan import certificates
from plan.draft import Draft
from plan.plan import outdated
from plan.step import Step
from settings import Settings


@operation()
def certificate() -> Generator[PyinfraCommand, None, None]:
    """
    Point Postfix at the lineage of `mail_domain`, offer TLS and set the floor of its version.

    The guide's three parameters of main.cf, and `smtpd_tls_mandatory_protocols`: it applies wherever
    TLS is mandatory, and so to port 465, which is in wrapper mode.

    **Example:**

    .. code:: python

        postfix_tls.certificate(name="SMTP TLS: Postfix uses the domain's certificate")
    """
    yield from take_part(STEP)


# If one of these is set, Postfix serves its certificate instead of smtpd_tls_cert_file's, or beside
# it (postconf(5)).
_OTHER_CERTIFICATES = (
    "smtpd_tls_chain_files",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
)


def edit(draft: Draft) -> None:
    """Set the certificate, the level of port 25 and the floor, if the host has others."""
    settings, look = draft.settings, draft.look
    draft.set_parameters(_wanted(settings))
    floor = settings.tls_minimum_version
    present = _allowed(look.parameters["smtpd_tls_mandatory_protocols"])
    if not present or not present <= _at_least(floor):
        draft.set_parameters(
            {"smtpd_tls_mandatory_protocols": _protocols(floor, look)},
            f"the oldest TLS version where TLS is mandatory is {floor}",
        )
    others = {name: None for name in _OTHER_CERTIFICATES if look.parameters.get(name)}
    draft.set_parameters(others, "Postfix would serve this certificate instead")
    chain = f"{settings.lineage(settings.mail_domain)}/fullchain.pem"
    draft.certificates[settings.mail_hostname] = chain
    served = chain == look.parameters["smtpd_tls_cert_file"]
    if served and outdated(look, look.certificates[settings.mail_domain].changed):
        draft.reload("Postfix", f"the certificate of {settings.mail_domain} is newer than what runs")


def _parameters(_settings: Settings) -> tuple[str, ...]:
    guides = ("smtpd_tls_key_file", "smtpd_tls_cert_file", "smtpd_tls_security_level")
    return (*guides, "smtpd_tls_mandatory_protocols", *_OTHER_CERTIFICATES)


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    return certificates.obstacles(settings, look, settings.mail_domain)


def _warnings(settings: Settings, look: Look) -> Iterator[str]:
    return certificates.warnings(look, settings.mail_domain)


def _wanted(settings: Settings) -> dict[str, str | None]:
    lineage = settings.lineage(settings.mail_domain)
    return {
        "smtpd_tls_key_file": f"{lineage}/privkey.pem",
        "smtpd_tls_cert_file": f"{lineage}/fullchain.pem",
        "smtpd_tls_security_level": settings.smtpd_tls_security_level,
    }


_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def _at_least(floor: str) -> set[str]:
    return set(_VERSIONS[_VERSIONS.index(floor) :])


def _protocols(floor: str, look: Look) -> str:
    """The floor in the syntax of this Postfix: `>=` came with 3.6 (smtpd_tls_mandatory_protocols)."""
    if look.postfix_release is not None and look.postfix_release >= (3, 6):
        return f">={floor}"
    return ", ".join(f"!{version}" for version in _VERSIONS[: _VERSIONS.index(floor)])


def _allowed(protocols: str) -> set[str]:
    """The versions that a value of smtpd_tls_mandatory_protocols lets through."""
    allowed, listed = set(_VERSIONS), set()
    for word in re.split(r"[\s,:]+", protocols):
        name = word.lstrip("!<>=")
        if name not in _VERSIONS:
            continue
        place = _VERSIONS.index(name)
        if word.startswith("!"):
            allowed.discard(name)
        elif word.startswith(">="):
            allowed -= set(_VERSIONS[:place])
        elif word.startswith("<="):
            allowed -= set(_VERSIONS[place + 1 :])
        else:
            listed.add(name)
    return allowed & listed if listed else allowed


STEP = Step(
    name="SMTP TLS",
    nothing_to_do="TLS parameters are as wanted",
    edit=edit,
    parameters=_parameters,
    obstacles=_obstacles,
    warnings=_warnings,
)
