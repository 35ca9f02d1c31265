"""The plan of a rollout as a file."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.facts.decode import in_bytes
from smtp_auth.facts.hold import Hold
from smtp_auth.facts.look import LastChange
from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.local_time import in_utc
from smtp_auth.plan.text import Block
from smtp_auth.rollout.plan_file import PlannedHost, RolloutPlan, lines, plan_in, read
from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown
from tests.unit.rollout.plans import RUN, plan_of

_TEXT = st.text()
# What hosts say.
_SAID = _TEXT.map(in_bytes)
_LINE = _TEXT.map(shown)
_BLOCKS = st.lists(st.builds(Block, _LINE, st.lists(_LINE).map(tuple)), max_size=2).map(tuple)
_ZONES = st.sampled_from(["tokyo", "dc-2", "A.b_c"])
_HOLDS = st.builds(Hold, _TEXT, _TEXT, _TEXT, _TEXT)
_CHANGES = st.builds(LastChange, _TEXT, _SAID, _TEXT, st.lists(_TEXT, max_size=2).map(tuple))


@st.composite
def _found(draw: st.DrawFn) -> HostPlan:
    said = st.lists(_SAID, max_size=2).map(tuple)
    found = HostPlan(
        draw(st.sampled_from(State)),
        draw(said),
        draw(said),
        hold_warning=draw(_TEXT),
        last_change=draw(st.none() | _CHANGES),
        names=draw(st.lists(_TEXT, max_size=2).map(tuple)),
        hold=draw(st.none() | _HOLDS),
    )
    if not draw(st.booleans()):
        return found
    return replace(
        found,
        digest=draw(st.text("0123456789abcdef", min_size=1)),
        blocks=draw(_BLOCKS),
        proof_due=draw(_TEXT),
    )


_PLANS = st.builds(
    RolloutPlan,
    st.just(RUN),
    st.datetimes(datetime(2026, 1, 1), timezones=st.just(UTC)).map(in_utc),
    _TEXT,
    _TEXT,
    _TEXT,
    st.integers(0),
    st.dictionaries(
        _TEXT,
        st.builds(
            PlannedHost, _found(), st.none() | st.integers(1, 2**31 - 1), st.none() | _ZONES, st.booleans()
        ),
        max_size=4,
    ),
)


def text_of(plan: RolloutPlan) -> str:
    return "".join(f"{line}\n" for line in lines(plan))


def content(text: str) -> object:
    """What a text in JSON means; `None` if it is not in JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


@given(_PLANS)
def test_what_is_written_is_read(plan: RolloutPlan) -> None:
    assert plan_in(text_of(plan)) == plan
    # The order is that of the inventory.
    assert [*plan_in(text_of(plan)).hosts] == [*plan.hosts]


@given(_PLANS)
def test_the_identity_is_that_of_what_is_done(plan: RolloutPlan) -> None:
    assert plan_in(text_of(plan)).identity == plan.identity
    assert plan.without_lines().identity == plan.after({*plan.hosts}).identity == plan.identity


@pytest.mark.parametrize(
    "other",
    [
        lambda plan: replace(plan, run=f"{RUN}0"),
        lambda plan: replace(plan, most_failures=1),
        lambda plan: plan_of([(1, None), (1, None)]),
        lambda plan: plan_of([(1, None), (2, "tokyo")]),
        lambda plan: plan_of([(1, None)]),
    ],
)
def test_another_plan_has_another_identity(other: Callable[[RolloutPlan], RolloutPlan]) -> None:
    plan = plan_of([(1, None), (2, None)])
    assert other(plan).identity != plan.identity


def test_a_stored_plan_has_nothing_of_the_hosts_files() -> None:
    block = Block("/etc/postfix/main.cf", ("-a = b", "+a = c"))
    found = HostPlan(State.PENDING, ("a reason",), ("be warned",), blocks=(block,), digest="1")
    plan = replace(plan_of([]), hosts={"a": PlannedHost(found, 1, "tokyo")})
    text = text_of(plan.without_lines())
    assert not any(word in text for word in ("main.cf", "a = b", "a reason", "be warned"))


def test_equal_plans_are_in_the_file_once() -> None:
    block = Block("/etc/postfix/main.cf", ("+a = c",))
    one = PlannedHost(HostPlan(State.PENDING, blocks=(block,), digest="1"), 1, None)
    text = text_of(replace(plan_of([]), hosts={"a": one, "b": one}))
    assert text.count("+a = c") == 1


@given(_PLANS, st.data())
def test_a_file_that_was_cut_off_or_edited_is_refused(plan: RolloutPlan, data: st.DataObject) -> None:
    text = text_of(plan)
    place = data.draw(st.integers(0, len(text) - 2))
    for other in (
        text[:place],
        text[:place] + data.draw(st.text(min_size=1, max_size=2)) + text[place + 1 :],
    ):
        # White space, for example, may be another.
        if content(other) != content(text):
            with pytest.raises(ValueError, match="plan"):
                plan_in(other)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "1", '"checksum"', "[" * 10_000, '{"hosts": {}}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan"
    file.write_text(text)
    with pytest.raises(Mistake) as raised:
        read("--plan", str(file))
    assert str(raised.value) == f"--plan {file}: this is no plan of smtp-auth plan --out"


def test_a_plan_of_another_version_is_refused() -> None:
    text = text_of(plan_of([(1, None)])).replace('"version": 1', '"version": 2')
    with pytest.raises(ValueError, match="a plan of version 2, and this program reads 1"):
        plan_in(text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan"
    with pytest.raises(Mistake, match="No such file or directory"):
        read("--plan", str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(Mistake, match="it is not UTF-8"):
        read("--plan", str(file))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(60, ""), (-60, ""), (7200, "longer ago than --max-age allows"), (-7200, "in the future")],
)
def test_a_plan_gets_old(seconds: int, said: str) -> None:
    plan = replace(plan_of([]), made=in_utc(datetime.now(UTC) - timedelta(seconds=seconds)))
    if not said:
        plan.refuse_old(3600, "--plan", "plan")
        return
    with pytest.raises(Mistake, match=said):
        plan.refuse_old(3600, "--plan", "plan")


def test_a_plan_must_not_be_old_when_it_begins() -> None:
    plan = replace(plan_of([]), made=in_utc(datetime.now(UTC)))
    plan.refuse_old(3600, "--plan", "plan", datetime.now(UTC) + timedelta(minutes=30))
    with pytest.raises(Mistake, match="longer before --at than --max-age allows"):
        plan.refuse_old(3600, "--plan", "plan", datetime.now(UTC) + timedelta(hours=2))


def _with_checksum(found: dict[str, Any]) -> str:
    """A plan with a right checksum, whatever is in it: whoever may write the file may write that, too."""
    del found["checksum"]
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    return json.dumps({**found, "checksum": digest})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run", "../../etc"),
        ("run", f"{RUN}; reboot"),
        ("run", 1),
        ("taken_back_by", "-e"),
        ("made", "2026-11-22"),
        ("made", 20261122),
        ("max_failures", "0"),
        ("max_failures", -1),
        ("controller", None),
    ],
)
def test_a_value_that_is_never_written_is_refused(key: str, value: object) -> None:
    """IDs become arguments and paths on hosts."""
    found = json.loads(text_of(plan_of([(1, None)])))
    with pytest.raises(ValueError, match="this is no plan"):
        plan_in(_with_checksum({**found, key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("wave", "1"),
        ("wave", 0),
        ("wave", True),
        ("wave", 1 << 31),
        ("zone", 3),
        ("zone", "\ud900"),
        ("zone", "to\0kyo"),
        ("zone", "-e"),
        ("state", "well"),
        ("plan", 7),
        ("reasons", ["half a character: \ud900"]),
        ("done", 1),
        ("digest", 5),
        ("reasons", [7]),
        ("hold", {"who": "admin", "when": -1, "why": "a migration", "until": None}),
    ],
)
def test_a_value_of_a_host_that_is_never_written_is_refused(key: str, value: object) -> None:
    found = json.loads(text_of(plan_of([(1, None)])))
    found["hosts"] = {name: {**one, key: value} for name, one in found["hosts"].items()}
    with pytest.raises(ValueError, match="this is no plan"):
        plan_in(_with_checksum(found))


@pytest.mark.parametrize(
    ("path", "line"), [("/etc/\x1b[2J", "+a"), ("/etc/a", "+a\x1b[1A"), ("/etc/a", "+a\n")]
)
def test_a_line_on_which_a_terminal_acts_is_refused(path: str, line: str) -> None:
    plan = plan_of([(1, None)])
    name, one = next(iter(plan.hosts.items()))
    found = replace(one.found, digest="0123", blocks=(Block(path, (line,)),))
    with pytest.raises(ValueError, match="this is no plan"):
        plan_in(text_of(replace(plan, hosts={name: replace(one, found=found)})))


def test_a_plan_that_is_nested_too_deep_is_refused() -> None:
    """At some depth it can be read, but not written."""
    for depth in range(900, 1100):
        with pytest.raises(ValueError, match="plan"):
            plan_in(f'{{"version": 1, "checksum": "x", "a": {"[" * depth}{"]" * depth}}}')
