"""The ledger of a host: what of its configuration is ours, as values.

It names each definition (a parameter, an option, a service, a block of lines) and each file that we have
written, with what stood there when we first wrote it and what we wrote last. Each change on record has the
ledger from before it and the one from after it (`changes/ID/ledger.json`). Talks to nobody.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True)
class Definition:
    """Something that we wrote in a file, which has a name there: `smtpd_sasl_type`, `submissions/inet`.

    + before: its value when we first wrote it; `None` where it was not defined
    + lines: the lines of the file in which it was defined then, if the value does not tell all; else empty
    + effective: the value that the service's own program told then; `None` where it knew none
    + written: the value that we wrote last; `None` where we deleted it
    + step: the name of the step that wrote it last
    + is_theirs: whether its owner has edited it since, so that it is ours no more
    """

    before: str | None
    written: str | None
    lines: str = ""
    effective: str | None = None
    step: str = ""
    is_theirs: bool = False


@dataclass(frozen=True)
class Version:
    """A file at one moment. + sha256: in hexadecimal; empty where there was no file. + mode: `0644`"""

    sha256: str = ""
    mode: str = ""


@dataclass(frozen=True)
class LedgerFile:
    """A file that we may write.

    + path: where it was when its copy was made, behind any links
    + before: when we first wrote to this host; `written`: as our last change left it
    + kept_by: the ID of the change that keeps a copy of it from before; empty: the change that is planned now
    + step: the name of the step that wrote it last
    + is_edited: whether its owner has edited other parts of it in between
    """

    path: str
    before: Version
    written: Version
    kept_by: str = ""
    step: str = ""
    is_edited: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether we have written something in it."""
        return self.before != self.written


@dataclass(frozen=True)
class Ledger:
    """What is ours on a host, and what its owner has made theirs since.

    + files: by the key of their `ManagedFile`
    + definitions: the key of a file to its definitions, by their names
    """

    files: Mapping[str, LedgerFile] = field(default_factory=dict)
    definitions: Mapping[str, Mapping[str, Definition]] = field(default_factory=dict)

    def of(self, key: str) -> Mapping[str, Definition]:
        """The definitions in a file. + key: of its `ManagedFile`"""
        return self.definitions.get(key, {})

    def ours(self, key: str) -> dict[str, Definition]:
        """The definitions in a file that are ours. + key: of its `ManagedFile`"""
        return {name: one for name, one in self.of(key).items() if not one.is_theirs}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is ours."""
        return not (
            any(self.ours(key) for key in self.definitions)
            or any(file.is_ours and not file.is_edited for file in self.files.values())
        )

    def kept_by(self, change: str) -> "Ledger":
        """The same, with the ID of the change that is planned."""
        files = {key: one if one.kept_by else replace(one, kept_by=change) for key, one in self.files.items()}
        return Ledger(files, self.definitions)


NOTHING = Ledger()


@dataclass(frozen=True)
class LedgerEntry:
    """What a change on record says of the ledger: `before` and `after` it."""

    before: Ledger = NOTHING
    after: Ledger = NOTHING


NO_ENTRY = LedgerEntry()


def as_json(entry: LedgerEntry) -> str:
    """What `changes/ID/ledger.json` holds."""
    moments = {"before": entry.before, "after": entry.after}
    return json.dumps({"version": 1, **{when: _as_object(one) for when, one in moments.items()}}) + "\n"


def parse(text: str) -> LedgerEntry:
    """Read `changes/ID/ledger.json`. Raises `ValueError` where that is no ledger."""
    found = json.loads(text)
    try:
        return LedgerEntry(_ledger(found["before"]), _ledger(found["after"]))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no ledger: {error!r}") from None


def _as_object(ledger: Ledger) -> dict[str, Any]:
    definitions = {
        key: {name: _without_defaults(one) for name, one in ones.items()}
        for key, ones in ledger.definitions.items()
    }
    return {"files": {key: asdict(one) for key, one in ledger.files.items()}, "definitions": definitions}


def _without_defaults(definition: Definition) -> dict[str, Any]:
    """Each look sends it, so it is short."""
    return {
        one.name: getattr(definition, one.name)
        for one in fields(definition)
        if getattr(definition, one.name) != one.default
    }


def _ledger(found: Mapping[str, Any]) -> Ledger:
    files = {key: _file(one) for key, one in found["files"].items()}
    return Ledger(files, {key: _definitions(ones) for key, ones in found["definitions"].items()})


def _file(found: Mapping[str, Any]) -> LedgerFile:
    return LedgerFile(
        **{**found, "before": Version(**found["before"]), "written": Version(**found["written"])}
    )


def _definitions(found: Mapping[str, Any]) -> dict[str, Definition]:
    return {name: Definition(**one) for name, one in found.items()}
