"""What several names of one machine mean for each of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from operations import STEPS
from smtp_auth.facts.machine import machine_in
from smtp_auth.plan import same_machine
from smtp_auth.plan.plan import plan_of, undo_of
from smtp_auth.plan.same_machine import Named, same_machines
from smtp_auth.settings import settings_from_data
from tests.unit.scenarios import DEFAULTS, stock
from tests.unit.test_plan import after

MACHINE_ID = "0ac73ecd7ccd4511bd2f8a2e0bc6241a"
COVERED = "mail1.example.jp"


def named(name: str, machine: str = "m", *, pending: bool = True, **data: Any) -> Named:
    """A host under a name. The machine is that of a stock host, or of one that was deployed to."""
    given = {**DEFAULTS, "mail_domain": "example.jp", "mail_hostname": COVERED, **data}
    settings, look = settings_from_data(name, given), replace(stock("3.10.5"), machine=machine)
    if not pending:
        look = after(look, plan_of(settings, look, STEPS))
    plan = plan_of(settings, look, STEPS)
    assert not plan.refusals or data.get("mail_hostname", "") is None
    return same_machine.named(settings, look, plan)


def refused(**hosts: Named) -> dict[str, str]:
    """Name to refusal, of those that are refused."""
    return {name: one.refusal for name, one in same_machines(hosts).items() if one.refusal}


def test_machines_that_differ_or_cannot_be_told_apart_are_nothing_to_say_of() -> None:
    hosts = {"a": named("a", "m"), "b": named("b", "n"), "c": named("c", ""), "d": named("d", "")}
    assert same_machines(hosts) == {}


def test_with_the_same_data_the_first_name_may_change_it() -> None:
    hosts = {"b": named("b"), "x": named("x", "other"), "a": named("a"), "c": named("c")}
    found = same_machines(hosts)
    assert {name: one.names for name, one in found.items()} == dict.fromkeys("bac", ("b", "a", "c"))
    assert [name for name, one in found.items() if one.refusal] == ["a", "c"]
    assert "changes as b alone" in found["c"].refusal
    assert found["b"].note.startswith("b, a and 1 more are one machine (the same /etc/machine-id and SSH ")


def test_with_different_data_none_may() -> None:
    hosts = {"a": named("a"), "b": named("b"), "c": named("c", tls_minimum_version="TLSv1.3")}
    assert refused(**hosts).keys() == {"a", "b", "c"}
    assert all("their data differ" in sentence for sentence in refused(**hosts).values())


def test_a_name_with_nothing_to_do_is_not_refused() -> None:
    same = {"a": named("a", pending=False), "b": named("b", pending=False)}
    assert refused(**same) == {}
    other = {**same, "b": named("b", tls_minimum_version="TLSv1.3")}
    assert refused(**other).keys() == {"b"}


@pytest.mark.parametrize(
    "data",
    [
        {"verify_lifetime_left": 0.2},
        {"verify_addresses": "ssh"},
        {"even_held": True},
        {"host_seconds": 60},
        {"zone": "tokyo"},
        {"mail_domain": "EXAMPLE.jp"},
    ],
)
def test_what_decides_no_change_is_no_difference(data: Mapping[str, Any]) -> None:
    assert refused(a=named("a"), b=named("b", **data)).keys() == {"b"}


def test_a_name_that_is_passed_over_is_not_the_one_that_may_change_it() -> None:
    hosts = {"a": replace(named("a"), changes=False, is_held=True), "b": named("b"), "c": named("c")}
    found = refused(**hosts)
    assert found.keys() == {"c"}
    assert "changes as b alone" in found["c"]


def test_a_hostname_that_nobody_has_given_is_no_difference() -> None:
    names = ("first.example.jp", COVERED, "Mail1.Example.JP")
    found = refused(**{name: named(name, mail_hostname=None) for name in names})
    assert not any("differ" in sentence for sentence in found.values())
    assert COVERED in found
    given = {"a": named("a"), "x.example.jp": named("x.example.jp", mail_hostname=None)}
    assert "differ" in refused(**given)["a"]


def test_undoing_different_changes_is_a_difference() -> None:
    host = named("a")
    first, second = (replace(host, kind=undo_of([change])) for change in "12")
    assert refused(a=first, b=first).keys() == {"b"}
    assert refused(a=first, b=second).keys() == {"a", "b"}


@pytest.mark.parametrize("differing", [False, True])
def test_a_reason_is_the_same_for_all_names_and_as_short_for_many(differing: bool) -> None:
    host = named("a")
    hosts: dict[str, Named] = dict.fromkeys((f"mail{number}.example.jp" for number in range(250)), host)
    if differing:
        hosts["other.example.jp"] = named("other.example.jp", tls_minimum_version="TLSv1.3")
    found = same_machines(hosts)
    (note,) = {one.note for one in found.values()}
    (refusal,) = {one.refusal for one in found.values()} - {""}
    count = len(hosts) - 2
    assert note.startswith(f"mail0.example.jp, mail1.example.jp and {count} more are one machine (")
    assert refusal.startswith(f"mail0.example.jp, mail1.example.jp and {count} more are one machine (")
    assert refusal.endswith(" or limit the run to one of them (--limit NAME)")


@pytest.mark.parametrize("count", [10, 250])
def test_each_name_is_judged_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data_of = Mock(wraps=same_machine._data)
    monkeypatch.setattr(same_machine, "_data", data_of)
    host = named("a")
    same_machines({str(number): host for number in range(count)})
    assert data_of.call_count == count


def test_a_machine_is_its_id_and_all_its_keys() -> None:
    def machine(machine_id: str, *keys: str, **more: list[str]) -> str:
        return machine_in({"machine.id": [machine_id], "machine.key": [*keys], **more})

    assert machine(MACHINE_ID, "rsa", "dsa") == machine(MACHINE_ID, "dsa", "rsa", "rsa") != ""
    assert machine(MACHINE_ID, "rsa") != machine(MACHINE_ID, "rsa", "dsa")
    assert machine(MACHINE_ID) == machine("", "rsa") == machine_in({}) == ""
    assert machine(MACHINE_ID, "rsa", **{"machine.unknown_key": ["/etc/key"]}) == ""
