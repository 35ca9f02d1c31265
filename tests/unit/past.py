"""Simulated hosts after earlier changes, with the record of these changes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from operations import STEPS
from smtp_auth.facts.ledger import Ledger, LedgerEntry
from smtp_auth.facts.look import LastChange, Look, ManagedFile, Socket
from smtp_auth.facts.record import Baseline, PastChange, Record
from smtp_auth.on_host.instructions import manifest_of
from smtp_auth.on_host.origin import Origin
from smtp_auth.past.removal import plan_of_removal
from smtp_auth.past.undo import plan_of_undo
from smtp_auth.plan.plan import Plan, plan_ignoring_obstacles, plan_of
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.services.dovecot.listener import DROPIN
from smtp_auth.settings import Settings
from tests.unit.scenarios import wanted, with_file

LISTENER = Socket("0600", "postfix", "postfix")

# Defaults of Postfix (postconf -d). A stock host already has the default of the other parameters.
_DEFAULTS = {
    "smtpd_tls_cert_file": "",
    "smtpd_tls_key_file": "",
    "smtpd_tls_security_level": "",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    "smtpd_sasl_type": "cyrus",
    "smtpd_sasl_path": "smtpd",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_tls_auth_only": "no",
    "smtpd_tls_mandatory_protocols": ">=TLSv1",
    "tls_server_sni_maps": "",
}


def deployed(look: Look, settings: Settings, number: int = 1) -> tuple[Look, PastChange]:
    """A host after a deploy, and the change in its record."""
    return carried_out(look, plan_ignoring_obstacles(settings, look, STEPS), settings, number)


def carried_out(look: Look, plan: Plan, settings: Settings, number: int) -> tuple[Look, PastChange]:
    """A host after a plan was carried out, and the change in its record."""
    when = f"2026-11-22T10:{number // 60:02}:{number % 60:02}Z"
    origin = Origin(f"{when}-3f2a", "admin@controller", "unknown")
    # The record has the manifest as JSON.
    manifest = json.loads(json.dumps(manifest_of(origin, plan, settings, look)))
    manifest |= {"ssh_user": "root", "began": when, "outcome": "live", "said": ""}
    contents = [{p.file.real_path: p.file.content for p in plan.files}]
    contents.append({planned.file.real_path: planned.content for planned in plan.files})
    before, after = ({path: text for path, text in one.items() if text is not None} for one in contents)
    files = dict(look.files)
    for planned in plan.files:
        key = next(key for key, file in look.files.items() if file.path == planned.file.path)
        files[key] = replace(
            files[key], content=planned.content, mode=planned.mode, real_path=files[key].path
        )
    entry = LedgerEntry(plan.ledger_before, named(plan.ledger, origin.id))
    now = with_effective_parameters(
        replace(
            look,
            files=files,
            listener=LISTENER if files["dropin"].content else None,
            last_change=LastChange(origin.id, "root", when),
            ledgers=(entry.after,),
        )
    )
    return now, PastChange(manifest, before, after, entry)


def named(ledger: Ledger, change: str) -> Ledger:
    """What the host writes: with the name of the change where `LedgerFile.kept_by` is empty."""
    files = {key: one if one.kept_by else replace(one, kept_by=change) for key, one in ledger.files.items()}
    return Ledger(files, ledger.definitions)


def with_effective_parameters(look: Look) -> Look:
    """The host with the effective parameters of its main.cf."""
    defined = defined_parameters(look.main_cf.content or "")
    others = {name: value for name, value in look.parameters.items() if not name.startswith("mua_")}
    known = {**others, **{name: _DEFAULTS[name] for name in _DEFAULTS if name in others}}
    values = {name: expanded(value, {**known, **defined}) for name, value in defined.items()}
    return replace(
        look,
        parameters={
            **known,
            **{name: value for name, value in values.items() if name in known or name.startswith("mua_")},
        },
    )


def copies(look: Look, change: PastChange) -> Baseline:
    """The copies that a change makes of a host's files.

    + look: the host before the change
    + change: the change
    """
    kept = {key: one for key, one in change.ledger.after.files.items() if one.kept_by == change.id}
    return {
        (change.id, one.path): look.files[key].content or "" for key, one in kept.items() if one.before.sha256
    }


@dataclass
class Host:
    """A simulated host that is changed by deploys, undos, removals and its owner.

    + look: its current state
    + changes, baseline: the content of its record
    """

    look: Look
    changes: list[PastChange] = field(default_factory=list)
    baseline: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """The host's record."""
        return Record(tuple(self.changes), baseline=self.baseline)

    def content(self, file: ManagedFile) -> str:
        """The content of a file; empty if it does not exist."""
        return self.look.files[file.key].content or ""

    def edit(self, file: ManagedFile, content: str | None) -> None:
        """An edit of the owner: give a file another content, or delete it (`None`)."""
        mode = self.look.files[file.key].mode or "0644"
        self.look = with_file(self.look, file, content=content, mode=mode if content is not None else "")
        self.look = with_effective_parameters(self.look)
        if file == DROPIN:
            self.look = replace(self.look, listener=None if content is None else LISTENER)

    def deploy(self, **data: Any) -> Plan:
        """A deploy with these data keys; the others have their defaults."""
        settings = wanted(**data)
        return self._carry_out(plan_of(settings, self.look, STEPS), settings)

    def lose_power(self, number: int, **data: Any) -> Plan:
        """A deploy with these data keys that a power failure ends after so many of its files."""
        settings, before = wanted(**data), self.look
        plan = plan_of(settings, before, STEPS)
        if not plan.refusals and plan.files:
            torn = replace(plan, files=plan.files[: number % len(plan.files)])
            # Its ID is never given again.
            self.look, change = carried_out(before, torn, settings, 1000 + len(self.baseline))
            entry = change.ledger
            self.look = replace(
                self.look, last_change=before.last_change, ledgers=(entry.after, entry.before)
            )
            self.baseline |= copies(before, change)
        return plan

    def undo(self, changes: Sequence[PastChange] = ()) -> Plan:
        """An undo of the last change, or of these changes."""
        undone, settings = [*changes] or self.changes[-1:], wanted()
        return self._carry_out(plan_of_undo(undone, settings, self.look, STEPS, self.baseline), settings)

    def remove(self) -> Plan:
        """A removal."""
        return self._carry_out(plan_of_removal(self.record, wanted(), self.look, STEPS), wanted())

    def _carry_out(self, plan: Plan, settings: Settings) -> Plan:
        if not plan.refusals and plan.files:
            before = self.look
            self.look, change = carried_out(before, plan, settings, len(self.changes) + 1)
            self.changes.append(change)
            self.baseline |= copies(before, change)
        return plan
