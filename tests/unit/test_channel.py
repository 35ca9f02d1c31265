"""Commands over pyinfra's connection: what they print, and when there is no answer."""

from typing import Any

import pytest
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.exceptions import ConnectError

from smtp_auth.on_host.channel import Limits, NoAnswer
from smtp_auth.runs.channel import channel_to, connect_again

LIMITS = Limits(seconds=20, octets=1000)


def this_machine(**data: Any) -> Host:
    inventory = Inventory((["@local"], data))
    State(inventory, Config())
    host: Host = inventory.get_host("@local")
    return host


def test_a_command_reads_its_program_and_its_output_and_complaints_are_apart() -> None:
    answer = channel_to(this_machine())("sh -s a", "echo \"$1 'b'\"\necho c >&2\nexit 1\n", LIMITS)
    assert (answer.lines, answer.complaints) == (("a 'b'",), ("c",))


def test_a_command_runs_as_the_hosts_data_says() -> None:
    answer = channel_to(this_machine(_env={"KEY": "value"}))("sh -s", 'echo "$KEY"', LIMITS)
    assert answer.lines == ("value",)


def test_an_operations_arguments_win() -> None:
    channel = channel_to(this_machine(_env={"KEY": "value"}), {"_env": {"KEY": "other"}})
    assert channel("sh -s", 'echo "$KEY"', LIMITS).lines == ("other",)


@pytest.mark.parametrize(("data", "seconds"), [({}, 0.2), ({"_timeout": 0.1}, 20)])
def test_a_deadline_is_kept(data: dict[str, float], seconds: float) -> None:
    with pytest.raises(NoAnswer, match=r"no complete answer within 0\.[12] seconds"):
        channel_to(this_machine(**data))("sh -s", "sleep 2", Limits(seconds=seconds))


def test_too_large_an_answer_is_none() -> None:
    with pytest.raises(NoAnswer, match="at most 1000 are read"):
        channel_to(this_machine())("sh -s", "seq 1000", LIMITS)


@pytest.mark.parametrize("error", [OSError("reset"), TimeoutError(110, "reset"), EOFError()])
def test_a_lost_connection_is_no_answer(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    host = this_machine()

    def lose(*_words: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(host, "run_shell_command", lose)
    with pytest.raises(NoAnswer, match=r"the connection was lost: (.*reset|EOFError)"):
        channel_to(host)("true", "", LIMITS)


def test_a_host_that_is_not_reached_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    host = this_machine()

    def refuse() -> None:
        raise ConnectError("timed out")

    monkeypatch.setattr(host.connector, "connect", refuse)
    with pytest.raises(NoAnswer, match=r"^not reached: timed out$"):
        channel_to(host)("true", "", LIMITS)
    host.connected = True
    with pytest.raises(NoAnswer, match=r"^timed out$"):
        connect_again(host, "to try")
