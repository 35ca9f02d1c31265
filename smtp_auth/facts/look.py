"""The look: the current state of a mail host, as values. It contains facts and no decisions."""

import hashlib
import json
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from smtp_auth.facts.decode import decode
from smtp_auth.facts.hold import Hold
from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.ledger import parse as parse_ledger
from smtp_auth.facts.machine import machine_in
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, submissions_services


@dataclass(frozen=True)
class ManagedFile:
    """A file that a step may write. Its directory depends on the host's configuration.

    + key: its name in a look
    + service: the key of the service whose directory contains it, such as `postfix`
    + name: its name in that directory
    + only_with_root: whether it is not written where another account than root owns a directory on the way
    """

    key: str
    service: str
    name: str
    only_with_root: bool = False


MAIN_CF = ManagedFile("main_cf", "postfix", "main.cf")
MASTER_CF = ManagedFile("master_cf", "postfix", "master.cf")


@dataclass(frozen=True)
class Writer:
    """Somebody besides root who may write to a directory, and so replace what is in it.

    + kind: `owner`, `group` or `everybody`; `account` if an ACL names an account
    + name: that of the account or group
    + accounts: the accounts, by name, to their UIDs; empty for everybody
    """

    directory: str
    kind: str
    name: str = ""
    accounts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """A configuration file; `content` is `None` if it does not exist.

    + real_path: the path with symbolic links resolved
    + changed: the ctime in seconds since 1970
    + odd: if the path has something else than a file, what it is: `a directory`, or a link to a missing file
    + writers: who besides root may write to a directory on the way to the file
    """

    path: str
    content: str | None = None
    real_path: str = ""
    mode: str = ""
    user: str = ""
    group: str = ""
    changed: float = 0.0
    odd: str = ""
    writers: tuple[Writer, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the content in hexadecimal; empty if the file does not exist."""
        return digest_of(self.content)

    @property
    def owners(self) -> tuple[Writer, ...]:
        """The accounts but root that own a directory on the way to the file."""
        return tuple(one for one in self.writers if one.kind == "owner")


def digest_of(content: str | None) -> str:
    """SHA-256 of a file's content in hexadecimal; empty if the file does not exist."""
    return "" if content is None else hashlib.sha256(content.encode("latin-1")).hexdigest()


@dataclass(frozen=True)
class Socket:
    """The permissions of a UNIX socket, in Dovecot's configuration or on the disk."""

    mode: str
    user: str
    group: str


@dataclass(frozen=True)
class Lineage:
    """A Let's Encrypt lineage (a certificate with its renewals).

    + directory: contains fullchain.pem and privkey.pem
    + chain: the certificate chain in PEM; `None` if it cannot be read
    + key: the public half of the private key in PEM; empty if the key cannot be read
    + unread: which of these two files is not read, and why: `PATH is no file`; else empty
    + changed: the latest ctime of its files, in seconds since 1970
    + renewal: certbot's configuration of its renewals; empty if certbot does not renew it
    """

    directory: str
    chain: str | None = None
    key: str = ""
    changed: float = 0.0
    renewal: str = ""
    unread: str = ""


@dataclass(frozen=True)
class LastChange:
    """The last live change of a host.

    + who: the controller and the account, as they were given; nobody has checked that
    + began: when it began, by the host's clock, such as `2026-11-22T10:15:00Z`
    + edited: the files that it wrote and that somebody has edited since
    """

    id: str
    who: str
    began: str
    edited: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """One look at a host. Values are those of Postfix's and Dovecot's own programs, unless said otherwise.

    + parameters: effective values of the parameters that were asked for; parameters that this Postfix does
      not have are missing
    + files: by the key of their `ManagedFile`
    + sni_tables: an owner's tables of tls_server_sni_maps, of main.cf and of services, that contain copies of
      files of lineages
    + stale_tables: such tables with copies of older certificates
    + listener: the auth listener in Postfix's spool, from Dovecot's effective configuration
    + listener_names: the names of the listeners in that configuration that are this socket, if these are not
      its path alone
    + listener_places: lines of Dovecot's files, such as `/etc/dovecot/local.conf:3`: those that overrule the
      drop-in; or, if the listener has several names, those that begin its definitions
    + listener_others: the accounts that may use the listener by its group, in addition to its user
    + socket: the same listener, as it is on the disk
    + mechanisms: the SASL mechanisms that Dovecot offers, in lower case
    + proved: the keys of the services that were proved since they were last started or changed
    + is_certbots: whether the lineages are in a directory of certbot's, so that it runs the hooks beside it
    + without_hooks: the file with certbot's options, if it tells certbot to run no hooks; else empty
    + lineages: the names of all lineages
    + certificates: a domain to its lineage
    + covering: other lineages whose certificate covers `mail_hostname`, by name; empty if that of the mail
      domain covers it
    + postfix_reloaded: when Postfix last read its configuration, in seconds since 1970; `None` if it does not
      run
    + postfix_unit, dovecot_unit: the systemd unit in which it runs; empty if unknown
    + has_systemd: whether systemd is process 1
    + masked: `postfix` or `dovecot`, whose unit is masked, to the path that masks it
    + inactive: those whose unit, such as `postfix.service`, is not active
    + has_cyrus: whether Cyrus SASL has a configuration for Postfix's smtpd
    + listening: the ports of 25 and 465 on which any program listens
    + postfix_sockets: the ports on which Postfix listens, each with an address
    + leftovers: files that an interrupted change has left behind
    + not_restored: why the host could not restore it when it booted; else empty
    + last_change: the last live change; `None` if none is in the record
    + hold: the hold that is in force by the host's clock; `None` if there is none
    + ledgers: the ledgers that may describe the host, the likeliest first: there are two if it is unknown
      whether an unfinished change has replaced its files
    + has_ledger: whether the ledger of the last change, if there is one, can be read
    + machine: which machine it is: equal for two names of one; empty if it cannot be told from others
    + own_services: the services of master.cf that we have added, by their names for postconf(1); this and
      those below only in the look of `without_ours`
    + ours: the definitions of ours in main.cf and master.cf, name to the value that we have written
    + edited: what we have written in main.cf and the owner has edited since, or refers to in an edit
    + taken_over: what we have taken over from elsewhere: the service, such as `submission/inet`, to the names
      of parameters and options, with their values
    """

    uid: int
    commands: frozenset[str]
    parameters: dict[str, str]
    files: Mapping[str, File]
    stale_tables: tuple[str, ...]
    dovecot_version: str | None
    listener: Socket | None
    socket: Socket | None
    lineages: tuple[str, ...]
    certificates: dict[str, Lineage]
    covering: dict[str, Lineage]
    postfix_reloaded: float | None
    postfix_unit: str
    dovecot_unit: str
    dovecot_running: bool
    listening: frozenset[int]
    postfix_sockets: frozenset[tuple[int, str]]
    leftovers: tuple[str, ...]
    mechanisms: tuple[str, ...] = ("plain",)
    proved: frozenset[str] = frozenset()
    has_systemd: bool = True
    not_restored: str = ""
    masked: Mapping[str, str] = field(default_factory=dict)
    inactive: frozenset[str] = frozenset()
    listener_names: tuple[str, ...] = ()
    listener_places: tuple[str, ...] = ()
    listener_others: tuple[str, ...] = ()
    has_cyrus: bool = False
    sni_tables: tuple[str, ...] = ()
    is_certbots: bool = False
    without_hooks: str = ""
    last_change: LastChange | None = None
    hold: Hold | None = None
    ledgers: tuple[Ledger, ...] = ()
    has_ledger: bool = True
    machine: str = ""
    own_services: frozenset[str] = frozenset()
    ours: Mapping[str, str | None] = field(default_factory=dict)
    edited: frozenset[str] = frozenset()
    taken_over: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def postfix_listening(self) -> frozenset[int]:
        """The ports on which Postfix listens."""
        return frozenset(port for port, _ in self.postfix_sockets)

    @property
    def queue_directory(self) -> str:
        """Postfix's spool, which also contains Dovecot's auth socket."""
        return self.parameters["queue_directory"]

    @property
    def postfix_version(self) -> str:
        """The version of Postfix, such as `3.10.5`."""
        return self.parameters["mail_version"]

    @property
    def postfix_release(self) -> tuple[int, int] | None:
        """The first two numbers of the version, also of a snapshot like `3.12-20260821`; else `None`."""
        match = re.match(r"(\d+)\.(\d+)", self.postfix_version)
        return (int(match[1]), int(match[2])) if match else None

    @property
    def main_cf(self) -> File:
        """Postfix's main.cf."""
        return self.files[MAIN_CF.key]

    @property
    def master_cf(self) -> File:
        """Postfix's master.cf."""
        return self.files[MASTER_CF.key]

    def key_of(self, file: File) -> str:
        """The key of one of the files."""
        return next(key for key, one in self.files.items() if one.path == file.path)

    @cached_property
    def submissions_services(self) -> list[Service]:
        """The services on port 465 in master.cf. Raises a `ValueError` that quotes a broken line."""
        return submissions_services(self.master_cf.content or "")

    @cached_property
    def defined(self) -> dict[str, str]:
        """The parameters that main.cf defines, name to value as it is written."""
        return defined_parameters(self.main_cf.content or "")

    @cached_property
    def definitions(self) -> dict[str, str]:
        """What a `$name` in a value of Postfix's stands for, as far as the look tells."""
        return {**self.parameters, **self.defined}

    def definitions_of(self, service: Service) -> Mapping[str, str]:
        """What a `$name` in a value stands for in a service, whose options override main.cf."""
        return ChainMap(service.effective_options, self.definitions)

    def effective(self, service: Service, name: str) -> str:
        """A parameter's value for a service: from its own option, else from main.cf, else empty."""
        inherited = self.parameters.get(name, self.defined.get(name, ""))
        return service.effective_options.get(name, inherited)

    def value(self, service: Service, name: str) -> str:
        """The same with each `$name` replaced."""
        return expanded(self.effective(service, name), self.definitions_of(service))


def parse(output: Iterable[str]) -> Look | None:
    """Read the lines of `SmtpAuth::Look`; `None` if they are incomplete."""
    lists = decode(output)
    values = {key: found[-1] for key, found in lists.items()}
    if "complete" not in values:
        return None
    reloaded = values.get("postfix_reloaded")
    ledgers = _ledgers(values)
    listener_name = (*lists.get("listener.name", ()), values["listener.path"])[0]
    grouped = _grouped(values)
    return Look(
        uid=int(values["uid"]),
        commands=frozenset(lists.get("command", ())),
        parameters=_under("parameter.", values),
        files={
            key: _file(grouped.get(f"file.{key}", {}), lists.get(f"file.{key}.writer", ()))
            for key in lists.get("file", ())
        },
        stale_tables=tuple(lists.get("stale_table", ())),
        dovecot_version=values.get("dovecot_version"),
        listener=listener_in(values.get("dovecot_auth", ""), listener_name),
        socket=_socket(values),
        lineages=tuple(lists.get("lineage", ())),
        certificates=_lineages("certificate", grouped),
        covering={
            lineage.directory.rpartition("/")[2]: lineage
            for lineage in _lineages("covering", grouped).values()
        },
        postfix_reloaded=float(reloaded) if reloaded else None,
        postfix_unit=values.get("postfix_unit", ""),
        dovecot_unit=values.get("dovecot_unit", ""),
        dovecot_running="dovecot_running" in values,
        listening=frozenset(int(port) for port in lists.get("listening", ())),
        postfix_sockets=frozenset(map(_bound, lists.get("postfix_listening", ()))),
        leftovers=tuple(lists.get("leftover", ())),
        not_restored=" ".join(_text(values.get("not_restored", "")).split()),
        mechanisms=tuple(lists.get("dovecot_mechanism", ())),
        proved=frozenset(lists.get("proved", ())),
        has_systemd="without_systemd" not in values,
        masked=_under("masked.", values),
        inactive=frozenset(lists.get("inactive", ())),
        listener_names=tuple(lists.get("listener.name", ())),
        listener_places=tuple(lists.get("listener.place", ())),
        listener_others=tuple(lists.get("listener.other", ())),
        has_cyrus="cyrus_sasl" in values,
        sni_tables=tuple(lists.get("sni_table", ())),
        is_certbots="is_certbots" in values,
        without_hooks=values.get("without_hooks", ""),
        last_change=_last_change(values, lists.get("edited", [])),
        hold=Hold.parse(values["hold"]) if "hold" in values else None,
        ledgers=ledgers or (),
        has_ledger=ledgers is not None,
        machine=machine_in(lists),
    )


def _bound(value: str) -> tuple[int, str]:
    port, _, address = value.partition(" ")
    return int(port), address


def _under(prefix: str, values: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix(prefix): v for key, v in values.items() if key.startswith(prefix)}


def _grouped(values: dict[str, str]) -> dict[str, dict[str, str]]:
    """The values by all of their keys but the last word, then by that."""
    grouped: dict[str, dict[str, str]] = {}
    for key, value in values.items():
        whole, _, word = key.rpartition(".")
        grouped.setdefault(whole, {})[word] = value
    return grouped


def _file(found: Mapping[str, str], writers: Iterable[str]) -> File:
    return File(
        path=found["path"],
        content=found.get("content"),
        real_path=found.get("real_path", found["path"]),
        mode=found.get("mode", ""),
        user=found.get("user", ""),
        group=found.get("group", ""),
        changed=float(found.get("changed", 0)),
        odd=found.get("odd", ""),
        writers=tuple(map(_writer, writers)),
    )


def _writer(value: str) -> Writer:
    """A value of `file.KEY.writer`: directory, kind, name, `UID NAME` for each account, with NUL between."""
    directory, kind, name, *accounts = value.split("\0")
    pairs = (account.partition(" ") for account in accounts)
    return Writer(directory, kind, name, {account: int(uid) for uid, _, account in pairs})


def _last_change(values: dict[str, str], edited: list[str]) -> LastChange | None:
    found = _under("last_change.", values)
    if not found:
        return None
    who = f"{_text(found['controller'])} as {_text(found['ssh_user'])}"
    return LastChange(found["id"], who, found["began"], tuple(edited))


def _ledgers(values: dict[str, str]) -> tuple[Ledger, ...] | None:
    """The ledgers that may describe the host; `None` if one is in the record and cannot be read."""
    try:
        if "unfinished_ledger" in values:
            entry = parse_ledger(values["unfinished_ledger"])
            return entry.after, entry.before
        return (parse_ledger(values["ledger"]).after,) if "last_change.id" in values else ()
    except (KeyError, ValueError):
        return None


def _text(string: str) -> str:
    """Decode a JSON string that has no quotation marks."""
    try:
        return str(json.loads(f'"{string}"'))
    except ValueError:
        # Somebody has edited the record.
        return string


def _socket(values: dict[str, str]) -> Socket | None:
    found = _under("socket.", values)
    return Socket(**found) if found else None


def _lineages(what: str, grouped: Mapping[str, Mapping[str, str]]) -> dict[str, Lineage]:
    """The lineages by domain, or by number."""
    return {
        key.removeprefix(f"{what}."): Lineage(
            directory=found["directory"],
            chain=found.get("chain"),
            key=found.get("key", ""),
            changed=float(found.get("changed", 0)),
            renewal=found.get("renewal", ""),
            unread=found.get("unread", ""),
        )
        for key, found in grouped.items()
        if key.startswith(f"{what}.") and "directory" in found
    }


def listener_in(text: str, name: str) -> Socket | None:
    """A listener in Dovecot's configuration; `None` if there is none.

    + text: a configuration file, or the output of `doveconf -n`, which leaves out settings with default
      values
    + name: that of the listener: the path of its socket, as somebody has written it
    """
    _, begin, rest = text.partition(f"unix_listener {name} {{\n")
    block, end, _ = rest.partition("}")
    if not begin or not end:
        return None
    found = dict(re.findall(r"\b(\w+) = *(\S*)", block))
    return Socket(_mode(found.get("mode", "0600")), found.get("user", ""), found.get("group", ""))


def _mode(text: str) -> str:
    """A mode as Dovecot reads it: without a leading 0, it is a decimal number."""
    if not text.isdecimal() or (text.startswith("0") and not set(text) <= set("01234567")):
        return text
    return f"{int(text, 8 if text.startswith('0') else 10):04o}"
