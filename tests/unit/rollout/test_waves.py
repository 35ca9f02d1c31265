"""Which hosts are changed together."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.rollout.waves import DEFAULT, check_waves, most_failures, waves

TEN = [f"host{number}" for number in range(10)]

_NAMES = st.sampled_from(TEN)
_STEPS = st.lists(
    st.one_of(st.integers(0, 30).map(str), st.integers(0, 100).map(lambda share: f"{share}%")), max_size=4
)
_DOMAINS = st.dictionaries(_NAMES, st.lists(st.sampled_from(["example.jp", "example.org", "example.com"])))


def sizes(count: int, text: str = DEFAULT, first: int = 0) -> list[int]:
    names = [f"host{number}" for number in range(count)]
    return [len(wave) for wave in waves(names, text, names[:first], {})]


@pytest.mark.parametrize(
    ("count", "text", "expected"),
    [
        (0, DEFAULT, []),
        (1, DEFAULT, [1]),
        (10, DEFAULT, [1, 9]),
        # 10 % of 11 is 1.1.
        (11, DEFAULT, [1, 1, 9]),
        (200, DEFAULT, [1, 19, 180]),
        (200, " 5, 50% ,100%", [5, 95, 100]),
        (10, "50%,2,100%", [5, 5]),
        (3, "5,100%", [3]),
        (10_000, "1%,100%", [100, 9900]),
    ],
)
def test_steps_count_from_the_beginning(count: int, text: str, expected: list[int]) -> None:
    check_waves(text)
    assert sizes(count, text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "1,50%", "100%,1", "1,,100%", "1%,101%,100%", "-1,100%", "1.5,100%"]
)
def test_other_steps_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"give numbers of hosts|must be 100%"):
        check_waves(text)


def test_canaries_are_the_first_wave_even_if_they_are_more() -> None:
    assert waves(TEN, DEFAULT, ["host7", "host3", "host7"], {})[0] == ["host7", "host3"]
    assert sizes(10, "1,2,100%", first=4) == [4, 6]


def test_a_canary_that_would_not_be_changed_is_none() -> None:
    assert waves(["a", "b"], DEFAULT, ["c"], {}) == [["a"], ["b"]]


def test_a_wave_with_all_hosts_of_a_domain_is_two() -> None:
    domains = {"a": ["example.jp"], "b": ["example.jp"], "c": ["example.org"]}
    assert waves(["a", "b", "c"], "100%", [], domains) == [["a", "c"], ["b"]]


def test_a_host_of_the_domain_that_is_not_changed_serves_it_meanwhile() -> None:
    domains = {"a": ["example.jp"], "b": ["example.jp"], "idle": ["example.jp"]}
    assert waves(["a", "b"], "100%", [], domains) == [["a", "b"]]


@given(st.lists(_NAMES, unique=True), _STEPS, st.lists(_NAMES), _DOMAINS)
def test_every_host_is_in_one_wave_and_no_domain_in_one_alone(
    names: list[str], steps: list[str], first: list[str], domains: Mapping[str, list[str]]
) -> None:
    found = waves(names, ",".join([*steps, "100%"]), first, domains)
    assert sorted(name for wave in found for name in wave) == sorted(names)
    assert all(found)
    for domain in {one for ones in domains.values() for one in ones}:
        hosts = {name for name, ones in domains.items() if domain in ones}
        assert len(hosts) == 1 or not any(hosts <= {*wave} for wave in found)


@given(st.lists(_NAMES, unique=True), _STEPS, st.lists(_NAMES))
def test_canaries_first_and_the_others_in_their_order(
    names: list[str], steps: list[str], first: list[str]
) -> None:
    found = [name for wave in waves(names, ",".join([*steps, "100%"]), first, {}) for name in wave]
    canaries = [name for name in dict.fromkeys(first) if name in names]
    assert found == [*canaries, *(name for name in names if name not in canaries)]


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("3", 3), ("5%", 9), ("0%", 0), ("100%", 199), (" 1 ", 1)]
)
def test_a_share_of_failures_is_rounded_down(text: str, expected: int) -> None:
    assert most_failures(text, 199) == expected


@pytest.mark.parametrize("text", ["", "-1", "101%", "1.5", "two"])
def test_another_number_of_failures_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give a number of hosts"):
        most_failures(text, 199)
