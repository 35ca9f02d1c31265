"""`smtp-auth history` in a terminal, and where there is none, with stand-ins for the hosts."""

import json
from pathlib import Path

import pytest

from tests.terminal import CTRL_C, without_progress
from tests.unit import past_fleets
from tests.unit.test_in_a_terminal import Fleet, is_left_as_it_was

ID, SECOND = past_fleets.FIRST, past_fleets.SECOND
NAMES = ("stock1.example.jp", "done1.example.jp", "last1.example.jp", "gone1.example.jp")
ZONE = {"TZ": "CET-1"}


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    for name in ("NO_COLOR", "TERM", "LANG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    fleet = Fleet(tmp_path, ZONE)
    fleet.has(*NAMES)
    return fleet


def _complaint(fleet: Fleet, *words: str) -> str:
    """What is said of a wrong command line, before any result."""
    done = fleet.run("history", *words)
    assert (done.returncode, done.stdout) == (2, "")
    return without_progress(done.stderr)


def test_a_terminal_shows_rows_that_fit_it(fleet: Fleet) -> None:
    with fleet.typed("history") as terminal:
        assert terminal.status() == 1
        is_left_as_it_was(terminal, ID, SECOND, "done1.example.jp and last1.example.jp,")
        begin = [line for line in terminal.lines() if not line.startswith("    ")]
        assert begin == [
            f"2026-11-22 11:00:02 +01:00  live  {SECOND} on last1.example.jp,",
            f"2026-11-22 11:00:01 +01:00  live  {ID} on done1.example.jp",
            "gone1.example.jp: not reached: no connection was made within 120 seconds",
        ]


def test_a_file_has_a_row_on_a_line(fleet: Fleet) -> None:
    done = fleet.run("history")
    assert (done.returncode, without_progress(done.stderr)) == (1, "")
    _, row, trouble = done.stdout.splitlines()
    assert row.startswith(
        f"2026-11-22 11:00:01 +01:00  live  {ID} on done1.example.jp and last1.example.jp, by "
    )
    assert trouble.startswith("gone1.example.jp: ")


def test_interrupted_while_hosts_are_asked(fleet: Fleet) -> None:
    fleet.holds("read stock1.example.jp")
    with fleet.typed("history") as terminal:
        terminal.wait_for("asked 3 of 4 hosts (1 not read, 2 read); under way: stock1.example.jp ")
        terminal.type(CTRL_C)
        assert terminal.status() == 130
        is_left_as_it_was(terminal, "Interrupted: no change is under way.")
    assert len(terminal.lines()) == 1


@pytest.mark.parametrize("word", [ID, "2026-11-22T10:00:01", "01Z-3f2a"])
def test_a_part_of_an_id_shows_the_run(fleet: Fleet, word: str) -> None:
    done = fleet.run("history", "--show", word)
    title, hosts, *_ = done.stdout.splitlines()
    assert title.startswith(f"{ID}, 2026-11-22 11:00:01 +01:00: SMTP TLS; ")
    assert hosts == "done1.example.jp and last1.example.jp: live, by admin@controller as root"
    assert "    +smtpd_tls_auth_only = yes" in done.stdout.splitlines()
    assert done.returncode == 1


def test_an_unknown_id_names_the_runs_and_what_could_not_be_read(fleet: Fleet) -> None:
    unread, sentence, *runs = _complaint(fleet, "--show", "ffff").splitlines()
    assert unread.startswith("gone1.example.jp: not reached: ")
    assert sentence == (
        "--show ffff: no run on record has an ID that begins or ends with this; on record are:"
    )
    assert runs == [
        f"    {run_id}  2026-11-22 11:00:0{second} +01:00, by admin@controller as root"
        for run_id, second in ((SECOND, 2), (ID, 1))
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--host", "done2.example.jp"],
            "--host done2.example.jp: this is none of the hosts that are asked (",
        ),
        (["--since", "soon"], "--since soon: give a date (2026-11-22), "),
        (["--show", ID, "--since", "7d"], "--show shows one run, on all its hosts: give it without --since "),
        (["--show", ID, "--host", NAMES[0]], "--show shows one run, on all its hosts: give it without "),
        (["--json", "no-folder/file"], "--json no-folder/file: there is no such folder"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_host_is_asked(
    fleet: Fleet, words: list[str], sentence: str
) -> None:
    # None would ever answer.
    for name in NAMES:
        fleet.holds(f"read {name}")
    complained = _complaint(fleet, *words)
    assert complained.startswith(sentence)
    assert complained.count("\n") == 1


def test_json_without_a_file_is_a_mistake_that_says_so(fleet: Fleet) -> None:
    complained = _complaint(fleet, "--json")
    assert "[--json FILE]" in complained
    assert complained.endswith("smtp-auth history: error: argument --json: expected one argument\n")


def test_json_goes_to_a_file_beside_the_table_or_to_standard_output_alone(fleet: Fleet) -> None:
    table = fleet.run("history").stdout
    both = fleet.run("history", "--json", "found.json")
    assert both.stdout == table
    text = (fleet.folder / "found.json").read_text()
    assert fleet.run("history", "--json", "-").stdout == text
    found = json.loads(text)
    assert (found["version"], [*found["hosts"]]) == (1, [*NAMES])
    assert found["hosts"]["done1.example.jp"]["changes"][0]["id"] == ID
    assert "edits" not in found["hosts"]["done1.example.jp"]["changes"][0]
    shown = json.loads(fleet.run("history", "--json", "-", "--show", ID).stdout)["hosts"]
    assert shown["done1.example.jp"]["changes"][0]["edits"]
    assert shown["stock1.example.jp"]["changes"] == []


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["--since", "2026-11-22T11:00:01"], 3),
        (["--since", "2026-11-22T11:00:02"], 1),
        (["--since", "2026-11-22T11:00:03"], 0),
        (["--host", "done1.example.jp"], 2),
        (["--host", "stock1.example.jp"], 0),
        (["--host", "stock1.example.jp", "--host", "last1.example.jp", "--since", "2026-11-22"], 3),
    ],
)
def test_only_a_part_is_wanted(fleet: Fleet, words: list[str], changes: int) -> None:
    hosts = json.loads(fleet.run("history", "--json", "-", *words).stdout)["hosts"]
    assert sum(len(host["changes"]) for host in hosts.values()) == changes
    # All were asked.
    assert hosts["gone1.example.jp"]["error"]
    printed = fleet.run("history", *words).stdout
    assert printed.startswith("no such change is on record\n") == (changes == 0)


def test_the_status_is_0_if_all_were_read(fleet: Fleet) -> None:
    fleet.has("done1.example.jp", "stock1.example.jp")
    assert fleet.run("history").returncode == 0
