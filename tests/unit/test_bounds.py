"""What one host may cost: seconds, silence, bytes; and that no exception of a connection ends a run."""

import time
from collections.abc import Callable

import gevent
import pytest
from paramiko import SSHException
from pyinfra.api.exceptions import ConnectError

from smtp_auth.on_host.channel import A_LINE, Limits, NoAnswer
from smtp_auth.runs import bounds
from smtp_auth.runs.bounds import Reading, TooLate, TooMuch, Wire, bound_connections, wire_of, within
from smtp_auth.runs.channel import channel_to, connect_again
from tests.unit.test_channel import this_machine


@pytest.mark.parametrize(
    "pieces",
    [
        [b"one\n\ntwo\nthr\xffee"],
        [b"one", b"\n\nt", b"wo", b"\n", b"thr", b"\xff", b"ee"],
        [b"one\n\ntwo\nthr\xffee"[i : i + 1] for i in range(16)],
    ],
)
def test_lines_are_the_same_however_they_arrive(pieces: list[bytes]) -> None:
    assert [*Reading(Wire(), 10_000).lines(pieces)] == ["one", "", "two", "thr\\xffee"]


@pytest.mark.parametrize(
    ("piece", "count"), [(b"x" * 100, 10_000 // 100), (b"\n" * 10, 10_000 // (10 * (A_LINE + 1)))]
)
def test_no_more_is_read_than_may_be(piece: bytes, count: int) -> None:
    wire, read = Wire(), []

    def pieces() -> object:
        while True:
            read.append(piece)
            yield piece

    list(Reading(wire, 10_000).lines(pieces()))  # type: ignore[arg-type]
    assert wire.is_over.is_set()
    assert len(read) == count + 1


def test_answers_at_the_same_time_count_together() -> None:
    wire = Wire()
    first, second = Reading(wire, 1000), Reading(wire, 1000)
    list(first.lines([b"x" * 600]))
    first.stop()
    list(second.lines([b"x" * 600]))
    assert not wire.is_over.is_set()
    list(Reading(wire, 1000).lines([b"x" * 600]))
    assert wire.is_over.is_set()


def test_what_comes_once_an_answer_was_given_up_is_not_read() -> None:
    """A process on this machine may go on to print, while the next command of the same host is answered."""
    wire = Wire()
    given_up = Reading(wire, 1000)
    lines = given_up.lines(iter([b"early\n", b"late\n"]))
    assert next(lines) == "early"
    given_up.stop()
    assert [*lines] == []
    assert (wire.is_over.is_set(), wire.unread) == (False, 0)


def test_a_wire_ends_when_more_arrives_than_is_asked_for() -> None:
    wire = Wire()
    # What an operation of pyinfra's own reads.
    wire.take(1 << 30)
    with wire.allowing(1 << 20):
        wire.take(1 << 20)
        with pytest.raises(EOFError):
            wire.take(1 << 20)
    assert wire.is_over.is_set()
    wire.open_again()
    wire.take(1 << 10)


def _hang() -> None:
    gevent.sleep(60)


def test_what_is_late_is_ended() -> None:
    ended = []

    def work() -> None:
        try:
            gevent.sleep(60)
        finally:
            ended.append(True)

    with pytest.raises(TooLate) as late:
        within(Wire(), 0.1, 60, work)
    assert (late.value.seconds, late.value.is_silent, ended) == (0.1, False, [True])


def test_a_host_that_sends_nothing_is_late_before_its_answer_is() -> None:
    wire = Wire()
    wire.take(1)
    with pytest.raises(TooLate) as late:
        within(wire, 60, 0.1, _hang)
    assert (late.value.seconds, late.value.is_silent) == (0.1, True)


def test_a_host_that_sends_too_much_is_ended_at_once() -> None:
    wire = Wire()

    def work() -> None:
        wire.is_over.set()
        gevent.sleep(60)

    with pytest.raises(TooMuch):
        within(wire, 60, 60, work)


def test_time_in_which_this_process_stands_still_is_not_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "_STEP", 0.05)

    def work() -> str:
        # As while a password is typed: no other greenlet runs.
        time.sleep(0.5)
        return "answer"

    assert within(Wire(), 0.2, 60, work) == "answer"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SSHException("odd"), "SSH error (SSHException: odd)"),
        (IndexError("out of range"), "SSH error (IndexError: out of range)"),
        (EOFError(), "it closed the connection before it let anybody log in: 'ssh -v HOST' shows where"),
        (ConnectError("x" * 1000), "x" * 300 + "…"),
    ],
)
def test_whatever_is_raised_while_connecting_is_one_hosts(error: Exception, sentence: str) -> None:
    def fail() -> None:
        raise error

    host = this_machine()
    host.connector.connect = fail  # type: ignore[method-assign]
    bound_connections([host])
    with pytest.raises(ConnectError) as raised:
        host.connect(show_errors=False, raise_exceptions=True)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(("octets", "tries"), [(22, 4), (2000, 1)])
def test_a_connection_that_sshd_turns_away_is_made_again(
    monkeypatch: pytest.MonkeyPatch, octets: int, tries: int
) -> None:
    """It says a line at most then; whoever breaks off later is not asked again."""
    monkeypatch.setattr(bounds, "_PAUSES", (0.0, 0.0, 0.0))
    host = this_machine()
    tried: list[bool] = []

    def turned_away() -> None:
        tried.append(True)
        wire_of(host).take(octets)
        raise EOFError

    host.connector.connect = turned_away  # type: ignore[method-assign]
    bound_connections([host])
    with pytest.raises(ConnectError):
        host.connect(show_errors=False, raise_exceptions=True)
    assert len(tried) == tries


def test_connecting_has_the_hosts_deadline() -> None:
    host = this_machine(host_seconds=0.1)
    host.connector.connect = _hang  # type: ignore[method-assign]
    bound_connections([host])
    with pytest.raises(NoAnswer, match=r"not reached: no connection was made within 0\.1 seconds"):
        channel_to(host)("true", "", Limits())


FLOODS = {
    "on one line": "exec cat /dev/zero",
    "of lines": "exec yes",
    "of empty lines": "exec yes ''",
    "of complaints": "exec cat /dev/zero >&2",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_a_process_is_cut(flood: str) -> None:
    host = this_machine()
    ask: Callable[..., object] = channel_to(host)
    for _ in range(2):
        # The second time, the host is not asked.
        with pytest.raises(NoAnswer, match="the host printed more than the 100000 bytes that are read"):
            ask("sh -s", FLOODS[flood], Limits(octets=100_000))
    connect_again(host, "to try")
    assert channel_to(host)("echo a", "", Limits()).lines == ("a",)


def test_the_data_of_a_host_set_its_deadline() -> None:
    with pytest.raises(
        NoAnswer, match=r"no complete answer within 0\.1 seconds: .* set host_seconds to more"
    ):
        channel_to(this_machine(host_seconds=0.1))("sh -s", "sleep 5", Limits())
