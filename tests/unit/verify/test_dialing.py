"""A server that limits its clients is waited for, and never blamed; and what it ends is gone on with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock

import pytest

from smtp_auth.verify import dialing, outside
from smtp_auth.verify.conversation import BrokenOff, Limited, Reply
from smtp_auth.verify.target import Target, Unseen
from tests.unit.verify.test_conversation import answers

LIMITS = (
    "421 4.7.0 mail1.example.jp Error: too many connections from 198.18.0.1",
    "421 4.7.0 mail1.example.jp Error: too many new TLS sessions from 198.18.0.1",
    "450 4.7.1 Error: too many AUTH commands from 198.18.0.1",
    "450 4.7.1 Error: too much mail from 198.18.0.1",
    "421 4.7.0 Error: too many connections",
)

OTHERS = (
    "421 4.7.0 mail1.example.jp Error: too many errors",
    "450 4.7.1 <client>: Client host rejected: cannot find your hostname",
    "554 5.7.1 <client>: Relay access denied: too many connections there",
    "220 too many connections are welcome",
)


@pytest.mark.parametrize("reply", LIMITS)
def test_a_limit_is_no_reply(reply: str) -> None:
    with answers(f"{reply}\r\n".encode()) as conversation, pytest.raises(Limited):
        conversation.reply()


@pytest.mark.parametrize("reply", OTHERS)
def test_another_refusal_is_a_reply(reply: str) -> None:
    with answers(f"{reply}\r\n".encode()) as conversation:
        assert str(conversation.reply()) == reply


@pytest.mark.parametrize("limits", [0, 3])
def test_a_limit_is_waited_for(limits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(dialing.time, "sleep", asked.append)

    @dialing.patiently
    def observe(_target: Target) -> str:
        if len(asked) < limits:
            raise Limited("too many connections")
        return "seen"

    assert observe(MagicMock()) == "seen"
    assert len(asked) == limits


def test_a_limit_that_lasts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[float] = []
    monkeypatch.setattr(dialing.time, "sleep", passed.append)
    monkeypatch.setattr(dialing.time, "monotonic", lambda: sum(passed))

    @dialing.patiently
    def observe(_target: Target) -> str:
        raise Limited("421 too many connections")

    with pytest.raises(Unseen, match="421 too many connections") as raised:
        observe(MagicMock())
    # No other check has to report it.
    assert (raised.value.reported_by, raised.value.is_limit) == ("", True)
    # Postfix counts anew after a minute.
    assert sum(passed) > 60


class Talk:
    """A conversation that the server ends after so many refused recipients.

    + says: whether it says so
    + pipelines: whether it takes several commands at once
    """

    def __init__(self, most: int, *, says: bool, pipelines: bool) -> None:
        self._most, self._says, self._pipelines, self._refused = most, says, pipelines, 0
        self._sent: list[str] = []

    def hello(self) -> Reply:
        return Reply(250, ("mail1.example.jp", *(["PIPELINING"] if self._pipelines else [])))

    def send(self, data: bytes) -> None:
        assert self._pipelines
        self._sent += data.decode().splitlines()

    def reply(self) -> Reply:
        return self.command(self._sent.pop(0))

    def quit(self) -> None:
        pass

    def command(self, line: str) -> Reply:
        if self._refused >= self._most and not (self._says and line == "RSET"):
            if self._says and line.startswith("MAIL"):
                return Reply(421, ("Error: too many errors",))
            raise BrokenOff("the server closed the connection")
        if line.startswith("RCPT"):
            self._refused += 1
            return Reply(554, ("Relay access denied",))
        return Reply(250, ("Ok",))


def _replies(
    most: Sequence[int], *, says: bool = False, pipelines: bool = False
) -> tuple[dict[str, Reply], int]:
    begun: list[int] = []

    @contextmanager
    def session() -> Iterator[Any]:
        begun.append(1)
        yield Talk(most[min(len(begun), len(most)) - 1], says=says, pipelines=pipelines)

    target: Any = MagicMock()
    target.settings.mail_domain, target.settings.mail_hostname = "example.jp", "mail1.example.jp"
    target.settings.domains = ("example.jp",)
    return outside._relaying(target, session), len(begun)


@pytest.mark.parametrize("pipelines", [False, True])
@pytest.mark.parametrize("says", [False, True])
@pytest.mark.parametrize(("most", "conversations"), [([100], 1), ([1], 10), ([4], 3), ([9, 1], 2)])
def test_each_way_to_relay_is_tried(most: list[int], conversations: int, says: bool, pipelines: bool) -> None:
    replies, begun = _replies(most, says=says, pipelines=pipelines)
    assert len(replies) == 10
    assert {reply.code for reply in replies.values()} == {554}
    assert begun == conversations


def test_a_server_that_hears_no_way_is_told() -> None:
    with pytest.raises(BrokenOff):
        _replies([3, 0])
