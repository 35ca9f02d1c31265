"""A host's record of changes, as values: who changed what, and with which outcome."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smtp_auth.facts import shape
from smtp_auth.facts.decode import decode
from smtp_auth.facts.hold import Hold, HoldEvent, events_in
from smtp_auth.facts.ledger import NO_ENTRY, LedgerEntry
from smtp_auth.facts.ledger import parse as parse_ledger
from smtp_auth.facts.machine import machine_in
from smtp_auth.settings import Settings, settings_on_record

# Path to content, decoded as latin-1.
Contents = Mapping[str, str]

# Copies of files as they were before us: the ID of the change that made the copy and the path, to the
# content.
Baseline = Mapping[tuple[str, str], str]

NO_BASELINE: Baseline = {}


def _anything(_value: object) -> bool:
    return True


# A SHA-256 or a mode before and after the change; `None` if there was or will be no file. Some readers take
# all values, whatever their keys are.
_DIGESTS = {shape.ANY: (shape.text, None), "before": (shape.text, None), "after": (shape.text, None)}
_MODES = {shape.ANY: (shape.mode, None), "before": (shape.mode, None), "after": (shape.mode, None)}

# What a manifest has of which history, undo and removal read something.
_MANIFEST = {
    "id": shape.line,
    "controller": shape.line,
    "ssh_user": shape.line,
    "commit": shape.line,
    "began": shape.line,
    "outcome": shape.line,
    "about": shape.line,
    "said": shape.text,
    "unserved": shape.Maybe(shape.line),
    "undone": [shape.line],
    "files": [
        {
            "key": shape.text,
            "path": shape.text,
            "real_path": shape.text,
            "sha256": _DIGESTS,
            "mode": _MODES,
        }
    ],
    "settings": {shape.ANY: _anything},
    "plan": {
        "difference": (shape.text, None),
        "edits": [{"path": shape.text, "lines": [shape.text]}],
    },
}


@dataclass(frozen=True)
class PastChange:
    """One change in the record.

    + manifest: its manifest.json, as `manifest_in` returns it: it has all that a change is asked for
    + attempt: the host counts the attempts of one run, from 1
    + before, after: the files that it replaced and wrote, by their paths with symbolic links resolved; only
      if they were asked for
    + ledger: its ledgers; only if its files were asked for
    + digests: the SHA-256 of the files `before`, by their paths, empty if there was no file; only if its
      files were asked for
    """

    manifest: Mapping[str, Any]
    before: Contents = field(default_factory=dict)
    after: Contents = field(default_factory=dict)
    ledger: LedgerEntry = NO_ENTRY
    attempt: int = 1
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The ID, which is the same on all hosts of a run."""
        return str(self.manifest["id"])

    @property
    def name(self) -> str:
        """The name of its folder in the record."""
        return self.id if self.attempt == 1 else f"{self.id}.{self.attempt}"

    @property
    def began(self) -> str:
        """When it began, by the host's clock, such as `2026-11-22T10:15:00Z`."""
        return str(self.manifest["began"])

    @property
    def outcome(self) -> str:
        """`live`, `refused`, `put back`, `failed`, `unfinished` or `unconfirmed`."""
        return str(self.manifest["outcome"])

    @property
    def is_live(self) -> bool:
        """Whether it was proved and stayed in place."""
        return self.outcome == "live"

    @property
    def found_submissions_served(self) -> bool:
        """Whether port 465 worked before the change, if it had a service."""
        return not self.manifest.get("unserved")

    @property
    def who(self) -> str:
        """The controller and the account, as they were given; nobody has checked that."""
        return f"{self.manifest['controller']} as {self.manifest['ssh_user']}"

    @property
    def settings(self) -> Settings:
        """The settings of the change."""
        return settings_on_record(self.manifest["settings"])

    def content_before(self, entry: Mapping[str, Any]) -> str | None:
        """A file's content before the change; `None` if the record has none.

        + entry: that of the file in the manifest
        """
        return self.before.get(_as_in_contents(entry["real_path"]))

    def content_after(self, entry: Mapping[str, Any]) -> str | None:
        """The content that the change wrote; `None` if the record has none.

        + entry: that of the file in the manifest
        """
        return self.after.get(_as_in_contents(entry["real_path"]))

    def digest_before(self, entry: Mapping[str, Any]) -> str:
        """The SHA-256 of a file's content before the change; empty if there was no file.

        It differs from that of the manifest if an earlier change was interrupted: then the plan was made from
        the version that this change had left, and the record has the one before it.

        + entry: that of the file in the manifest
        """
        return self.digests.get(_as_in_contents(entry["real_path"]), entry["sha256"]["before"] or "")

    @property
    def about(self) -> str:
        """The change in a few words."""
        return str(self.manifest["about"])


def manifest_in(name: str, text: str) -> Mapping[str, Any]:
    """The manifest of a change. Raises `ValueError` if it is none, or is another change's.

    + name: that of its folder in the record
    + text: of manifest.json
    """
    found: dict[str, Any] = shape.parsed(text, _MANIFEST)
    if found["id"] != re.sub(r"[.][0-9]+\Z", "", name):
        raise ValueError("it is that of another change")
    return found


@dataclass(frozen=True)
class Record:
    """A host's record of changes.

    + changes: the oldest first
    + unreadable: the names of changes whose manifest cannot be read
    + in_doubt: those of them that may be later than the last live change, or may be that change
    + baseline: empty if it was not asked for
    + has_gap: whether files were asked for from a run on, and a live change of it is not in the record any
      more
    + machine: which machine has the record: see `facts.machine.machine_in`
    + hold: the hold that is in force by the host's clock; `None` if there is none
    + holds: the last holds and releases, the oldest first
    """

    changes: tuple[PastChange, ...] = ()
    unreadable: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()
    baseline: Baseline = field(default_factory=dict)
    has_gap: bool = False
    machine: str = ""
    hold: Hold | None = None
    holds: tuple[HoldEvent, ...] = ()

    @property
    def live(self) -> tuple[PastChange, ...]:
        """The live changes: those that were proved and stayed in place."""
        return tuple(change for change in self.changes if change.is_live)


def parse(output: Iterable[str]) -> Record:
    """Read the lines of `SmtpAuth::History`. Raises `ValueError` if they are incomplete."""
    found = decode(output)
    if "complete" not in found:
        raise ValueError("it is incomplete")
    missing, unreadable = found.get("unreadable", []), list[str]()
    changes: list[PastChange] = []
    ledgers, digests = (
        dict(value.split("\0", 1) for value in found.get(what, ())) for what in ("ledger", "digests")
    )
    files = {what: _by_change(found.get(what, ())) for what in ("before", "after")}
    for value in found.get("manifest", ()):
        change, _, text = value.partition("\0")
        its = {what: files[what].get(change, {}) for what in files}
        try:
            ledger = parse_ledger(ledgers[change]) if change in ledgers else NO_ENTRY
            changes.append(
                PastChange(
                    manifest_in(change, _text(text)),
                    **its,
                    ledger=ledger,
                    attempt=_attempt(change),
                    digests=_digests(digests.get(change, "")),
                )
            )
        except ValueError:
            # Somebody has edited it.
            unreadable.append(change)
    baseline = (value.split("\0", 2) for value in found.get("baseline", ()))
    # A change that is being deleted has lost its manifest, too. It is an old one.
    newest = max((change.name for change in changes if change.is_live), default="")
    return Record(
        tuple(changes),
        (*missing, *unreadable),
        in_doubt=(*(name for name in missing if name > newest), *unreadable),
        baseline={(change, path): content for change, path, content in baseline},
        has_gap="gap" in found,
        machine=machine_in(found),
        hold=next(map(Hold.parse, found.get("hold", ())), None),
        holds=events_in(found.get("hold_event", ())),
    )


def _attempt(name: str) -> int:
    number = name.rpartition(".")[2]
    return int(number) if number.isdecimal() else 1


def _digests(text: str) -> dict[str, str]:
    """The digests of the files before a change, by their paths. + text: as Record.pm describes it"""
    found = decode(text.splitlines()).get("before", ())
    return {path: digest for digest, _, path in (value.partition(" ") for value in found)}


def _by_change(values: Iterable[str]) -> dict[str, dict[str, str]]:
    by_change: dict[str, dict[str, str]] = {}
    for value in values:
        change, path, content = value.split("\0", 2)
        by_change.setdefault(change, {})[path] = content
    return by_change


def _as_in_contents(path: str) -> str:
    """A path, as it is written in `Contents`."""
    return path.encode().decode("latin-1")


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "backslashreplace")
