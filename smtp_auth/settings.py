"""The data keys: each with what it means, what it accepts and its default, in one place.

A host's data becomes one validated, frozen model. Nothing here talks to a host: what is wrong is known
before a connection is made. `group_data/all.py` is made from this module (`make group-data`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from textwrap import wrap
from typing import Any

import smtp_auth.accepted_values as accepted


class _Missing:
    def __repr__(self) -> str:
        return "required"


_REQUIRED = _Missing()

_HINT = "group_data/all.py holds its default: is that file beside deploy.py?"


def _key(
    accepts: Callable[[Any], object], meaning: str, *, default: object = _REQUIRED, hint: str = _HINT
) -> Any:
    """A data key: a check out of `accepted_values`, what people read of it, its default.

    + hint: where it is set, for a host whose data lacks it
    """
    return field(metadata={"accepts": accepts, "meaning": meaning, "default": default, "hint": hint})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one host shall become: the data keys, checked.

    Three of them are resolved: `mail_hostname` is never `None`, `certificate_name` is a mapping of domain to
    lineage, and every domain name is an A-label.
    """

    mail_domain: str = _key(
        accepted.domain_name,
        "mail_domain is required: the mail domain. Set it in the file of a domain's group, as "
        "group_data/example_jp.py does.",
        hint="set it in group_data/ or on the host, e.g. 'example.jp'",
    )
    certificate_name: Mapping[str, str] = _key(
        accepted.lineage_names,
        "The name of the mail domain's Let's Encrypt lineage (certbot's --cert-name), where that is not the "
        "domain itself. With further domains: a dictionary of domain to lineage. None: each lineage has the "
        "name of its domain.",
        default=None,
    )
    mail_hostname: str = _key(
        accepted.host_name,
        "The name that mail programs connect to; the certificate must cover it. None: the name that the "
        "inventory gives the host.",
        default=None,
    )
    additional_domains: tuple[str, ...] = _key(
        accepted.domain_names,
        "Further domains on the same host, each with a lineage of its own: a client that asks for any name "
        "that one of them covers gets that one's certificate (SNI), on port 465 and on port 25.",
        default=[],
    )
    letsencrypt_live: str = _key(
        accepted.directory, "The directory that holds the lineages.", default="/etc/letsencrypt/live"
    )
    smtpd_tls_security_level: str | None = _key(
        accepted.or_none(accepted.one_of("none", "may", "encrypt")),
        'TLS on port 25: "none", "may" (offered) or "encrypt" (demanded, which cuts off servers without '
        "TLS). None: at least offered, as in the guide; a host that is stricter already stays so.",
        default=None,
    )
    smtp_auth_on_port_25: bool | None = _key(
        accepted.or_none(accepted.boolean),
        "Whether logins are offered on port 25 too. None: they are, as in the guide, and each run warns of "
        "it once; True: the same without the warning; False keeps them on port 465 alone. Port 25 of a host "
        "whose owner has switched them off there, in master.cf, stays as it is.",
        default=None,
    )
    tls_minimum_version: str = _key(
        accepted.one_of("TLSv1.2", "TLSv1.3"),
        'The oldest TLS version where TLS is mandatory, above all on port 465: "TLSv1.2" or "TLSv1.3". A '
        "floor: a host that is stricter already stays so.",
        default="TLSv1.2",
    )
    mua_client_restrictions: tuple[str, ...] | None = _key(
        accepted.restrictions,
        "Who may connect, greet, send and relay on port 465: lists of Postfix restrictions, for example "
        '["permit_sasl_authenticated", "reject"]. None keeps what the host defines; where it defines none, '
        "a safe one is written: clients and relaying must be authenticated, the other two stay empty.",
        default=None,
    )
    mua_helo_restrictions: tuple[str, ...] | None = _key(accepted.restrictions, "", default=None)
    mua_sender_restrictions: tuple[str, ...] | None = _key(accepted.restrictions, "", default=None)
    mua_relay_restrictions: tuple[str, ...] | None = _key(accepted.restrictions, "", default=None)
    submissions_options: Mapping[str, str | None] = _key(
        accepted.options,
        'Further -o options for the submissions service, {"smtpd_milters": "inet:127.0.0.1:8891"} for '
        "example; they win over the guide's. None as a value removes an option.",
        default={},
    )
    sender_ownership: None = _key(
        accepted.sender_ownership,
        "Which senders a login may use. Not supported yet: leave it None.",
        default=None,
    )
    certbot_reload_services: tuple[str, ...] = _key(
        accepted.units, "The units that certbot's deploy hook reloads after a renewal.", default=["postfix"]
    )
    verify_ca_file: str | None = _key(
        accepted.certificates_file,
        "What `pytest tests/verify` expects. The file with the certificates that clients trust, in PEM; "
        "None: the system's store.",
        default=None,
    )
    verify_addresses: str = _key(
        accepted.one_of("dns", "ssh"),
        'Where it connects to from outside: "dns", every address that mail_hostname has in DNS, or "ssh", '
        "the one that SSH uses, before DNS leads to a host.",
        default="dns",
    )
    verify_days_left: int = _key(
        accepted.days, "How many days a certificate must still be valid.", default=10
    )
    verify_seconds: float = _key(
        accepted.seconds, "Within how many seconds port 465 must greet a mail program.", default=5
    )

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain whose lineage the host serves, the default one first."""
        return (self.mail_domain, *self.additional_domains)

    def lineage_name(self, domain: str) -> str:
        """What certbot calls the lineage of a domain."""
        return self.certificate_name.get(domain, domain)

    def lineage(self, domain: str) -> str:
        """The directory of a domain's lineage, which holds `fullchain.pem` and `privkey.pem`."""
        return f"{self.letsencrypt_live}/{self.lineage_name(domain)}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one host's data."""

    host: str
    key: str
    value: object
    accepted: str

    def __str__(self) -> str:
        # repr() leaves nothing in it that a terminal would obey.
        given = "" if self.value is _REQUIRED else f" = {self.value!r}"
        return f"{self.host}: {self.key}{given}: {self.accepted}"


class SettingsError(ValueError):
    """A host's data is not usable; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def settings_from_data(host: str, data: Mapping[str, Any], *, also_known: Collection[str] = ()) -> Settings:
    """Validate a host's merged data (groups and host, as pyinfra merges them).

    + host: the inventory host's name, the default of `mail_hostname`
    + data: key to value; pyinfra's own keys (`ssh_…`, `_sudo` and the like) may be among them
    + also_known: keys of others that are no misspelt ones of ours

    Raises `SettingsError` with every problem of the host, not only the first.
    """
    problems = list(_unknown_keys(host, data, also_known))
    values: dict[str, Any] = {}
    for key in fields(Settings):
        value = data.get(key.name, _REQUIRED)
        if key.name == "mail_hostname" and value in (None, _REQUIRED):
            value = host
        if value is _REQUIRED:
            problems.append(Problem(host, key.name, _REQUIRED, f"required; {key.metadata['hint']}"))
            continue
        try:
            values[key.name] = key.metadata["accepts"](value)
        except ValueError as error:
            problems.append(Problem(host, key.name, value, str(error)))
    if not problems:
        problems += _contradictions(host, values)
    if problems:
        raise SettingsError(problems)
    values["certificate_name"] = _lineage_names(values)
    return Settings(**values)


def settings_on_record(values: Mapping[str, Any]) -> Settings:
    """The settings with which a change was made, as its manifest has them.

    They were checked then, and are not again. A key that came later has its default; one that has gone is
    left out.
    """
    found: dict[str, Any] = {}
    for key in fields(Settings):
        value = values.get(key.name, key.metadata["default"])
        found[key.name] = tuple(value) if isinstance(value, list) else value
    return Settings(**found)


def _contradictions(host: str, values: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with values that are right one by one."""
    domains = (values["mail_domain"], *values["additional_domains"])
    if values["mail_domain"] in values["additional_domains"]:
        reason = "is the mail_domain already; list only further domains"
        yield Problem(host, "additional_domains", values["mail_domain"], reason)
    for domain in _lineage_names(values).keys() - set(domains):
        yield Problem(
            host, "certificate_name", domain, "is neither the mail_domain nor one of the additional_domains"
        )


def _lineage_names(values: dict[str, Any]) -> dict[str, str]:
    """`certificate_name` as domain to lineage: a name alone is that of the mail domain's."""
    names: str | dict[str, str] = values["certificate_name"] or {}
    return {values["mail_domain"]: names} if isinstance(names, str) else names


def group_data() -> str:
    """The text of `group_data/all.py`: every key with its meaning and its default."""
    parts = [
        '"""Every data key with its default. Override any of them in a group\'s file beside this one\n'
        "(group_data/GROUP.py), or on a host in inventory.py: pyinfra's own way.\n\n"
        'Made from settings.py by `make group-data`."""\n'
    ]
    for key in fields(Settings):
        if key.metadata["meaning"]:
            parts.append("\n" + "".join(f"# {line}\n" for line in wrap(key.metadata["meaning"], 100)))
        parts.append(_default_line(key))
    return "".join(parts)


def _default_line(key: Field[Any]) -> str:
    default = key.metadata["default"]
    if default is _REQUIRED:
        return ""
    # A type checker cannot tell what an empty list or dictionary may hold.
    kinds = {"[]": ": list[str]", "{}": ": dict[str, str | None]"}
    text = f'"{default}"' if isinstance(default, str) else repr(default).replace("'", '"')
    return f"{key.name}{kinds.get(text, '')} = {text}\n"


def _unknown_keys(host: str, data: Mapping[str, Any], also_known: Collection[str]) -> Iterator[Problem]:
    known = {key.name for key in fields(Settings)} | _connector_keys() | set(also_known)
    for key in data:
        name = key if isinstance(key, str) and key.isprintable() else repr(key)
        # pyinfra's global arguments (`_sudo`) and an administrator's own helpers begin with "_".
        if name in known or name.startswith("_"):
            continue
        near = get_close_matches(name, known, n=1)
        guess = (
            f"did you mean {near[0]}?" if near else "see group_data/all.py; begin one of your own with '_'"
        )
        # Its value may be a password under a misspelt name.
        yield Problem(host, name, _REQUIRED, f"unknown key; {guess}")


@cache
def _connector_keys() -> frozenset[str]:
    """What pyinfra's connectors read from a host's data, next to our keys: `ssh_user` and the like."""
    # Only here: a plan is made without pyinfra.
    from pyinfra.api.connectors import get_execution_connectors

    connectors = get_execution_connectors().values()
    declared = {key for connector in connectors for key in connector.data_cls.__annotations__}
    # Set by the inventory connectors @dockerssh and @podmanssh.
    return frozenset(declared | {"docker_image", "docker_container_id"})


if __name__ == "__main__":
    print(group_data(), end="")
