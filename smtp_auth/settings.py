"""The data keys: the meaning, the accepted values and the default of each, in one place.

A host's data becomes one validated, frozen value. Nothing here connects to a host, so all errors in the data
are known before a connection is made. `group_data/all.py` is made from this module (`make group-data`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from difflib import get_close_matches
from textwrap import wrap
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import smtp_auth.accepted_values as accepted


class _Missing:
    def __repr__(self) -> str:
        return "required"


_REQUIRED = _Missing()


def _key(accepts: Callable[[Any], object], meaning: str, *, default: object = _REQUIRED) -> Any:
    """A data key: a check from `accepted_values`, its meaning for people, and its default if it has one."""
    return field(metadata={"accepts": accepts, "meaning": meaning, "default": default})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The data keys of one host, checked: what the host shall become.

    Some values are resolved: `mail_hostname` is never `None`, `certificate_name` is a mapping of domain to
    lineage, and every domain name is an A-label.
    """

    mail_domain: str = _key(
        accepted.domain_name,
        "The mail domain. Set it in the file of each group of hosts, as group_data/example_jp.py does.",
    )
    certificate_name: Mapping[str, str] = _key(
        accepted.lineage_names,
        "What certbot calls the certificate (certbot certificates lists the names), if that is not the "
        "domain. With further domains: a dictionary of domain to name.",
        default=None,
    )
    mail_hostname: str = _key(
        accepted.host_name,
        "The name that mail programs connect to. The certificate must cover it. None: the host's name in "
        "the inventory.",
        default=None,
    )
    additional_domains: tuple[str, ...] = _key(
        accepted.domain_names,
        "Further domains on the same host, each with a certificate of its own. A client that asks for a "
        "name which one of these certificates covers gets that certificate (SNI), on ports 465 and 25.",
        default=[],
    )
    letsencrypt_live: str = _key(
        accepted.directory,
        "The directory that holds the certificates' directories.",
        default="/etc/letsencrypt/live",
    )
    smtpd_tls_security_level: str | None = _key(
        accepted.or_none(accepted.one_of("none", "may", "encrypt")),
        'TLS on port 25: "none", "may" (offered) or "encrypt" (demanded, which cuts off servers without '
        "TLS). None: at least offered; a host that demands TLS already keeps that.",
        default=None,
    )
    smtp_auth_on_port_25: bool | None = _key(
        accepted.or_none(accepted.boolean),
        "Whether logins are offered on port 25, too. None: they are, unless a login could do more there than "
        "on port 465 or mail from outside would be rejected, and each run warns of it once. True: they are, "
        "without the warning; a host where a login could do more is refused. False: not on port 25; other "
        "services keep theirs. An owner's option in master.cf that switches them off on port 25 stays.",
        default=None,
    )
    tls_minimum_version: str = _key(
        accepted.one_of("TLSv1.2", "TLSv1.3"),
        'The oldest TLS version where TLS is mandatory, above all on port 465: "TLSv1.2" or "TLSv1.3". A '
        "stricter host stays stricter.",
        default="TLSv1.2",
    )
    mua_client_restrictions: tuple[str, ...] | None = _key(
        accepted.restrictions,
        "Who may connect on port 465: a list of Postfix restrictions. None keeps what the host defines, "
        "unless logins are limited in another way on port 587 so far; if it defines none, clients must have "
        "logged in. Each element is one restriction with its arguments.",
        default=None,
    )
    mua_helo_restrictions: tuple[str, ...] | None = _key(
        accepted.restrictions,
        "The same for the HELO or EHLO command. If the host defines none, the list is empty.",
        default=None,
    )
    mua_sender_restrictions: tuple[str, ...] | None = _key(
        accepted.restrictions,
        "The same for the sender's address. If the host defines none, the list is empty; on a host that "
        "binds senders to logins elsewhere, a new service does so, too.",
        default=None,
    )
    mua_relay_restrictions: tuple[str, ...] | None = _key(
        accepted.restrictions,
        "The same for relaying. If the host defines none, clients must have logged in.",
        default=None,
    )
    submissions_options: Mapping[str, str | None] = _key(
        accepted.options,
        "Further options of the service on port 465, as in master.cf behind -o. They override those that "
        "are written by default. None as a value deletes an option.",
        default={},
    )
    sender_ownership: None = _key(
        accepted.sender_ownership,
        "Which senders a login may use. Not supported yet: leave it None.",
        default=None,
    )
    certbot_reload_services: tuple[str, ...] = _key(
        accepted.units,
        "The systemd units that certbot's deploy hook reloads after a renewal. One of them must be postfix.",
        default=["postfix"],
    )
    host_seconds: float = _key(
        accepted.seconds,
        "Within how many seconds the host must give each answer, the connection included. A host that takes "
        "longer fails alone; the others wait for it that long. A change may take longer, as long as the host "
        "responds.",
        default=120,
    )
    even_held: bool = _key(
        accepted.boolean,
        "Whether the host is changed although somebody holds it (smtp-auth hold). Undo and removal heed it, "
        "too.",
        default=False,
    )
    zone: str | None = _key(
        accepted.or_none(accepted.zone),
        "From where the host is reached, if not all hosts are reached from one machine: the controllers "
        "there do the hosts of this zone (smtp-auth rollout --zone, smtp-auth queue worker --zone).",
        default=None,
    )
    verify_ca_file: str | None = _key(
        accepted.certificates_file,
        "For the verification: a file on this machine with the certificates that clients trust, in PEM. "
        "None: the system's store.",
        default=None,
    )
    verify_addresses: str = _key(
        accepted.one_of("dns", "ssh"),
        'Where the verification connects to: "dns", every address that mail_hostname has, or "ssh", the '
        "one that SSH uses, as long as DNS does not name the host yet.",
        default="dns",
    )
    verify_lifetime_left: float = _key(
        accepted.share,
        "For the verification: which share of a certificate's lifetime must be left. More than 90 days count "
        "as 90. If less than a quarter is left, it warns.",
        default=0.1,
    )
    verify_seconds: float = _key(
        accepted.seconds,
        "For the verification: within how many seconds port 465 must greet a mail program.",
        default=5,
    )

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain whose lineage the host serves, the mail domain first."""
        return (self.mail_domain, *self.additional_domains)

    def lineage_name(self, domain: str) -> str:
        """certbot's name of a domain's lineage."""
        return self.certificate_name.get(domain, domain)

    def lineage(self, domain: str) -> str:
        """The directory of a domain's lineage, which contains `fullchain.pem` and `privkey.pem`."""
        return f"{self.letsencrypt_live}/{self.lineage_name(domain)}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one host's data. `str()` says it without the host, whose name stands beside it."""

    key: str
    value: object
    accepted: str

    def __str__(self) -> str:
        # repr() escapes the control characters of a terminal.
        given = "" if self.value is _REQUIRED else f" = {self.value!r}"
        return f"{self.key}{given}: {self.accepted}"


class SettingsError(ValueError):
    """A host's data is not valid; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SettingsOnRecordError(Exception):
    """The value of a key in a host's record is of another type than its values; `str()` is the key."""


def settings_from_data(host: str, data: Mapping[str, Any], *, also_known: Collection[str] = ()) -> Settings:
    """Validate a host's merged data (groups and host, as pyinfra merges them).

    + host: the inventory host's name, the default of `mail_hostname`
    + data: key to value; a missing key has its default
    + also_known: keys that other programs read from the same data, such as pyinfra's connectors (`ssh_user`)

    Raises `SettingsError` with every problem of the host, not only the first.
    """
    problems = list(_unknown_keys(data, also_known))
    values: dict[str, Any] = {}
    for key in fields(Settings):
        value = data.get(key.name, key.metadata["default"])
        if key.name == "mail_hostname" and value is None:
            value = host
        if value is _REQUIRED:
            where = "required; set it in group_data/ or on the host, e.g. 'example.jp'"
            problems.append(Problem(key.name, _REQUIRED, where))
            continue
        try:
            values[key.name] = key.metadata["accepts"](value)
        except ValueError as error:
            problems.append(Problem(key.name, value, str(error)))
    if not problems:
        problems += _contradictions(values)
    if problems:
        raise SettingsError(problems)
    values["certificate_name"] = _lineage_names(values)
    return Settings(**values)


def host_seconds(data: Mapping[str, Any]) -> float:
    """`host_seconds` alone, whatever is wrong with the other data: history and undo need no other key.

    + data: as for `settings_from_data`

    Raises `SettingsError` if it is not valid.
    """
    return float(_alone("host_seconds", data))


def even_held(data: Mapping[str, Any]) -> bool:
    """`even_held` alone, whatever is wrong with the other data: undo and removal need no other key.

    A record says nothing of it: a hold that was overridden once is not overridden again for that.

    + data: as for `settings_from_data`

    Raises `SettingsError` if it is not valid.
    """
    return bool(_alone("even_held", data))


def _alone(name: str, data: Mapping[str, Any]) -> Any:
    (key,) = (one for one in fields(Settings) if one.name == name)
    value = data.get(key.name, key.metadata["default"])
    try:
        return key.metadata["accepts"](value)
    except ValueError as error:
        raise SettingsError([Problem(key.name, value, str(error))]) from None


def settings_for_record(settings: Settings) -> dict[str, Any]:
    """The settings with which a change is made, for its manifest: all but `even_held`."""
    return {key: value for key, value in asdict(settings).items() if key != "even_held"}


def settings_on_record(values: Mapping[str, Any]) -> Settings:
    """The settings with which a change was made, from its manifest.

    They were checked then, so only their types are checked again: another version may have had other ones. A
    key that was added later has its default; a key that was deleted since is left out.

    Raises `SettingsOnRecordError` if a value is of another type.
    """
    found: dict[str, Any] = {}
    types = get_type_hints(Settings)
    for key in fields(Settings):
        value = values.get(key.name, key.metadata["default"])
        found[key.name] = tuple(value) if isinstance(value, list) else value
        if not _is_of(found[key.name], types[key.name]):
            raise SettingsOnRecordError(key.name)
    return Settings(**found)


def _is_of(value: object, kind: Any) -> bool:
    """Whether a value is of the type of a data key."""
    if get_origin(kind) is UnionType:
        return any(_is_of(value, one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    if get_origin(kind) is Mapping:
        of_values = get_args(kind)[1]
        return isinstance(value, dict) and all(_is_of(one, of_values) for one in value.values())
    return type(value) is kind or (kind is float and type(value) is int)


def _contradictions(values: dict[str, Any]) -> Iterator[Problem]:
    """The problems of values that are valid by themselves, but contradict each other."""
    domains = (values["mail_domain"], *values["additional_domains"])
    if values["mail_domain"] in values["additional_domains"]:
        reason = "is already the mail_domain; list only further domains"
        yield Problem("additional_domains", values["mail_domain"], reason)
    for domain in _lineage_names(values).keys() - set(domains):
        yield Problem(
            "certificate_name", domain, "is neither the mail_domain nor one of the additional_domains"
        )


def _lineage_names(values: dict[str, Any]) -> dict[str, str]:
    """`certificate_name` as domain to lineage; a single name is that of the mail domain's lineage."""
    names: str | dict[str, str] = values["certificate_name"] or {}
    return {values["mail_domain"]: names} if isinstance(names, str) else names


def group_data() -> str:
    """The text of `group_data/all.py`: every key with its meaning and its default."""
    parts = [
        '"""Every data key with its default. Override a key in a group\'s file beside this one\n'
        "(group_data/GROUP.py), or for a host in inventory.py, as always in pyinfra.\n\n"
        'Made from settings.py by `make group-data`."""\n'
    ]
    for key in fields(Settings):
        meaning = key.metadata["meaning"]
        if key.metadata["default"] is _REQUIRED:
            meaning = f"{key.name}: required. {meaning}"
        parts.append("\n" + "".join(f"# {line}\n" for line in wrap(meaning, 100)))
        parts.append(_default_line(key))
    return "".join(parts)


def _default_line(key: Field[Any]) -> str:
    default = key.metadata["default"]
    if default is _REQUIRED:
        return ""
    # A type checker cannot infer what an empty list or dictionary may contain.
    kinds = {"[]": ": list[str]", "{}": ": dict[str, str | None]"}
    text = f'"{default}"' if isinstance(default, str) else repr(default).replace("'", '"')
    return f"{key.name}{kinds.get(text, '')} = {text}\n"


# Keys that had another name before, and whose nearest name is another one.
_RENAMED = {"verify_days_left": "verify_lifetime_left"}


def _unknown_keys(data: Mapping[str, Any], also_known: Collection[str]) -> Iterator[Problem]:
    known = {key.name for key in fields(Settings)} | set(also_known)
    for key in data:
        name = key if isinstance(key, str) and key.isprintable() else repr(key)
        # pyinfra's global arguments (`_sudo`) and an administrator's own variables begin with "_".
        if name in known or name.startswith("_"):
            continue
        near = [_RENAMED[name]] if name in _RENAMED else get_close_matches(name, known, n=1)
        guess = (
            f"did you mean {near[0]}?"
            if near
            else "see group_data/all.py; a key of your own must begin with '_'"
        )
        # The value is not shown: it may be a password with a misspelt key.
        yield Problem(name, _REQUIRED, f"unknown key; {guess}")


if __name__ == "__main__":
    print(group_data(), end="")
