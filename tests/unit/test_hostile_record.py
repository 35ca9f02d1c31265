"""A record of another shape: its host alone is told of, and it ends no history, undo or removal."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from urllib.parse import quote

import pytest

from operations import STEPS
from smtp_auth.facts.ledger import as_json as ledger_as_json
from smtp_auth.facts.ledger import parse as parse_ledger
from smtp_auth.facts.record import PastChange, Record, parse
from smtp_auth.fleet.as_json import lines as json_lines
from smtp_auth.fleet.history import HostHistory
from smtp_auth.fleet.history_json import entries_of
from smtp_auth.fleet.history_text import details, table
from smtp_auth.on_host.asking import Asked, NotOnRecord, ask_to_remove, ask_to_undo
from smtp_auth.past.removal import plan_of_removal
from smtp_auth.past.runs import past_runs
from smtp_auth.past.undo import plan_of_undo
from smtp_auth.settings import SettingsOnRecordError, settings_on_record
from tests.unit.hostile_manifests import shaped_otherwise
from tests.unit.on_host.test_asking import Host
from tests.unit.past import deployed
from tests.unit.scenarios import stock, wanted

LOOK = stock("3.10.5")
HOST, CHANGE = deployed(LOOK, wanted())
OTHER = "2026-11-22T11:00:00Z-4a3b"


def _lines(manifests: dict[str, str], ledger: str = "", digests: str = "") -> Iterator[str]:
    """What History.pm prints. + manifests: the names of changes to their manifests, as bytes"""
    values = [("manifest", f"{name}\0{text}") for name, text in manifests.items()]
    values += [("ledger", f"{name}\0{ledger}") for name in manifests if ledger]
    values += [("digests", f"{name}\0{digests}") for name in manifests if digests]
    for key, value in [*values, ("complete", "1")]:
        yield f"{key}\t{quote(value, safe='', encoding='latin-1')}"


@cache
def _texts() -> dict[str, str]:
    manifest = json.loads(json.dumps({**CHANGE.manifest, "id": OTHER}))
    return dict(shaped_otherwise(manifest))


GOOD = json.dumps(CHANGE.manifest)


def _shown(records: dict[str, Record]) -> str:
    """All that the commands print of a fleet's records."""
    found = {name: HostHistory(record) for name, record in records.items()}
    runs = past_runs(records)
    printed = [line.text for line in table(found)]
    printed += [line.text for run in runs for line in details(found, run)]
    for run_id in (None, *(run.id for run in runs)):
        printed += json_lines(found, entries_of(found, run_id))
    return "\n".join(printed)


def test_a_manifest_of_another_shape_is_its_hosts_alone(
    record_property: Callable[[str, object], None],
) -> None:
    healthy = parse(_lines({CHANGE.id: GOOD}))
    unreadable = 0
    for number, (what, text) in enumerate(_texts().items()):
        record = parse(_lines({CHANGE.id: GOOD, OTHER: text}))
        # Some values fit, such as an empty text.
        assert len(record.changes) + len(record.unreadable) == 2, what
        unreadable += len(record.unreadable)
        # An unreadable one leaves nothing but its name, so a part of them shows the same.
        if number % 10 == 0 or not record.unreadable:
            told = _shown({"odd.example": record, "healthy.example": healthy})
            assert told.isascii(), what
            assert CHANGE.id in told, what
        found = {"odd.example": HostHistory(record), "healthy.example": HostHistory(healthy)}
        lines = [line.text for line in table(found)]
        assert all(len(line) < 10_000 for line in lines), what
        said = f"odd.example: the manifest of change {OTHER} cannot be read"
        assert (said in lines) == bool(record.unreadable), what
    assert unreadable > 500
    record_property("cases", len(_texts()))


@pytest.mark.parametrize("asking", [ask_to_undo, ask_to_remove])
def test_nothing_is_taken_back_on_a_host_whose_last_change_is_unknown(asking: Callable[..., Asked]) -> None:
    for what, text in [*_texts().items()][::40]:
        lines = (*_lines({CHANGE.id: GOOD, OTHER: text}),)
        if parse(lines).unreadable:
            host = Host(record=lines)
            with pytest.raises(
                NotOnRecord, match=rf"the manifest of change {OTHER} cannot be read, so it is unknown"
            ):
                asking(host, STEPS)
            assert host.asked == ["record"], what


def test_a_manifest_that_was_deleted_counts_only_if_it_may_be_of_the_last_change() -> None:
    for name, counts in (("2026-11-21T00:00:00Z-aaaa", False), (OTHER, True)):
        record = parse([f"unreadable\t{name}", *_lines({CHANGE.id: GOOD})])
        assert (record.unreadable, record.in_doubt) == ((name,), (name,) if counts else ())


def test_what_is_a_change_can_be_undone_and_removed() -> None:
    """Whatever the values are: they make settings and plans, or none with a sentence."""
    planned = 0
    for text in _texts().values():
        for change in parse(_lines({OTHER: text})).live:
            with suppress(SettingsOnRecordError):
                settings = change.settings
                planned += 1
                # Others have the same result as the first ones, and take seconds.
                if planned % 20 == 1:
                    whole = replace(change, before=CHANGE.before, after=CHANGE.after, ledger=CHANGE.ledger)
                    plan_of_undo([whole], settings, HOST, STEPS)
                    plan_of_removal(Record((whole,)), settings, HOST, STEPS)
    assert planned > 100


def test_settings_of_another_type_are_none(record_property: Callable[[str, object], None]) -> None:
    values = json.loads(GOOD)["settings"]
    wrong: list[object] = [None, True, 7, 1.5, "x", [], [1], {}, {"a": 1}, {"a": []}]
    refused = 0
    for key in values:
        for value in wrong:
            try:
                settings_on_record({**values, key: value})
            except SettingsOnRecordError:
                refused += 1
    assert refused > len(values) * len(wrong) / 2
    record_property("cases", len(values) * len(wrong))


def test_a_ledger_of_another_shape_is_none(record_property: Callable[[str, object], None]) -> None:
    text = ledger_as_json(CHANGE.ledger)
    assert parse_ledger(text) == CHANGE.ledger
    cases = refused = 0
    for what, odd in shaped_otherwise(json.loads(text)):
        if "another change" in what:
            continue
        cases += 1
        try:
            parse_ledger(odd)
        except ValueError:
            refused += 1
        record = parse(_lines({CHANGE.id: GOOD}, ledger=odd, digests="before\t%FF%\nx\n\t\n"))
        assert isinstance((*record.changes, *record.unreadable)[0], PastChange | str), what
    assert refused > cases / 2
    record_property("cases", cases)
