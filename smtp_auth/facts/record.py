"""What a host's record of changes holds, as values: who changed what, and with which outcome.

Talks to nobody.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smtp_auth.facts.decode import decode
from smtp_auth.facts.ledger import NO_ENTRY, LedgerEntry
from smtp_auth.facts.ledger import parse as parse_ledger
from smtp_auth.settings import Settings, settings_on_record

# Path to content as latin-1 gives it.
Contents = Mapping[str, str]

# Copies of files as they were before us: the ID of the change that made it and the path, to the content.
Baseline = Mapping[tuple[str, str], str]

NO_BASELINE: Baseline = {}


@dataclass(frozen=True)
class PastChange:
    """One change on record.

    + manifest: its manifest.json
    + before, after: the files that it replaced and wrote, by their paths behind any links; only where they
      were asked for, and so the ledger
    """

    manifest: Mapping[str, Any]
    before: Contents = field(default_factory=dict)
    after: Contents = field(default_factory=dict)
    ledger: LedgerEntry = NO_ENTRY

    @property
    def id(self) -> str:
        """The same on all hosts of a run."""
        return str(self.manifest["id"])

    @property
    def outcome(self) -> str:
        """`live`, `refused`, `put back`, `failed` or `unfinished`."""
        return str(self.manifest["outcome"])

    @property
    def is_live(self) -> bool:
        """Whether what it wrote was proved and stayed."""
        return self.outcome == "live"

    @property
    def found_submissions_served(self) -> bool:
        """Whether port 465, if there was a service, served before it."""
        return not self.manifest.get("unserved")

    @property
    def who(self) -> str:
        """Who made it, as they said themselves: a claim and no proof."""
        return f"{self.manifest['controller']} as {self.manifest['ssh_user']}"

    @property
    def settings(self) -> Settings:
        """Those with which it was made."""
        return settings_on_record(self.manifest["settings"])

    def content_before(self, entry: Mapping[str, Any]) -> str | None:
        """A file as it was before, if it is kept. + entry: the manifest's, for that file"""
        return self.before.get(_held(entry["real_path"]))

    def content_after(self, entry: Mapping[str, Any]) -> str | None:
        """A file as it was written, if it is kept. + entry: the manifest's, for that file"""
        return self.after.get(_held(entry["real_path"]))

    @property
    def about(self) -> str:
        """What it did in a few words."""
        return str(self.manifest["about"])


@dataclass(frozen=True)
class Record:
    """A host's record of changes.

    + changes: the oldest first
    + unreadable: the IDs of changes whose manifest cannot be read
    + baseline: empty where it was not asked for
    + has_gap: whether some of the live changes from the one asked for on are no longer kept
    """

    changes: tuple[PastChange, ...] = ()
    unreadable: tuple[str, ...] = ()
    baseline: Baseline = field(default_factory=dict)
    has_gap: bool = False

    @property
    def live(self) -> tuple[PastChange, ...]:
        """The changes that were proved and stayed."""
        return tuple(change for change in self.changes if change.is_live)


def parse(output: Iterable[str]) -> Record:
    """Turn the lines of `SmtpAuth::History` into a `Record`.

    Raises `ValueError` if they do not reach its end.
    """
    found = decode(output)
    if "complete" not in found:
        raise ValueError("it came to no end")
    unreadable = [*found.get("unreadable", ())]
    changes: list[PastChange] = []
    ledgers = dict(value.split("\0", 1) for value in found.get("ledger", ()))
    files = {what: _by_change(found.get(what, ())) for what in ("before", "after")}
    for value in found.get("manifest", ()):
        change, _, text = value.partition("\0")
        its = {what: files[what].get(change, {}) for what in files}
        try:
            ledger = parse_ledger(ledgers[change]) if change in ledgers else NO_ENTRY
            changes.append(PastChange(json.loads(_text(text)), **its, ledger=ledger))
        except ValueError:
            # Somebody has edited it.
            unreadable.append(change)
    baseline = (value.split("\0", 2) for value in found.get("baseline", ()))
    return Record(
        tuple(changes),
        tuple(unreadable),
        baseline={(change, path): content for change, path, content in baseline},
        has_gap="gap" in found,
    )


def _by_change(values: Iterable[str]) -> dict[str, dict[str, str]]:
    by_change: dict[str, dict[str, str]] = {}
    for value in values:
        change, path, content = value.split("\0", 2)
        by_change.setdefault(change, {})[path] = content
    return by_change


def _held(path: str) -> str:
    """A path as `Contents` have it."""
    return path.encode().decode("latin-1")


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "backslashreplace")
