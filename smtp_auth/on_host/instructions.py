"""What a host is told of a change: pairs of a key and a value, made from its plan.

Instructions.pm says what each of them is; what a service has to be told stands with the service.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from smtp_auth.facts.ledger import LedgerEntry, LedgerFile, as_json
from smtp_auth.facts.look import File, Look
from smtp_auth.on_host.origin import Origin
from smtp_auth.plan.as_json import host_as_json, text_of
from smtp_auth.plan.plan import Plan, PlannedFile
from smtp_auth.plan.service import Service
from smtp_auth.services import INSTRUCTIONS, SERVICES
from smtp_auth.services.instruction import Instruction
from smtp_auth.services.postfix.instructions import proves_submissions
from smtp_auth.settings import Settings

RECORD = "/var/lib/smtp-auth"


def instructions(plan: Plan, settings: Settings, look: Look) -> Iterator[Instruction]:
    """What a rehearsal has to know."""
    yield "lock", look.lock
    yield "record", RECORD
    yield "run", "/run"
    # Nothing that Postfix or Dovecot reads is there.
    yield "scratch", "/tmp"
    coming = {planned.file.path: planned for planned in plan.files}
    for service, file in plan.managed:
        yield from file_instructions(look.key_of(file), file, service, coming.get(file.path))
    for service in SERVICES:
        yield from service_instructions(service)
    for service in plan.services:
        yield "service", service.key
    for reload in plan.reloads:
        yield "reload", reload.service.key
    for told in INSTRUCTIONS.values():
        yield from told(plan, settings, look)


def record_instructions(origin: Origin, plan: Plan, settings: Settings, look: Look) -> Iterator[Instruction]:
    """What a change has to know beside that."""
    yield "id", origin.id
    yield "controller", origin.controller
    yield "etc", "/etc"
    yield "about", plan.about
    manifest = manifest_of(origin, plan, settings, look)
    # A line a key: Manifest.pm adds what only the host knows, and finds the outcome again.
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in manifest.items())
    yield "manifest", f"{{\n{lines}\n}}"
    ledger = plan.ledger.kept_by(origin.id)
    yield "ledger", as_json(LedgerEntry(plan.ledger_before, ledger))
    yield from (("baseline", key) for key, one in ledger.files.items() if _is_copied(one, origin))


def service_instructions(service: Service) -> Iterator[Instruction]:
    """What a service is called, by people and in Perl."""
    yield f"service.{service.key}.name", service.name
    yield f"service.{service.key}.package", service.package


def file_instructions(
    key: str, file: File, service: Service, planned: PlannedFile | None = None
) -> Iterator[Instruction]:
    """The instructions for one managed file.

    + planned: what it becomes, if it changes
    """
    yield "file", key
    yield f"file.{key}.path", file.real_path
    yield f"file.{key}.service", service.key
    yield f"file.{key}.seen", file.digest
    if planned is None:
        return
    yield f"file.{key}.digest", planned.digest
    if planned.content is not None:
        yield f"file.{key}.content", planned.content
        yield f"file.{key}.mode", planned.mode if planned.mode != file.mode else ""


def as_lines(instructions: Iterable[Instruction]) -> str:
    """Instructions as Lines.pm reads them, with the last one, which says that all have arrived."""
    complete = ("complete", "1")
    return "".join(
        f"{key}\t{quote(value, safe=_SAFE, encoding='latin-1')}\n" for key, value in (*instructions, complete)
    )


# Printable ASCII but for "%".
_SAFE = "".join(chr(code) for code in range(32, 127) if chr(code) != "%")


def manifest_of(origin: Origin, plan: Plan, settings: Settings, look: Look) -> dict[str, Any]:
    """What the record says of a change; the host adds when it began, as whom, and how it ended."""
    return {
        "version": 1,
        "id": origin.id,
        "controller": origin.controller,
        "commit": origin.commit,
        "about": plan.about,
        "undone": [*plan.kind.undone],
        "files": [
            {
                "key": look.key_of(planned.file),
                "path": text_of(planned.file.path),
                "real_path": text_of(planned.file.real_path),
                "sha256": {"before": planned.file.digest or None, "after": planned.digest or None},
                "mode": {"before": planned.file.mode or None, "after": planned.mode or None},
                "owner": f"{planned.file.user}:{planned.file.group}" if planned.file.user else None,
            }
            for planned in plan.files
        ],
        "submissions_proved": "yes" if proves_submissions(plan) else "",
        "settings": asdict(settings),
        "plan": host_as_json(plan),
    }


def _is_copied(one: LedgerFile, origin: Origin) -> bool:
    """Whether this change keeps a copy of a file from before us."""
    return one.kept_by == origin.id and bool(one.before.sha256)
