"""SMTP TLS: Postfix uses the domain's Let's Encrypt certificate (main.cf)."""

import re
from collections.abc import Generator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import Look
from operations.main_cf import change_parameters
from settings import Settings

# Where one of these is set, Postfix serves its certificate instead of, or next to, the one of
# smtpd_tls_cert_file (postconf(5)).
_OTHER_CERTIFICATES = (
    "smtpd_tls_chain_files",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
)

PARAMETERS = (
    "smtpd_tls_key_file",
    "smtpd_tls_cert_file",
    "smtpd_tls_security_level",
    "smtpd_tls_mandatory_protocols",
    *_OTHER_CERTIFICATES,
)


@operation()
def certificate() -> Generator[PyinfraCommand, None, None]:
    """
    Point Postfix at the lineage of `mail_domain`, offer TLS and set the floor of its version.

    The guide's three parameters of main.cf, and `smtpd_tls_mandatory_protocols`, which holds where
    TLS is mandatory: in wrapper mode on port 465.

    **Example:**

    .. code:: python

        postfix_tls.certificate(name="SMTP TLS: the domain's certificate")
    """
    yield from change_parameters(desired, "TLS parameters are as wanted")


def desired(settings: Settings, look: Look) -> dict[str, str | None]:
    """Parameter to value; `None` where it is to be commented out."""
    lineage = f"{settings.letsencrypt_live}/{settings.mail_domain}"
    wanted: dict[str, str | None] = {
        "smtpd_tls_key_file": f"{lineage}/privkey.pem",
        "smtpd_tls_cert_file": f"{lineage}/fullchain.pem",
        "smtpd_tls_security_level": settings.smtpd_tls_security_level,
    }
    floor = settings.tls_minimum_version
    present = _allowed(look.parameters["smtpd_tls_mandatory_protocols"])
    if not present or not present <= _at_least(floor):
        wanted["smtpd_tls_mandatory_protocols"] = _protocols(floor, look.postfix_version)
    for name in _OTHER_CERTIFICATES:
        if look.parameters.get(name):
            wanted[name] = None
    return wanted


_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def _at_least(floor: str) -> set[str]:
    return set(_VERSIONS[_VERSIONS.index(floor) :])


def _protocols(floor: str, postfix_version: str) -> str:
    """The floor in the syntax of this Postfix: `>=` came with 3.6 (smtpd_tls_mandatory_protocols)."""
    major, minor = (int(part) for part in postfix_version.split(".")[:2])
    if (major, minor) >= (3, 6):
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
