"""Hosts with a past: their state after a deploy, and its record."""

import json
from dataclasses import replace

from operations import STEPS
from smtp_auth.facts.look import Look, Socket
from smtp_auth.facts.record import PastChange
from smtp_auth.on_host.instructions import manifest_of
from smtp_auth.on_host.origin import Origin
from smtp_auth.plan.plan import Plan, plan_ignoring_obstacles
from smtp_auth.settings import Settings

LISTENER = Socket("0600", "postfix", "postfix")


def deployed(look: Look, settings: Settings, number: int = 1) -> tuple[Look, PastChange]:
    """A host after a deploy, and what is on record of it."""
    return carried_out(look, plan_ignoring_obstacles(settings, look, STEPS), settings, number)


def carried_out(look: Look, plan: Plan, settings: Settings, number: int) -> tuple[Look, PastChange]:
    """A host after a plan, and what is on record of it."""
    origin = Origin(f"2026-11-22T10:15:0{number}Z-3f2a", "admin@controller", "unknown")
    # As the record has it, in JSON.
    manifest = json.loads(json.dumps(manifest_of(origin, plan, settings, look)))
    manifest |= {"ssh_user": "root", "began": f"2026-11-22T10:15:0{number}Z", "outcome": "live", "said": ""}
    contents = [{p.file.real_path: p.file.content for p in plan.files}]
    contents.append({planned.file.real_path: planned.content for planned in plan.files})
    before, after = ({path: text for path, text in one.items() if text is not None} for one in contents)
    files = dict(look.files)
    for planned in plan.files:
        key = next(key for key, file in look.files.items() if file.path == planned.file.path)
        files[key] = replace(
            files[key], content=planned.content, mode=planned.mode, real_path=files[key].path
        )
    now = replace(look, files=files, listener=LISTENER if files["dropin"].content else None)
    return now, PastChange(manifest, before, after)
