"""The instructions for a host: pairs of a key and a value, made from its plan.

Instructions.pm describes each of them. The instructions for a service are made in its folder of `services/`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from smtp_auth.facts.ledger import LedgerEntry, LedgerFile, as_json
from smtp_auth.facts.look import File, Look
from smtp_auth.on_host.origin import Origin
from smtp_auth.plan.as_json import host_as_json, text_of
from smtp_auth.plan.plan import Plan, PlannedFile
from smtp_auth.plan.service import Service
from smtp_auth.services import INSTRUCTIONS, SERVICES
from smtp_auth.services.instruction import Instruction
from smtp_auth.services.postfix.instructions import proves_submissions
from smtp_auth.settings import Settings, settings_for_record

RECORD = "/var/lib/smtp-auth"

# Nothing deletes it. Only root can create a file in this directory.
LOCK = "/run/smtp-auth.lock"


def instructions(plan: Plan, settings: Settings, look: Look) -> Iterator[Instruction]:
    """The instructions for a rehearsal.

    + plan, settings, look: the plan, and what it was made from
    """
    yield "lock", LOCK
    yield "record", RECORD
    yield "run", "/run"
    # Postfix and Dovecot read no files in this directory.
    yield "scratch", "/tmp"
    yield "units", "/etc/systemd/system"
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
    """The further instructions for a change.

    + origin: who makes the change
    + plan, settings, look: the plan, and what it was made from
    """
    yield "id", origin.id
    yield "controller", origin.controller
    yield "etc", "/etc"
    yield "about", plan.about
    manifest = manifest_of(origin, plan, settings, look)
    # One line for each key: Manifest.pm adds lines to it and searches for them.
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in manifest.items())
    yield "manifest", f"{{\n{lines}\n}}"
    yield "ledger", as_json(LedgerEntry(plan.ledger_before, plan.ledger))
    yield from (("baseline", key) for key, one in plan.ledger.files.items() if _is_copied(one))


def service_instructions(service: Service) -> Iterator[Instruction]:
    """The name of a service, for people and in Perl."""
    yield f"service.{service.key}.name", service.name
    yield f"service.{service.key}.package", service.package


def file_instructions(
    key: str, file: File, service: Service, planned: PlannedFile | None = None
) -> Iterator[Instruction]:
    """The instructions for one managed file.

    + key: the file's key
    + file: as in the look
    + service: the service of the file
    + planned: the file after the change; `None` if it does not change
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
    """Instructions in the form that Lines.pm reads. The last one says that they are complete."""
    complete = ("complete", "1")
    return "".join(f"{key}\t{_escaped(value)}\n" for key, value in (*instructions, complete))


_OTHERS = re.compile(r"[^ -~]")


def _escaped(value: str) -> str:
    """A value with all but printable ASCII escaped, and "%"."""
    # Of 50 KiB, urllib's `quote` would look at each character by itself.
    text = value.replace("%", "%25").replace("\n", "%0A")
    return _OTHERS.sub(lambda match: f"%{match[0].encode('latin-1')[0]:02X}", text)


def manifest_of(origin: Origin, plan: Plan, settings: Settings, look: Look) -> dict[str, Any]:
    """The manifest of a change. The host adds when it began, the account, and the outcome.

    + origin: who makes the change
    + plan, settings, look: the plan, and what it was made from
    """
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
        "settings": settings_for_record(settings),
        "plan": host_as_json(plan),
    }


def _is_copied(one: LedgerFile) -> bool:
    """Whether this change makes the copy of a file as it was before us."""
    return not one.kept_by and bool(one.before.sha256)
