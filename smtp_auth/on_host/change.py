"""Builds the programs that rehearse, make and follow a change on a host.

The program of a change is put together of the parts in this folder and of orders, which are made from the
plan: orders.pl describes both. start.pl in front of it lets systemd run it. All of it goes to the host on
standard input, in one command, and nothing is done before all of it has arrived.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from smtp_auth.facts.look import File, Look, Socket
from smtp_auth.on_host import program
from smtp_auth.plan.as_json import host_as_json, text_of
from smtp_auth.plan.plan import Plan, PlannedFile, Proof
from smtp_auth.postfix.master_cf import PORT_25_NAMES, services
from smtp_auth.services.certbot.shebang import shell_of
from smtp_auth.settings import Settings

RECORD = "/var/lib/smtp-auth"

# What main.pl, the last part, has to find defined.
_PARTS = ("orders.pl", "rehearsal.pl", "record.pl", "etckeeper.pl", "transaction.pl")
_SERVICES = ("postfix.pl", "dovecot.pl", "certbot_hook.pl")

Order = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """What the record says of a change beside its plan.

    + id: the same on all hosts of a run, such as `2026-11-22T10:15:00Z-3f2a`
    + controller: who runs this program, and where, as `user@host`
    + commit: which version of it, with its data: a commit's hash, with ` dirty` behind it where files differ;
      `unknown` outside a git checkout
    """

    id: str
    controller: str
    commit: str


def rehearsal_program(plan: Plan, settings: Settings, look: Look) -> str:
    """What asks the host's own programs about the new files: standard input of `perl - rehearse`."""
    return change_program(_services(), _orders(plan, settings, look))


def start_program(change: Change, plan: Plan, settings: Settings, look: Look) -> str:
    """What makes the host carry out its plan: standard input of `perl - start ID RECORD`."""
    orders = [*_orders(plan, settings, look), *_record_orders(change, plan, settings, look)]
    return f"{program('start.pl')}__END__\n{change_program(_services(), orders)}"


def follow_program() -> str:
    """What waits for the outcome of a change: standard input of `perl - follow ID RECORD`."""
    return program("start.pl")


def change_program(services: str, orders: Iterable[Order]) -> str:
    """The program of a change.

    + services: the text of the services' parts
    + orders: pairs of a key and a value, which holds bytes as latin-1 gives them
    """
    lines = "".join(f"{key}\t{quote(value, safe=_SAFE, encoding='latin-1')}\n" for key, value in orders)
    parts = "".join(map(program, _PARTS))
    return f"{parts}{services}{program('main.pl')}__END__\n{lines}complete\t1\n"


# Printable ASCII but for "%".
_SAFE = "".join(chr(code) for code in range(32, 127) if chr(code) != "%")


def file_orders(key: str, file: File, service: str, planned: PlannedFile | None = None) -> Iterator[Order]:
    """The orders for one managed file.

    + planned: what it becomes, if it changes
    """
    yield "file", key
    yield f"file.{key}.path", file.real_path
    yield f"file.{key}.service", service
    yield f"file.{key}.seen", file.digest
    yield f"file.{key}.seen_as", json.dumps(_seen_as(file))
    if planned is None:
        return
    yield f"file.{key}.digest", planned.digest
    if planned.content is not None:
        yield f"file.{key}.content", planned.content
        yield f"file.{key}.mode", planned.mode if planned.mode != file.mode else ""


def _services() -> str:
    return "".join(map(program, _SERVICES))


def _orders(plan: Plan, settings: Settings, look: Look) -> Iterator[Order]:
    yield "lock", look.lock
    yield "record", RECORD
    yield "run", "/run"
    # Nothing that Postfix or Dovecot reads is there.
    yield "scratch", "/tmp"
    coming = {planned.file.path: planned for planned in plan.files}
    keys = {file.path: key for key, file in look.files.items()}
    for service, file in plan.managed:
        yield from file_orders(keys[file.path], file, service.name, coming.get(file.path))
    for service in plan.services:
        yield "service", service.name
    for reload in plan.reloads:
        yield "reload", reload.service.name
    yield "prove", program("prove.pl")
    yield from _postfix(plan, settings, look)
    for service, file in plan.managed:
        if service.key == "dovecot":
            yield from _dovecot(keys[file.path], file, look, plan.proof.listener)
        elif service.key == "certbot":
            yield from _hook(keys[file.path], coming.get(file.path), plan.proof)


def _hook(key: str, planned: PlannedFile | None, proof: Proof) -> Iterator[Order]:
    """certbot passes over a hook that has no run bit; that was an owner's, and comes back so."""
    if planned and planned.content is not None and (_can_be_run(planned.mode) or not proof.earlier):
        yield "hook.file", key
        yield from (("hook.shell", word) for word in shell_of(planned.content).split())


def _can_be_run(mode: str) -> bool:
    return bool(int(mode, 8) & 0o111)


def _postfix(plan: Plan, settings: Settings, look: Look) -> Iterator[Order]:
    yield "postfix.config_directory", look.parameters["config_directory"]
    yield "postfix.queue_directory", look.queue_directory
    yield from (("postfix.moving", label) for label in _moving(plan, look))
    yield from (("postfix.wanted", f"{name} = {value}".rstrip()) for name, value in plan.expected)
    yield "postfix.earlier", "yes" if plan.proof.earlier else ""
    if plan.proof.certificates:
        yield from zip(("postfix.hostname", "postfix.chain"), plan.proof.certificates[0], strict=True)
    yield from (("postfix.sni_table", table) for table in plan.proof.sni_tables)
    yield from (("postfix.prove", "\t".join(words)) for words in _conversations(plan.proof, look))
    yield "postfix.unserved", "465" if _lacks_listener(look) else ""
    yield from (("postfix.prove_old", "\t".join(words)) for words in _earlier_conversations(settings, look))


def _moving(plan: Plan, look: Look) -> Iterator[str]:
    """The services of ports that are in one of the old and the new master.cf alone."""
    files = {planned.file.path: planned.content or "" for planned in plan.files}
    old = look.master_cf.content or ""
    labels = [
        {service.label for service in services(text) if service.type == "inet"}
        for text in (old, files.get(look.master_cf.path, old))
    ]
    yield from sorted(labels[0] ^ labels[1])


Conversation = tuple[str, ...]


def _conversations(proof: Proof, look: Look) -> Iterator[Conversation]:
    """The conversations that prove a change, as arguments of prove.pl without the time."""
    proxied = _proxied(look)
    for port in _served_ports(look) - {465}:
        yield _protocol(port in proxied), str(port)
    if not proof.submissions:
        return
    how = ("yes" if proof.logins else "", "yes" if proof.login_only else "")
    for name, chain in proof.certificates:
        yield _protocol(proof.proxied), "465", *((name, chain, *how) if proof.wrapped else ())


def _earlier_conversations(settings: Settings, look: Look) -> Iterator[Conversation]:
    """The conversations that prove that a host serves as it did before the change."""
    proxied = _proxied(look)
    for port in sorted(_served_ports(look)):
        is_wrapped = port == 465 and _wrapped(look)
        yield (
            _protocol(port in proxied),
            str(port),
            *((settings.mail_hostname, "", "", "") if is_wrapped else ()),
        )


def _protocol(proxied: bool) -> str:
    return "proxied" if proxied else "smtp"


def _dovecot(key: str, dropin: File, look: Look, listener: Socket | None) -> Iterator[Order]:
    yield "dovecot.directory", dropin.path.rpartition("/conf.d/")[0]
    yield "dovecot.dropin", key
    yield "dovecot.socket", f"{look.queue_directory}/private/auth"
    wanted = f"{int(listener.mode, 8):o} {listener.user} {listener.group}" if listener else ""
    yield "dovecot.listener", wanted
    yield "dovecot.had_socket", "yes" if look.socket else ""


def _served_ports(look: Look) -> frozenset[int]:
    """Which of the ports 25 and 465 the present files serve; what runs may be older than these."""
    present = look.submissions_services
    # Whoever has no certificate of their own cannot tell.
    closed = any(look.effective(one, "smtpd_tls_req_ccert") == "yes" for one in present)
    return look.listening if present and not closed else look.listening - {465}


def _proxied(look: Look) -> set[int]:
    """On which of the ports 25 and 465 Postfix waits for a proxy's header in front of the conversation."""
    found = {465: look.submissions_services}
    found[25] = [one for one in services(look.master_cf.content or "") if one.port in PORT_25_NAMES]
    return {
        port
        for port, ones in found.items()
        if any(look.effective(one, f"{one.command}_upstream_proxy_protocol") for one in ones)
    }


def _wrapped(look: Look) -> bool:
    """Whether port 465 speaks TLS from the first byte, before the change."""
    return any(
        look.effective(service, "smtpd_tls_wrappermode") == "yes" for service in look.submissions_services
    )


def _lacks_listener(look: Look) -> bool:
    """Whether an smtpd on port 465 would die at its start: the listener that it asks is not there."""
    wanted = {"smtpd_tls_wrappermode": "yes", "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot"}
    paths = ("private/auth", f"{look.queue_directory}/private/auth")
    return not look.socket and any(
        all(look.effective(service, name) == value for name, value in wanted.items())
        and look.effective(service, "smtpd_sasl_path") in paths
        for service in look.submissions_services
    )


def _record_orders(change: Change, plan: Plan, settings: Settings, look: Look) -> Iterator[Order]:
    yield "id", change.id
    yield "controller", change.controller
    yield "etc", "/etc"
    yield "about", plan.about
    manifest = manifest_of(change, plan, settings, look)
    # A line a key: record.pl adds what only the host knows, and finds the outcome again.
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in manifest.items())
    yield "manifest", f"{{\n{lines}\n}}"
    for name, value in look.parameters.items():
        yield "first_seen", f"{json.dumps(name)}: {json.dumps(text_of(value))}"


def manifest_of(change: Change, plan: Plan, settings: Settings, look: Look) -> dict[str, Any]:
    """What the record says of a change; the host adds when it began, as whom, and how it ended."""
    keys = {file.path: key for key, file in look.files.items()}
    return {
        "version": 1,
        "id": change.id,
        "controller": change.controller,
        "commit": change.commit,
        "about": plan.about,
        "undone": [*plan.kind.undone],
        "files": [
            {
                "key": keys[planned.file.path],
                "path": text_of(planned.file.path),
                "real_path": text_of(planned.file.real_path),
                "sha256": {"before": planned.file.digest or None, "after": planned.digest or None},
                "mode": {"before": planned.file.mode or None, "after": planned.mode or None},
                "owner": f"{planned.file.user}:{planned.file.group}" if planned.file.user else None,
            }
            for planned in plan.files
        ],
        "submissions_proved": "yes" if plan.proof.submissions and _reloads_postfix(plan) else "",
        "settings": asdict(settings),
        "plan": host_as_json(plan),
    }


def _seen_as(file: File) -> dict[str, str] | None:
    if file.content is None:
        return None
    return {"sha256": file.digest, "mode": file.mode, "user": file.user, "group": file.group}


def _reloads_postfix(plan: Plan) -> bool:
    return any(service.key == "postfix" for service in plan.services)
