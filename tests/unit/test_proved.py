"""What was proved on many hosts: the same proof is shown once, with its hosts and the time that it took."""

from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.runs.proved import proved_lines

PLAIN = "25: greeting, STARTTLS"


def live(*proved: str, seconds: float | None = 0.84) -> Ended:
    return Ended(ChangeOutcome.LIVE, (), proved, seconds)


def test_hosts_with_the_same_proof_are_together() -> None:
    ended = {f"mail{number}.example.jp": live(PLAIN, seconds=number / 4) for number in range(1, 5)}
    assert proved_lines(ended) == [
        "proved on 4 hosts (mail1.example.jp, mail2.example.jp and 2 more) in 0.2 to 1.0 s:",
        f"  {PLAIN}",
    ]


def test_two_hosts_are_named() -> None:
    names = ["a", "b", "c"]
    heads = [proved_lines(dict.fromkeys(names[:count], live(PLAIN)))[0] for count in (1, 2, 3)]
    assert heads == [
        "proved on a in 0.8 s:",
        "proved on a and b in 0.8 s:",
        "proved on 3 hosts (a, b and 1 more) in 0.8 s:",
    ]


def test_another_proof_is_another_group_in_the_order_of_the_hosts() -> None:
    ended = {"b": live(PLAIN), "a": live(PLAIN, "587: greeting"), "c": live(PLAIN)}
    assert proved_lines(ended) == [
        "proved on b and c in 0.8 s:",
        f"  {PLAIN}",
        "proved on a in 0.8 s:",
        f"  {PLAIN}",
        "  587: greeting",
    ]


def test_what_is_not_live_or_was_not_proved_has_no_line() -> None:
    assert proved_lines({"a": Ended(ChangeOutcome.PUT_BACK, ("it dies",), (PLAIN,), 1.0), "b": live()}) == []


def test_a_host_without_a_time_is_proved_all_the_same() -> None:
    assert proved_lines({"a": live(PLAIN, seconds=None)})[0] == "proved on a:"


def test_a_hosts_words_reach_no_terminal_as_they_are() -> None:
    assert proved_lines({"a": live("25: \x1b[2J")})[1] == "  25: \\x1b[2J"
