"""Lines and progress, on a terminal and in a file."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from smtp_auth.fleet import progress
from smtp_auth.fleet.console import EMPTY, Line, Style, show, wrapped
from smtp_auth.fleet.outcomes import Applied, result_lines
from smtp_auth.fleet.progress import Progress
from smtp_auth.fleet.text import titled, took_line
from smtp_auth.runs.outcome import Outcome
from tests.terminal import Row, Screen, a_screen

REASON = "port 465 is held by another program than Postfix (ss -ltnp shows which): stop that first"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def on_a_terminal(lines: Iterable[Line], columns: int = 80) -> Screen:
    """A terminal that has shown these lines."""
    with a_screen(columns) as (screen, stream):
        show(lines, stream)
        stream.close()
        while screen.read():
            pass
        return screen


WORDS = st.lists(st.text(st.sampled_from("ab.-メ"), min_size=1, max_size=30), min_size=1, max_size=30)


@given(WORDS, st.integers(20, 130), st.integers(0, 8), st.integers(0, 8))
def test_a_line_is_torn_at_spaces_alone_and_fits(
    words: list[str], width: int, indent: int, under: int
) -> None:
    pieces = [*wrapped(" " * indent + " ".join(words), width, under)]
    assert " ".join(pieces).split() == words
    for piece, margin in zip(pieces, [indent, *[under] * (len(pieces) - 1)], strict=True):
        assert piece.startswith(" " * margin)
        assert cell_len(piece) <= width or len(piece.split()) == 1


def test_a_long_reason_goes_on_under_its_host() -> None:
    line = Line(f"mail1.example.jp: refused: {REASON}", under=4)
    assert on_a_terminal([line]).lines() == [
        "mail1.example.jp: refused: port 465 is held by another program than Postfix (ss",
        "    -ltnp shows which): stop that first",
    ]
    assert on_a_terminal([line], 130).lines() == [line.text]


@pytest.mark.parametrize("columns", [80, 130])
def test_a_line_of_a_file_with_tabs_is_torn_at_spaces_too(columns: int) -> None:
    line = Line("    +" + "\tpermit_mynetworks,\treject_unauth_destination" * 4, Style.ADDED, 6)
    lines = on_a_terminal([line], columns).lines()
    assert " ".join(lines).split() == line.text.split()


def test_styles_are_those_of_the_lines() -> None:
    lines = [Line(style.name, style) for style in Style]
    assert on_a_terminal(lines).rows() == [Row(style.name, style.value) for style in Style]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_there_are_no_colours_where_nobody_wants_them(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    screen = on_a_terminal([Line("refused", Style.TROUBLE), Line("x " * 60)])
    assert b"\x1b" not in screen.written
    assert screen.lines()[0] == "refused"
    assert len(screen.lines()) == 3


def test_in_a_file_a_line_is_one_line_without_colours(tmp_path: Path) -> None:
    lines = [Line("\t" + "x " * 200, Style.ADDED, 4), EMPTY, Line("メール")]
    with (tmp_path / "file").open("w") as file:
        show(lines, file)
    assert (tmp_path / "file").read_text() == "".join(f"{line.text}\n" for line in lines)


def test_a_name_of_a_host_tears_no_line_and_does_nothing_to_a_terminal() -> None:
    odd = "mail1\n\x1b[2J"
    for line in (
        titled("refused", [odd]),
        took_line(odd, ()),
        *result_lines({odd: Applied(Outcome.FAILED)}),
    ):
        assert line.text.isprintable(), line
    assert titled("refused", ["メール.example.jp"]).text == "refused: メール.example.jp"


def test_a_reason_that_was_said_is_not_said_again() -> None:
    found = {name: Applied(Outcome.REFUSED, (REASON,)) for name in ("mail1", "mail2")}
    first, second, _ = (line.text for line in result_lines(found, {"mail1"}))
    assert (first, second) == ("mail1: refused, see above", f"mail2: refused: {REASON}")


# -- progress -----------------------------------------------------------------------------------------


def _draw(until: Callable[[], bool]) -> None:
    """Let it be drawn."""
    while not until():
        gevent.sleep(0)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_ON_TERMINAL", 0)
    monkeypatch.setattr(progress, "_FIRST_IN_FILE", 0)
    monkeypatch.setattr(progress, "_IN_FILE", 0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 100.0))


@pytest.mark.usefixtures("at_once")
def test_on_a_terminal_it_is_in_place_and_gone_at_the_end() -> None:
    with a_screen(80) as (screen, stream):

        def shows(text: str) -> Callable[[], bool]:
            return lambda: screen.read() and screen.lines()[-1:] == [text]

        with Progress("asked", 5, stream) as shown:
            for name in "abcde":
                shown.begins(name)
            _draw(shows("asked 0 of 5 hosts; under way: a 0 s, b 0 s, c 0 s and 2 more"))
            # Also if it is stopped at this moment.
            assert screen.is_as_before()
            shown.ends("a", "pending")
            shown.ends("b", "refused", [Line(REASON, Style.TROUBLE)])
            _draw(shows("asked 2 of 5 hosts (1 pending, 1 refused); under way: c 0 s, d 0 s, e 0 s"))
            # What is said is above it, and it is one row.
            assert len(screen.lines()) == 3
            assert screen.rows()[0].style == "bold red"
        show([Line("done")], stream)
        _draw(shows("done"))
        assert [*screen.lines()[-1:], len(screen.lines())] == ["done", 3]
        assert screen.is_as_before()


@pytest.mark.usefixtures("at_once")
def test_in_a_file_it_is_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("w") as stream, Progress("applied", 2, stream) as shown:
        shown.begins("mail1")
        shown.begins("mail2")
        _draw(lambda: "mail2 0 s\n" in file.read_text())
        shown.ends("mail1", "changed", [Line("mail1: changed")])
        _draw(lambda: file.read_text().endswith("(1 changed); under way: mail2 0 s\n"))
    first, *_, last = dict.fromkeys(file.read_text().splitlines())
    assert first == "applied 0 of 2 hosts; under way: mail1 0 s, mail2 0 s"
    assert "mail1: changed" in file.read_text().splitlines()
    assert last == "applied 1 of 2 hosts (1 changed); under way: mail2 0 s"
    assert "\x1b" not in file.read_text()


@pytest.mark.usefixtures("at_once")
def test_on_a_dumb_terminal_it_is_line_by_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with a_screen(80) as (screen, stream), Progress("asked", 1, stream) as shown:
        shown.begins("mail1")
        _draw(lambda: screen.read() and screen.shown.count("under way: mail1 0 s\n") > 2)
        assert b"\x1b" not in screen.written


@pytest.mark.usefixtures("at_once")
def test_work_goes_on_if_its_progress_cannot_be_written() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as pipe, Path("/dev/full").open("w") as full:
        os.close(reader)
        for stream in (pipe, full):
            with Progress("asked", 1, stream) as shown:
                shown.begins("mail1")
                for _ in range(3):
                    gevent.sleep(0)
                shown.ends("mail1", "pending", [Line("mail1")])
                shown.say_text("Interrupted")
                # Nothing is left that could be written when they are closed.
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
