"""A fleet's history as a table, in detail, and as JSON."""

import json
import os
import re
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest

from smtp_auth.facts.hold import Hold, HoldEvent
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.fleet.as_json import hold_as_json, lines
from smtp_auth.fleet.console import rows
from smtp_auth.fleet.events import since, with_a_part
from smtp_auth.fleet.history import Histories, HostHistory
from smtp_auth.fleet.history_json import entries_of
from smtp_auth.fleet.history_text import details, table
from smtp_auth.fleet.typed_times import time_since
from smtp_auth.past.runs import past_runs, run_called
from smtp_auth.runs.mistakes import Mistake
from tests.terminal import CTRL_C, in_a_terminal, without_progress
from tests.time_zone import time_zone
from tests.unit.past import deployed
from tests.unit.scenarios import MAIN_CF, stock, wanted, with_file


def _change(mode: str = "0644", outcome: str = "live") -> PastChange:
    _, change = deployed(with_file(stock("3.10.5"), MAIN_CF, mode=mode), wanted())
    manifest = {
        **change.manifest,
        "outcome": outcome,
        "said": "Postfix\x1b refused" if outcome != "live" else "",
    }
    return replace(change, manifest=manifest)


FOUND = {
    "a.example": HostHistory(Record((_change(),))),
    "b.example": HostHistory(Record((_change(),))),
    "c.example": HostHistory(Record((_change(outcome="put back"),), unreadable=("2026-x",))),
    "d.example": HostHistory(error="not reached: timed out"),
}
ID = _change().id


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    with time_zone("CET-1"):
        yield


def _table(found: Histories) -> list[str]:
    return [line.text for line in table(found)]


def _details(found: Histories, word: str = ID) -> list[str]:
    runs = past_runs({name: history.record for name, history in found.items()})
    return [line.text for line in details(found, run_called(word, runs))]


def _entries(found: Histories, run_id: str | None = None) -> dict[str, Any]:
    hosts: dict[str, Any] = json.loads("".join(lines(found, entries_of(found, run_id))))["hosts"]
    return hosts


def _made(change: PastChange, began: str, run_id: str = "", **others: str) -> PastChange:
    run_id = run_id or f"{began}-{began[8:10]}{began[11:13]}"
    return replace(change, manifest={**change.manifest, "began": began, "id": run_id, **others})


def _refused(said: str) -> HostHistory:
    return HostHistory(Record((_made(_change(outcome="refused"), "2026-11-01T10:00:00Z", said=said),)))


def test_a_line_per_change_and_outcome_then_what_could_not_be_read() -> None:
    put_back, why, live, *others = _table(FOUND)
    about = "SMTP TLS; Certificate rotation; "
    assert put_back.startswith(
        f"2026-11-22 11:00:01 +01:00  put back  {ID} on c.example, by admin@controller as root: {about}"
    )
    assert why == "    Postfix\\x1b refused"
    assert live.startswith(
        f"2026-11-22 11:00:01 +01:00  live      {ID} on a.example and b.example, by admin@controller as root"
    )
    assert others == [
        "c.example: the manifest of change 2026-x cannot be read",
        "d.example: not reached: timed out",
    ]


def test_nothing_is_torn_at_80_columns() -> None:
    same = {f"mail{number}.a-long-domain.example.jp": FOUND["c.example"] for number in range(30)}
    for line in table(same):
        pieces = [*rows(line, 80)]
        assert max(map(len, pieces)) <= 80
        assert " ".join(" ".join(pieces).split()) == " ".join(line.text.split())
        assert all(piece.strip() for piece in pieces)


def test_all_hosts_and_many_hosts_are_told_in_few_words() -> None:
    same = {f"h{number}.example": FOUND["a.example"] for number in range(5)}
    assert "on all 5 hosts, by " in _table(same)[0]
    assert "on h0.example, h1.example and 3 more, by " in _table({**same, "d": HostHistory(error="x")})[0]


def test_a_name_in_the_letters_of_its_owners_stays_readable() -> None:
    name = "メール.example.jp"
    assert f"on {name}, by " in _table({name: FOUND["a.example"]})[0]


def test_nothing_on_record_is_said() -> None:
    assert _table({"a.example": HostHistory()}) == ["no change is on record"]


def test_the_order_is_that_of_the_hosts_clocks() -> None:
    ahead = _made(_change(), "2026-11-01T10:00:00Z", "2027-11-01T10:00:00Z-aaaa")
    later = _made(_change(), "2026-11-02T10:00:00Z", "2026-11-02T10:00:00Z-bbbb")
    odd = _made(_change(), "yesterday", "odd")
    shown = _table({"a": HostHistory(Record((odd, ahead, later))), "b": HostHistory(Record((odd, ahead)))})
    assert [line.split("  ")[0] for line in shown] == [
        "2026-11-02 11:00:00 +01:00",
        "2026-11-01 11:00:00 +01:00",
        "yesterday",
    ]


def test_runs_of_one_second_are_in_the_order_of_the_runs_on_record() -> None:
    time = "2026-11-01T10:00:00Z"
    record = Record(tuple(_made(_change(), time, run_id) for run_id in ("b", "c", "a")))
    shown = _table({"x": HostHistory(record)})
    ids = [run.id for run in past_runs({"x": record})]
    assert [line.split("  ")[2].split()[0] for line in shown] == ids == ["c", "b", "a"]


def test_of_many_reasons_some_are_shown() -> None:
    found = {
        f"h{number}": _refused(said)
        for number, said in enumerate(["one\nmore of it", "one\nother", "two", "three", "four", "five"])
    }
    _, *reasons = _table(found)
    assert reasons == [
        "    h0 and h1: one",
        "    h2: two",
        "    h3: three",
        "    2 more reasons: --show 2026-11-01T10:00:00Z-0110 has all",
    ]


def test_hosts_with_the_same_difference_are_told_once() -> None:
    title, first, *others = _details(FOUND)
    assert title.startswith(f"{ID}, 2026-11-22 11:00:01 +01:00: SMTP TLS; ")
    assert first == "a.example and b.example: live, by admin@controller as root"
    assert others.count("    +smtpd_tls_auth_only = yes") == 2
    assert "    Postfix\\x1b refused" in others


def test_each_reason_of_a_run_is_told_with_its_hosts() -> None:
    found = {"a": _refused("one"), "b": _refused("two\nand more")}
    told = _details(found, "2026")
    for before, after in (("a: ref", "    one"), ("b: ref", "    two"), ("    two", "    and more")):
        assert told[next(n for n, line in enumerate(told) if line.startswith(before)) + 1] == after


def test_lines_of_a_file_that_not_everybody_may_read_are_not_shown() -> None:
    found = {"a.example": HostHistory(Record((_change(mode="0640"),)))}
    told = _details(found)
    assert "    (not shown: not everybody may read the file)" in told
    assert not any("smtpd_tls_auth_only" in line for line in told)
    (change,) = _entries(found, ID)["a.example"]["changes"]
    shown = {edit["path"]: edit["lines"] for edit in change["edits"]}
    assert shown["/etc/postfix/main.cf"] is None
    assert any("smtpd_tls_wrappermode" in line for line in shown["/etc/postfix/master.cf"])


def test_json_of_one_run_has_no_other() -> None:
    hosts = _entries(FOUND, "nothing on record")
    assert all(host["changes"] == [] for host in hosts.values())


def test_json_has_every_change_and_every_trouble() -> None:
    hosts = _entries(FOUND)
    assert hosts["d.example"] == {
        "error": "not reached: timed out",
        "same_machine": [],
        "unreadable": [],
        "changes": [],
        "hold": None,
        "holds": [],
    }
    assert hosts["c.example"]["unreadable"] == ["2026-x"]
    (entry,) = hosts["c.example"]["changes"]
    assert "edits" not in entry
    assert (entry["id"], entry["outcome"], entry["undone"]) == (ID, "put back", [])
    assert (entry["began"], entry["said"]) == ("2026-11-22T10:00:01Z", "Postfix\x1b refused")
    assert entry["about"].startswith("SMTP TLS; Certificate rotation; ")


def test_names_of_one_machine_are_noted() -> None:
    record = Record((_change(),), machine="m")
    found = {**FOUND, **{name: HostHistory(record) for name in ("x.example", "y.example")}}
    (line,) = [line for line in _table(found) if "one machine" in line]
    assert line.startswith("x.example and y.example are one machine (")
    assert line in _details(found)
    hosts = _entries(found)
    assert {name: host["same_machine"] for name, host in hosts.items() if host["same_machine"]} == {
        "x.example": ["y.example"],
        "y.example": ["x.example"],
    }


# -- holds ----------------------------------------------------------------------------------------------

UNTIL = "2026-12-01T08:00:00Z"


def _hold(when: str, until: str = UNTIL, why: str = "the vendor looks at it") -> HoldEvent:
    return HoldEvent("hold", "admin@controller as root", when, why, until)


def _release(when: str) -> HoldEvent:
    return HoldEvent("release", "admin@controller as root", when, "", "")


def _holding(*holds: HoldEvent, is_held: bool = False) -> HostHistory:
    last = holds[-1]
    hold = Hold(last.who, last.when, last.why, last.until) if is_held else None
    return HostHistory(Record((_made(_change(), "2026-11-02T10:00:00Z"),), holds=holds, hold=hold))


def test_holds_and_releases_stand_between_the_changes() -> None:
    first, again = _hold("2026-11-01T10:00:00Z"), _hold("2026-11-03T10:00:00Z", until="")
    found = {"a": _holding(first, _release("2026-11-02T11:00:00Z"), again), "b": HostHistory()}
    by = "by admin@controller as root"
    held, released, live, earlier = _table(found)
    assert held == f"2026-11-03 11:00:00 +01:00  held      on a, {by}: the vendor looks at it"
    assert released == f"2026-11-02 12:00:00 +01:00  released  on a, {by}"
    assert live.startswith("2026-11-02 11:00:00 +01:00  live      2026-11-02T10:00:00Z-0210 on a, by ")
    assert earlier.endswith(": the vendor looks at it (until 2026-12-01 09:00:00 +01:00)")


def test_what_was_held_together_is_one_row_and_what_was_held_later_another() -> None:
    found = {
        "a": _holding(_hold("2026-11-01T10:00:00Z"), _hold("2026-11-01T12:00:00Z")),
        "b": _holding(_hold("2026-11-01T10:00:02Z"), _hold("odd")),
        "c": _holding(_hold("2026-11-01T10:01:00Z", why="another"), _hold("odd")),
    }
    _, later, another, together, odd = _table(found)
    assert later.startswith("2026-11-01 13:00:00 +01:00  held  on a, by ")
    assert another.startswith("2026-11-01 11:01:00 +01:00  held  on c, by ")
    assert together.startswith("2026-11-01 11:00:00 +01:00  held  on a and b, by ")
    assert odd.startswith("odd  held  on b and c, by ")


def _held_rows(found: Histories) -> list[tuple[str, str]]:
    """The time and the rest of each row of a hold or a release."""
    told = (line.split("  ", 1) for line in _table(found) if " live " not in line)
    return [
        (when[17:19], " ".join(rest.replace(", by admin@controller as root", "").split()))
        for when, rest in told
    ]


def _at(second: int) -> str:
    return f"2026-11-03T10:00:{second:02}Z"


def test_each_hosts_own_order_of_holds_and_releases_is_kept() -> None:
    q = _hold(_at(11), until="", why="q")
    found = {
        "net": _holding(_release(_at(10)), q),
        "jp": _holding(q, _hold(_at(12), until="", why="json"), _release(_at(12))),
        "x": _holding(q),
        "y": _holding(q),
    }
    assert _held_rows(found) == [
        ("12", "released on jp"),
        ("12", "held on jp: json"),
        ("11", "held on all 4 hosts: q"),
        ("10", "released on net"),
    ]


def test_what_a_host_was_changed_before_is_no_part_of_an_earlier_row() -> None:
    changed = HostHistory(Record((_made(_change(), _at(3)),), holds=(_hold(_at(5), until="", why="q"),)))
    found = {"a": changed, "b": _holding(_hold(_at(1), until="", why="q"))}
    assert _held_rows(found) == [("05", "held on a: q"), ("01", "held on b: q")]


def test_one_host_twice_is_two_rows() -> None:
    found = {"a": _holding(_release(_at(1)), _release(_at(2)))}
    assert _held_rows(found) == [("02", "released on a"), ("01", "released on a")]


def test_a_row_has_what_was_within_seconds_of_its_first_one_in_the_inventorys_order() -> None:
    seconds = {"d": 26, "c": 6, "b": 15, "a": 5}
    found = {name: _holding(_release(_at(second))) for name, second in seconds.items()}
    assert _held_rows(found) == [("26", "released on d"), ("05", "released on c, b and 1 more")]


def test_a_reason_may_be_in_any_language() -> None:
    found = {"a": _holding(_hold("2026-11-03T10:00:00Z", why="業者が見ています\x1b[2J"), is_held=True)}
    _, _, _, held = told = _table(found)
    assert held.endswith(": 業者が見ています\\x1b[2J")
    assert not any("\x1b" in line for line in told)
    found = {"a": _holding(_hold("2026-11-03T10:00:00Z", why="業者が見ています"), is_held=True)}
    first, _, _, held = _table(found)
    assert ": 業者が見ています (until " in first
    assert held.endswith(": 業者が見ています")


def test_which_hosts_are_held_now_is_said_below() -> None:
    found = {
        "a": _holding(_hold("2026-11-03T10:00:00Z"), is_held=True),
        "b": _holding(_hold("2026-11-03T10:00:01Z"), is_held=True),
        "c": _holding(_hold("2026-11-03T10:00:01Z")),
        "d": HostHistory(error="not reached"),
    }
    *_, hosts, held, trouble = _table(found)
    assert hosts == "held on 2 hosts: a and b"
    assert held.startswith("    held since 2026-11-03 11:00:00 +01:00 ")
    assert held.endswith(
        " by admin@controller as root, until 2026-12-01 09:00:00 +01:00: the vendor looks at it"
    )
    assert trouble == "d: not reached"
    # Whatever part of the history is asked for.
    assert held in _table(since(found, "2027-01-01T00:00:00Z"))


def test_of_named_hosts_alone_it_is_said_whether_they_are_held() -> None:
    found = dict.fromkeys("abc", _holding(_hold("2026-11-03T10:00:00Z"), is_held=True))
    said = [line.text for line in table(found, named=["a", "c"])]
    assert "held on 2 hosts: a and c" in said


def test_json_has_the_holds() -> None:
    found = {"a": _holding(_hold("2026-11-03T10:00:00Z"), is_held=True)}
    host = _entries(found)["a"]
    hold = {
        "who": "admin@controller as root",
        "when": "2026-11-03T10:00:00Z",
        "why": "the vendor looks at it",
        "until": UNTIL,
    }
    assert (host["hold"], host["holds"]) == (hold, [{"kind": "hold", **hold}])
    unended = {"a": _holding(_hold("2026-11-03T10:00:00Z", until=""), is_held=True)}
    host = _entries(unended)["a"]
    assert host["hold"] == hold_as_json(unended["a"].record.hold)
    assert (host["hold"]["until"], host["holds"][0]["until"]) == (None, None)
    damaged = HostHistory(Record(hold=Hold("", "", "", "")))
    assert _entries({"a": damaged})["a"]["hold"] == dict.fromkeys(hold)


def test_holds_are_narrowed_as_changes_are() -> None:
    found = {"a": _holding(_hold("2026-11-03T10:00:00Z")), "b": _holding(_hold("2026-11-03T10:00:09Z"))}
    others = {**found, "c": _holding(_release("2026-11-04T10:00:00Z"))}
    held = {
        name: [one.kind for one in history.record.holds]
        for name, history in with_a_part(others, ["a"]).items()
    }
    assert held == {"a": ["hold"], "b": ["hold"], "c": []}
    later = since(others, "2026-11-03T10:00:05Z")
    assert [len(history.record.holds) for history in later.values()] == [0, 1, 1]


# -- a part of it ---------------------------------------------------------------------------------------

FIRST, SECOND = (_made(_change(), f"2026-11-0{day}T10:00:00Z") for day in (1, 2))
NOT_SECOND = _made(_change(outcome="refused"), "2026-11-02T10:00:05Z", SECOND.id)
PART = {
    "a": HostHistory(Record((FIRST, SECOND))),
    "b": HostHistory(Record((FIRST, NOT_SECOND))),
    "c": HostHistory(Record((SECOND,)), error="x"),
}


def _kept(found: Histories) -> dict[str, list[str]]:
    return {name: [one.began for one in history.record.changes] for name, history in found.items()}


def test_what_began_since_a_time_is_by_the_hosts_clocks() -> None:
    assert _kept(since(PART, "2026-11-02T10:00:01Z")) == {"a": [], "b": [NOT_SECOND.began], "c": []}
    assert _kept(since(PART, FIRST.began)) == _kept(PART)
    assert since(PART, FIRST.began)["c"].error == "x"


def test_a_time_that_cannot_be_read_is_not_left_out() -> None:
    odd = {"a": HostHistory(Record((_made(_change(), "yesterday", "odd"),)))}
    assert _kept(since(odd, FIRST.began)) == {"a": ["yesterday"]}


def test_what_a_host_had_a_part_in_is_shown_with_all_its_hosts() -> None:
    assert _kept(with_a_part(PART, ["c"])) == {"a": [SECOND.began], "b": [], "c": [SECOND.began]}
    first = FIRST.began
    assert _kept(with_a_part(PART, ["b"])) == {"a": [first], "b": [first, NOT_SECOND.began], "c": []}
    assert _kept(with_a_part(PART, ["b", "c"])) == _kept(PART)


@pytest.mark.parametrize(
    ("typed", "utc"),
    [
        ("2026-11-22", "2026-11-21T23:00:00Z"),
        ("2026-11-22T10:15", "2026-11-22T09:15:00Z"),
        ("2026-11-22 10:15:30", "2026-11-22T09:15:30Z"),
        ("2026-11-22T10:15-05:00", "2026-11-22T15:15:00Z"),
        ("2026-11-22T10:15:00Z", "2026-11-22T10:15:00Z"),
    ],
)
def test_a_time_is_in_the_zone_of_who_types_it(typed: str, utc: str) -> None:
    assert time_since("--since", typed) == utc


def test_days_are_counted_back_from_now() -> None:
    ago = [datetime.fromisoformat(time_since("--since", typed)) for typed in ("2d", "0d")]
    assert ago[1] - ago[0] in (timedelta(days=2), timedelta(days=2, seconds=1))
    assert ago[1] <= datetime.now(UTC)


@pytest.mark.parametrize(
    "typed", ["", "yesterday", "7", "-7d", "7w", "2026-02-30", "9999999999d", "0001-01-01"]
)
def test_what_is_no_time_is_a_mistake_that_says_what_is_one(typed: str) -> None:
    with pytest.raises(Mistake, match=rf"^--since {re.escape(typed)}: give a date \(2026-11-22\), a time"):
        time_since("--since", typed)


# -- the command ----------------------------------------------------------------------------------------


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.py"
    inventory.write_text('hosts = ["@local"]\n')
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "smtp_auth.cli", "history", f"--inventory={inventory}"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(words, cwd=root, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")


ROOT = Path(__file__).resolve().parents[2]

HISTORY = (sys.executable, "-m", "smtp_auth.cli", "history")


@pytest.fixture
def this_machine(tmp_path: Path) -> str:
    inventory = tmp_path / "inventory.py"
    inventory.write_text('hosts = ["@local"]\n')
    return f"--inventory={inventory}"


def _run(*words: str, stdout: IO[str] | int = subprocess.PIPE) -> tuple[int, str, str]:
    done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout, without_progress(done.stderr)


@pytest.mark.parametrize(
    ("words", "what"), [((), "the output cannot be written"), (("--json", "-"), "--json -")]
)
def test_a_full_disk_is_one_sentence(this_machine: str, words: tuple[str, ...], what: str) -> None:
    with Path("/dev/full").open("w") as full:
        status, _, complained = _run(*HISTORY, this_machine, *words, stdout=full)
    assert (status, complained) == (1, f"{what}: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_a_closed_stream_is_no_error(this_machine: str, closed: str) -> None:
    found = _run("/bin/sh", "-c", f'exec "$@" {closed}', "sh", *HISTORY, this_machine)
    assert found == (0, "" if closed == ">&-" else "no change is on record\n", "")


def test_an_interrupted_prompt_leaves_the_terminal_as_it_was() -> None:
    program = (
        "import getpass, sys\n"
        "from smtp_auth import cli\n"
        "cli.COMMANDS = (cli.Command('ask', 'ask', lambda _: None, lambda _: getpass.getpass('sudo: ')),)\n"
        "sys.argv[1:] = ['ask']\n"
        "cli.main()\n"
    )
    with in_a_terminal([sys.executable, "-c", program], ROOT) as terminal:
        terminal.wait_for("sudo: ")
        terminal.type(CTRL_C)
        assert terminal.process.wait(60) == 130
        assert termios.tcgetattr(terminal.descriptor)[3] & termios.ECHO
