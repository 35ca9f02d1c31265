"""The data keys of a host as one validated, frozen model.

`group_data/all.py` documents every key and holds its default; this module says what each accepts.
Nothing here talks to a host: what is wrong is known before a connection is made.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any

from pyinfra.api.connectors import get_execution_connectors

from postfix.restrictions import RESTRICTIONS

SECURITY_LEVELS = ("none", "may", "encrypt")
TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True)
class Settings:
    """What one host shall become.

    The attributes are the data keys that `group_data/all.py` describes, with `None` of
    `mail_hostname` resolved to the inventory host's name and every domain name as its A-label.
    """

    mail_domain: str
    mail_hostname: str
    additional_domains: tuple[str, ...]
    letsencrypt_live: str
    smtpd_tls_security_level: str
    smtp_auth_on_port_25: bool
    tls_minimum_version: str
    mua_client_restrictions: tuple[str, ...] | None
    mua_helo_restrictions: tuple[str, ...] | None
    mua_sender_restrictions: tuple[str, ...] | None
    mua_relay_restrictions: tuple[str, ...] | None
    submissions_options: Mapping[str, str | None]
    sender_ownership: None
    certbot_reload_services: tuple[str, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain whose lineage the host serves, the default one first."""
        return (self.mail_domain, *self.additional_domains)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one host's data."""

    host: str
    key: str
    value: object
    accepted: str

    def __str__(self) -> str:
        shown = "" if self.value is _MISSING else f" = {self.value!r}"
        return f"{self.host}: {self.key}{shown}: {self.accepted}"


class SettingsError(ValueError):
    """A host's data is not usable; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def settings_from_data(host: str, data: Mapping[str, Any]) -> Settings:
    """Validate a host's merged data (groups and host, as pyinfra merges them).

    + host: the inventory host's name, the default of `mail_hostname`
    + data: key to value; pyinfra's own keys (`ssh_…`, `_sudo` and the like) may be among them

    Raises `SettingsError` with every problem of the host, not only the first.
    """
    problems = list(_unknown_keys(host, data))
    values: dict[str, Any] = {}
    for key, check in _CHECKS.items():
        value = data.get(key, _MISSING)
        if key == "mail_hostname" and value in (None, _MISSING):
            value = host
        if value is _MISSING:
            problems.append(Problem(host, key, _MISSING, f"required; {_HINTS[key]}"))
            continue
        try:
            values[key] = check(value)
        except ValueError as error:
            problems.append(Problem(host, key, value, str(error)))
    if not problems and values["mail_domain"] in values["additional_domains"]:
        reason = "is the mail_domain already; list only further domains"
        problems.append(Problem(host, "additional_domains", values["mail_domain"], reason))
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


_MISSING = object()

# What tests/verify reads, and checks, of a host's data.
VERIFICATION_KEYS = frozenset({"verify_ca_file", "verify_addresses", "verify_days_left"})


def _unknown_keys(host: str, data: Mapping[str, Any]) -> Iterator[Problem]:
    known = {field.name for field in fields(Settings)} | VERIFICATION_KEYS | _connector_keys()
    for key in data:
        # What is no text comes as its source text, and so does what a terminal would obey.
        name = key if isinstance(key, str) and key.isprintable() else repr(key)
        # pyinfra's global arguments (`_sudo`) and an administrator's own helpers begin with "_".
        if name in known or name.startswith("_"):
            continue
        near = get_close_matches(name, known, n=1)
        guess = (
            f"did you mean {near[0]}?" if near else "see group_data/all.py; begin one of your own with '_'"
        )
        # Its value may be a password under a misspelt name.
        yield Problem(host, name, _MISSING, f"unknown key; {guess}")


@cache
def _connector_keys() -> frozenset[str]:
    """What pyinfra's connectors read from a host's data, next to our keys: `ssh_user` and the like."""
    connectors = get_execution_connectors().values()
    declared = {key for connector in connectors for key in connector.data_cls.__annotations__}
    # Set by the inventory connectors @dockerssh and @podmanssh.
    return frozenset(declared | {"docker_image", "docker_container_id"})


_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def _domain_name(value: object) -> str:
    """A DNS name of at least two labels, as its A-label (RFC 5890)."""
    hint = "give a domain name such as example.jp"
    if not isinstance(value, str) or not value:
        raise ValueError(hint)
    name = value.lower()
    if not name.isascii():
        import idna  # only here: its tables cost more to load than all our other modules

        try:
            name = idna.encode(value, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"not a valid internationalised name ({error}); {hint}") from None
    labels = name.split(".")
    if len(labels) < 2 or len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(hint)
    if labels[-1].isdigit():
        raise ValueError(f"an address is not a name; {hint}")
    return name


def _host_name(value: object) -> str:
    try:
        return _domain_name(value)
    except ValueError:
        raise ValueError(
            "give the full name that mail programs connect to, such as mail.example.jp"
        ) from None


def _domains(value: object) -> tuple[str, ...]:
    names = tuple(_domain_name(item) for item in _list(value, "a list of domain names"))
    if len(set(names)) != len(names):
        raise ValueError("names a domain twice")
    return names


_PATH = re.compile(r"(/[A-Za-z0-9_@+.,=-]+)+")


def _directory(value: object) -> str:
    if (
        not isinstance(value, str)
        or not _PATH.fullmatch(value)
        or any(part in (".", "..") for part in value.split("/"))
    ):
        raise ValueError("give an absolute path without white space, '.' or '..'")
    return value


def _one_of(*accepted: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in accepted:
            raise ValueError(f"give one of {', '.join(accepted)}")
        return value

    return check


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("give True or False")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"give {what}")
    return list(value)


# A map or an argument of a restriction: no white space, comma or brace, which end an element of a
# Postfix list, no '$', which would expand, and nothing outside printable ASCII.
_ARGUMENT = re.compile(r"[A-Za-z0-9_./:@=+*?\[\]-]+")


def _restrictions(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(_restriction(item) for item in _list(value, "None or a list of restrictions"))


def _restriction(item: object) -> str:
    if not isinstance(item, str) or not item:
        raise ValueError("each restriction is a text such as 'permit_sasl_authenticated'")
    name, *arguments = item.split(" ")
    if name not in RESTRICTIONS:
        near = get_close_matches(name, RESTRICTIONS, n=1)
        guess = f"; did you mean {near[0]}?" if near else "; see postconf(5)"
        raise ValueError(f"{name!r} is not a restriction of Postfix{guess}")
    wanted = RESTRICTIONS[name]
    if len(arguments) not in wanted:
        counts = " or ".join(str(count) for count in wanted)
        raise ValueError(f"{name} takes {counts} argument(s), separated by one space")
    for argument in arguments:
        if not _ARGUMENT.fullmatch(argument):
            raise ValueError(f"{argument!r} is not a map or argument that Postfix can read")
    return item


_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")
_VALUE = re.compile(r"[A-Za-z0-9_ ./:,@=+*?!%<>$(){}\[\]-]*")


def _options(value: object) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise ValueError("give a dictionary of parameter name to value (None removes it)")
    for name, text in value.items():
        if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
            raise ValueError(f"{name!r} is not a parameter name of Postfix")
        if text is None:
            continue
        if not isinstance(text, str) or not _VALUE.fullmatch(text) or text != text.strip():
            raise ValueError(
                f"{name}: give a text on one line, without quotes, ';', '|', '&', '#', "
                "backslashes or white space at its ends, or None to remove the option"
            )
        if not _balanced(text):
            raise ValueError(f"{name}: its braces or parentheses do not pair")
    # White space folded, as it is when an option of master.cf is read.
    return {name: text and " ".join(text.split()) for name, text in value.items()}


def _balanced(text: str) -> bool:
    opened = []
    for character in text:
        if character in "({":
            opened.append({"(": ")", "{": "}"}[character])
        elif character in ")}" and (not opened or opened.pop() != character):
            return False
    return not opened


_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]*")


def _units(value: object) -> tuple[str, ...]:
    listed = _list(value, "a list of systemd units such as ['postfix']")
    for unit in listed:
        if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
            raise ValueError(f"{unit!r} is not the name of a systemd unit")
    units = [unit.removesuffix(".service") for unit in listed]
    if len(set(units)) != len(units):
        raise ValueError("names a unit twice")
    if "postfix" not in units:
        raise ValueError("must contain 'postfix', which holds the certificate of port 465")
    return tuple(units)


def _sender_ownership(value: object) -> None:
    if value is not None:
        raise ValueError("not supported yet; leave it None")


_CHECKS: dict[str, Callable[[Any], object]] = {
    "mail_domain": _domain_name,
    "mail_hostname": _host_name,
    "additional_domains": _domains,
    "letsencrypt_live": _directory,
    "smtpd_tls_security_level": _one_of(*SECURITY_LEVELS),
    "smtp_auth_on_port_25": _boolean,
    "tls_minimum_version": _one_of(*TLS_VERSIONS),
    "mua_client_restrictions": _restrictions,
    "mua_helo_restrictions": _restrictions,
    "mua_sender_restrictions": _restrictions,
    "mua_relay_restrictions": _restrictions,
    "submissions_options": _options,
    "sender_ownership": _sender_ownership,
    "certbot_reload_services": _units,
}

_HINTS = {
    **dict.fromkeys(_CHECKS, "group_data/all.py holds its default: is that file beside deploy.py?"),
    "mail_domain": "set it in group_data/ or on the host, e.g. 'example.jp'",
}
