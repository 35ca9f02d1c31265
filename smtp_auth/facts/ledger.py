"""The ledger of a host, as a value: what in its configuration is ours.

It lists each definition (a parameter, an option, a service, a block of lines) and each file that we have
written, with its state before we first wrote it, and what we wrote last. Each change in the record has two
ledgers, from before and after the change (`changes/ID/ledger.json`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from smtp_auth.facts import shape


@dataclass(frozen=True)
class Definition:
    """A definition that we have written in a file, such as `smtpd_sasl_type` or `submissions/inet`.

    + before: its value before we first wrote it; `None` if it was not defined
    + written: the value that we wrote last; `None` if we deleted it
    + lines: the lines that defined it before us, if `before` is not enough to restore them; else empty
    + effective: the effective value before us, from the service's own program; `None` if it has none
    + step: the name of the step that wrote it last
    + source: where we have taken it over from, such as the service `submission/inet`; else empty
    + is_theirs: whether its owner has edited it since: then it is not ours any more
    """

    before: str | None
    written: str | None
    lines: str = ""
    effective: str | None = None
    step: str = ""
    source: str = ""
    is_theirs: bool = False


@dataclass(frozen=True)
class Version:
    """A version of a file.

    + sha256: its digest in hexadecimal; empty if there was no file
    + mode: such as `0644`
    """

    sha256: str = ""
    mode: str = ""


@dataclass(frozen=True)
class LedgerFile:
    """A file that we may write.

    + path: its path when the copy of it was made, with symbolic links resolved
    + before: its version before we first wrote to this host
    + written: its version after our last change
    + kept_by: the name of the change whose folder of the baseline has the copy of `before`; empty: the change
      that is planned now, to which the host gives a name
    + step: the name of the step that wrote it last
    + is_edited: whether its owner has edited it since
    """

    path: str
    before: Version
    written: Version
    kept_by: str = ""
    step: str = ""
    is_edited: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether our changes have made it different from what it was before us."""
        return self.before != self.written


@dataclass(frozen=True)
class Ledger:
    """What we have written on a host, and what of it the owner has edited since.

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


NOTHING = Ledger()


@dataclass(frozen=True)
class LedgerEntry:
    """The ledgers of a change in the record: `before` and `after` it."""

    before: Ledger = NOTHING
    after: Ledger = NOTHING


NO_ENTRY = LedgerEntry()


_VERSION = {"sha256": shape.text, "mode": shape.mode}

_DEFINITION = {
    "before": (shape.text, None),
    "written": (shape.text, None),
    "lines": shape.Maybe(shape.text),
    "effective": shape.Maybe((shape.text, None)),
    "step": shape.Maybe(shape.text),
    "source": shape.Maybe(shape.text),
    "is_theirs": shape.Maybe(bool),
}

_LEDGER = {
    "files": {
        shape.ANY: {
            "path": shape.text,
            "before": _VERSION,
            "written": _VERSION,
            "kept_by": shape.text,
            "step": shape.text,
            "is_edited": bool,
        }
    },
    "definitions": {shape.ANY: {shape.ANY: _DEFINITION}},
}

_SHAPE = {"before": _LEDGER, "after": _LEDGER}


def as_json(entry: LedgerEntry) -> str:
    """The content of `changes/ID/ledger.json`."""
    moments = {"before": entry.before, "after": entry.after}
    return json.dumps({"version": 1, **{when: _as_object(one) for when, one in moments.items()}}) + "\n"


def parse(text: str) -> LedgerEntry:
    """Read the content of `changes/ID/ledger.json`. Raises `ValueError` if it is not a ledger."""
    found = shape.parsed(text, _SHAPE)
    try:
        return LedgerEntry(_ledger(found["before"]), _ledger(found["after"]))
    except TypeError as error:
        raise ValueError(f"it has another key: {error}") from None


def _as_object(ledger: Ledger) -> dict[str, Any]:
    definitions = {
        key: {name: _without_defaults(one) for name, one in ones.items()}
        for key, ones in ledger.definitions.items()
    }
    return {"files": {key: asdict(one) for key, one in ledger.files.items()}, "definitions": definitions}


def _without_defaults(definition: Definition) -> dict[str, Any]:
    """The fields of a definition that are needed: each look sends the ledger, so it must be short."""
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
