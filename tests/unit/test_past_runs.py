"""The runs on record, and which of them a word means."""

from dataclasses import replace
from functools import cache

import pytest

from smtp_auth.facts.record import PastChange, Record
from smtp_auth.local_time import local_time
from smtp_auth.past.runs import NoSuchRun, PastRun, past_runs, run_called
from smtp_auth.runs.mistakes import Mistake, sentence_of
from tests.unit.past import deployed
from tests.unit.scenarios import stock, wanted


@cache
def _deployed() -> PastChange:
    return deployed(stock("3.10.5"), wanted())[1]


def _change(run_id: str, began: str, **others: str) -> PastChange:
    change = _deployed()
    return replace(change, manifest={**change.manifest, "id": run_id, "began": began, **others})


# The clock of the controller that made it was a year ahead.
AHEAD = _change("2027-11-01T10:00:00Z-aaaa", "2026-11-01T10:00:05Z")
LATER = _change(
    "2026-11-02T10:00:00Z-bbbb", "2026-11-02T10:00:05Z", controller="eve@laptop", outcome="refused"
)
RECORDS = {"b.example": Record((AHEAD, LATER)), "a.example": Record((AHEAD,)), "c.example": Record()}


def _run(run_id: str, began: str = "2026-11-01T10:00:00Z") -> PastRun:
    return PastRun(run_id, began, ("admin@controller as root",), ("SMTP TLS",), ("a.example",))


def test_the_newest_run_is_that_of_the_hosts_clocks() -> None:
    later, ahead = past_runs(RECORDS)
    assert (later.id, later.hosts, later.who) == (LATER.id, ("b.example",), ("eve@laptop as root",))
    assert (ahead.id, ahead.hosts, ahead.who) == (
        AHEAD.id,
        ("b.example", "a.example"),
        ("admin@controller as root",),
    )


def test_a_run_began_when_its_last_change_did() -> None:
    records = {
        name: Record((_change("x", f"2026-11-01T10:00:0{number}Z", about=about),))
        for name, number, about in (("a", 1, "SMTP TLS"), ("b", 3, "undo of x"), ("c", 2, "SMTP TLS"))
    }
    (run,) = past_runs(records)
    assert (run.began, run.about) == ("2026-11-01T10:00:03Z", ("SMTP TLS", "undo of x"))


def test_two_attempts_on_a_host_are_one_run() -> None:
    (run,) = past_runs({"a": Record((AHEAD, replace(AHEAD, attempt=2)))})
    assert (run.hosts, run.who) == (("a",), ("admin@controller as root",))


def test_a_text_that_is_no_time_makes_no_run_the_newest() -> None:
    odd = _change("odd", "zzz")
    assert [run.id for run in past_runs({"a": Record((odd, LATER)), "b": Record((odd,))})] == [
        LATER.id,
        "odd",
    ]


@pytest.mark.parametrize("word", [AHEAD.id, "2027", "2027-11-01T10:00:00Z", "aaaa", "Z-aaaa"])
def test_a_beginning_or_an_end_says_which_run(word: str) -> None:
    assert run_called(word, past_runs(RECORDS)).id == AHEAD.id


def test_a_whole_id_is_meant_even_if_another_begins_with_it() -> None:
    assert run_called("run", [_run("run-2"), _run("run")]).id == "run"


@pytest.mark.parametrize("word", ["cccc", "11-02", ""])
def test_what_is_in_no_place_of_an_id_is_an_error_with_a_line_for_each_run(word: str) -> None:
    with pytest.raises(NoSuchRun) as error:
        run_called(word, past_runs(RECORDS))
    assert str(error.value).splitlines() == [
        "no run on record has an ID that begins or ends with this; on record are:",
        f"    {LATER.id}  {local_time(LATER.began)}, by eve@laptop as root",
        f"    {AHEAD.id}  {local_time(AHEAD.began)}, by admin@controller as root",
    ]


def test_what_may_be_several_runs_names_these_alone() -> None:
    with pytest.raises(NoSuchRun) as error:
        run_called("2026", [_run("2026-a"), _run("2027-b"), _run("2026-c")])
    sentence, *told = str(error.value).splitlines()
    assert sentence == "2 runs on record have an ID that begins or ends with this:"
    assert [line.split()[0] for line in told] == ["2026-a", "2026-c"]


def test_of_many_runs_some_are_named() -> None:
    with pytest.raises(NoSuchRun) as error:
        run_called("nothing", [_run(f"run-{number}") for number in range(20)])
    *_, last, more = str(error.value).splitlines()
    assert last.startswith("    run-4  ")
    assert more == "    15 more"


def test_on_one_line_it_is_a_sentence() -> None:
    with pytest.raises(NoSuchRun) as error:
        run_called("x", [_run("a"), _run("b")])
    told = f"{local_time(_run('a').began)}, by admin@controller as root"
    assert sentence_of(Mistake(f"undo_to = x: {error.value}")) == (
        "undo_to = x: no run on record has an ID that begins or ends with this; on record are: "
        f"a  {told}; b  {told}"
    )


def test_without_a_run_it_is_said_that_there_is_none() -> None:
    with pytest.raises(NoSuchRun, match=r"^no change is on record$"):
        run_called("cccc", past_runs({"c.example": Record()}))
    with pytest.raises(NoSuchRun, match=r"^no change is on record \(2 hosts could not be read\)$"):
        run_called("cccc", [], unread=2)


def test_what_a_record_says_is_escaped() -> None:
    hostile = replace(_run("a"), id="a\x1b[2J", began="\x07", who=("\x1b]0;\n",))
    with pytest.raises(NoSuchRun) as error:
        run_called("b\x1b", [hostile])
    sentence, line = str(error.value).split("\n")
    assert sentence.isprintable()
    assert line.isprintable()
