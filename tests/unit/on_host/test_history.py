"""What `SmtpAuth::History` prints of a record, and what becomes of it."""

import json
import subprocess
from pathlib import Path

import pytest

from smtp_auth.facts.ledger import NO_ENTRY, Definition, Ledger, LedgerEntry, as_json
from smtp_auth.facts.record import Record, parse
from smtp_auth.on_host.asking import record_command
from smtp_auth.on_host.programs import history_program

MAIN, TABLE = "/etc/postfix/main.cf", "/etc/postfix/a table \xff"
FIRST, SECOND, THIRD = (f"2026-11-22T10:1{number}:00Z-000{number}" for number in (1, 2, 3))


_BOTH = {"before": None, "after": None}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("latin-1"))


def _add(
    record: Path, change: str, number: int, outcome: str, before: dict[str, str], after: dict[str, str]
) -> None:
    folder = record / "changes" / change
    manifest = {
        **dict.fromkeys(("controller", "ssh_user", "commit", "began", "about", "said"), "x"),
        "id": change.split(".")[0],
        "undone": [],
        "files": [
            {"key": "k", "path": path, "real_path": path, "sha256": _BOTH, "mode": _BOTH}
            for path in {**before, **after}
        ],
        "settings": {},
        "plan": {"difference": None, "edits": []},
        "number": str(number),
        "outcome": outcome,
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in manifest.items())
    _write(folder / "manifest.json", f"{{\n{lines}\n}}\n")
    for what, contents in (("before", before), ("after", after)):
        for path, text in contents.items():
            _write(Path(f"{folder}/{what}{path}".encode("latin-1").decode("utf-8", "surrogateescape")), text)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Three changes, of which the second was put back; a controller's clock was wrong at the third."""
    folder = tmp_path / "record"
    _add(folder, FIRST, 1, "live", {MAIN: "zero"}, {MAIN: "one", TABLE: "100%\n\xe9"})
    _add(folder, THIRD, 2, "put back", {MAIN: "one"}, {MAIN: "bad"})
    _add(folder, SECOND, 10, "live", {MAIN: "one"}, {MAIN: "three"})
    return folder


def read(record: Path, files: str = "", baseline: bool = False) -> str:
    """What is printed of a record."""
    command = record_command(str(record), files, baseline=baseline)
    done = subprocess.run(
        ["sh", "-c", command], input=history_program(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _read(record: Path, files: str = "", baseline: bool = False) -> Record:
    return parse(read(record, files, baseline).splitlines())


def test_changes_are_in_the_order_of_the_hosts_numbers(record: Path) -> None:
    found = _read(record)
    assert [change.id for change in found.changes] == [FIRST, THIRD, SECOND]
    assert [change.id for change in found.live] == [FIRST, SECOND]
    assert all(not change.before and not change.after for change in found.changes)


def test_the_files_of_the_last_live_change(record: Path) -> None:
    first, _, last = _read(record, "last").changes
    assert (last.before, last.after) == ({MAIN: "one"}, {MAIN: "three"})
    assert not first.after


def test_the_files_from_a_change_on(record: Path) -> None:
    first, bad, last = _read(record, FIRST).changes
    assert first.after == {MAIN: "one", TABLE: "100%\n\xe9"}
    assert (bool(bad.after), bool(last.after)) == (False, True)


def test_from_a_run_are_all_of_its_attempts(record: Path) -> None:
    _add(record, f"{SECOND}.2", 11, "live", {MAIN: "three"}, {MAIN: "four"})
    _, _, second, again = _read(record, SECOND).changes
    assert (second.after, again.after) == ({MAIN: "three"}, {MAIN: "four"})
    assert (second.id, second.name, again.id, again.name) == (SECOND, SECOND, SECOND, f"{SECOND}.2")


def test_a_run_that_is_not_on_record_has_no_files(record: Path) -> None:
    assert not any(change.after for change in _read(record, "2026-11-22T10:11:30Z-ffff").changes)


def test_what_is_asked_for_may_no_longer_be_kept(record: Path) -> None:
    pruned = "2026-11-22T10:11:45Z-ffff"
    (record / "pruned").write_text(f"1 2026-11-22T10:11:41Z-ffff\n2 {pruned}.2\n")
    found = [_read(record, change).has_gap for change in (pruned, FIRST, "2026-11-22T10:11:40Z-0000")]
    assert found == [True, False, False]
    assert not _read(record, "last").has_gap


def test_the_digests_of_the_files_before_a_change(record: Path) -> None:
    lines = f"before\t{'0' * 64} {MAIN}\nbefore\t /etc/a%09b\nafter\t{'1' * 64} {MAIN}\n"
    (record / "changes" / SECOND / "digests").write_text(lines)
    assert _read(record, "last").changes[-1].digests == {MAIN: "0" * 64, "/etc/a\tb": ""}


def test_the_baseline_and_the_ledger(record: Path) -> None:
    _write(Path(f"{record}/baseline/{FIRST}{MAIN}"), "zero")
    _write(Path(f"{record}/baseline/{SECOND}{MAIN}"), "later")
    ledger = LedgerEntry(after=Ledger(definitions={"main_cf": {"a": Definition("1", None, lines="a=1\n")}}))
    _write(record / "changes" / SECOND / "ledger.json", as_json(ledger))
    found = _read(record, "last", baseline=True)
    assert found.baseline == {(FIRST, MAIN): "zero", (SECOND, MAIN): "later"}
    assert [change.ledger for change in found.changes] == [NO_ENTRY, NO_ENTRY, ledger]
    assert _read(record).changes[-1].ledger == NO_ENTRY


def test_a_change_whose_manifest_cannot_be_read_is_named(record: Path) -> None:
    (record / "changes" / FIRST / "manifest.json").unlink()
    _write(record / "changes" / THIRD / "manifest.json", '{\n"outcome": "live",\n')
    found = _read(record, "last")
    assert found.unreadable == (FIRST, THIRD)
    assert [change.id for change in found.changes] == [SECOND]


@pytest.mark.parametrize("files", ["", "last", FIRST, "newest"])
def test_a_host_without_a_record_has_none(tmp_path: Path, files: str) -> None:
    assert _read(tmp_path / "none", files, baseline=True) == Record()


def test_an_answer_that_was_cut_off_is_no_record() -> None:
    with pytest.raises(ValueError, match="it is incomplete"):
        parse(["manifest\t{}"])
