"""Which hosts are the first of a rollout, by what they would get."""

from collections.abc import Mapping

import pytest

from smtp_auth.fleet.planning import HostPlan, State
from smtp_auth.rollout.making import OF_NO_CHANGE, Layout, made
from smtp_auth.runs.mistakes import Mistake
from tests.unit.fleets import hosts_named

CHANGES = HostPlan(State.PENDING, digest="of lines")
IS_RELOADED = HostPlan(State.PENDING, digest=OF_NO_CHANGE)
IS_PROVED = HostPlan(State.CONVERGED, digest=OF_NO_CHANGE, proof_due="its service was started since")
CONVERGED = HostPlan(State.CONVERGED, digest=OF_NO_CHANGE)
WITHOUT = [HostPlan(state) for state in (State.HELD, State.REFUSED, State.UNREACHABLE, State.FAILED)]


def waves_of(
    found: Mapping[str, HostPlan], *first: str, waves: str = "1,2,100%", domains: str = ""
) -> list[list[str]]:
    """The waves of hosts with these plans. + domains: a letter for each host's domain, if not one each"""
    hosts = [
        hosts_named([name], mail_domain=f"{domain}.example", mail_hostname=f"mail.{domain}.example")[0]
        for name, domain in zip(found, domains or found, strict=True)
    ]
    plan = made(found, hosts, Layout(waves, (), "0"), first)
    return [[*names] for names in plan.waves.values()]


@pytest.mark.parametrize("first", [(), ("a",)], ids=["no canary", "it is the canary"])
@pytest.mark.parametrize("without_change", [IS_RELOADED, IS_PROVED])
def test_a_host_that_is_only_reloaded_or_proved_shows_nothing(
    without_change: HostPlan, first: tuple[str, ...]
) -> None:
    assert waves_of({"a": without_change, "b": CHANGES, "c": CHANGES}, *first) == [["b"], ["c"], ["a"]]
    assert waves_of({"a": without_change, "b": CONVERGED}, *first) == [["a"]]


@pytest.mark.parametrize("absent", WITHOUT, ids=lambda found: str(found.state.value))
def test_without_its_canary_there_is_no_plan(absent: HostPlan) -> None:
    said = f"--first: a is {absent.state.value}, and no other canary would change"
    for others in ([CHANGES], [CONVERGED, CHANGES]):
        found = {"a": absent, **dict(zip("bc", others, strict=False))}
        with pytest.raises(Mistake, match=said):
            waves_of(found, "a", *(["b"] if others[0] is CONVERGED else []))
    assert waves_of({"a": absent, "b": CHANGES}, "a", "b") == [["b"]]
    assert waves_of({"a": absent, "b": CONVERGED}, "a") == []


@pytest.mark.parametrize("other", [*WITHOUT, CONVERGED], ids=lambda found: str(found.state.value))
def test_a_host_that_is_down_serves_no_domain(other: HostPlan) -> None:
    serves = other.state not in (State.UNREACHABLE, State.FAILED)
    found = {"a": CHANGES, "b": CHANGES, "c": other}
    assert waves_of(found, waves="100%", domains="xxx") == ([["a", "b"]] if serves else [["a"], ["b"]])
