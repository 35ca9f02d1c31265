"""Which run `smtp-auth undo` takes back, on which hosts, and what it says of the others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest

from operations import STEPS
from smtp_auth.fleet import applying, channels
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.remove_command import remove
from smtp_auth.fleet.undo_command import undo_each_last, undo_runs
from smtp_auth.fleet.written import Target
from smtp_auth.on_host.asking import Asked
from smtp_auth.on_host.changing import ChangeOutcome, Ended
from smtp_auth.runs.mistakes import Mistake
from tests.unit import past_fleets
from tests.unit.fleets import hosts_named
from tests.unit.past_fleets import FIRST, SECOND, THIRD, host_called, stand_ins

FLEET = ("done1", "last1", "last2", "newer1", "stock1")
_SECONDS = 300


class Hosts:
    """A fleet without a question. + undone: the IDs that were undone on each host that was changed"""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        for module, name, instead in stand_ins():
            monkeypatch.setattr(module, name, instead)
        monkeypatch.setattr(channels, "channel_to", lambda host: host.name)
        monkeypatch.setattr(applying, "carry_out", self._carry_out)
        self.undone: dict[str, tuple[str, ...]] = {}
        self._file = folder / "out.json"

    def _carry_out(self, host: Any, _channel: Any, asked: Asked) -> Ended:
        self.undone[host.name] = asked.plan.kind.undone
        return Ended(ChangeOutcome.LIVE)

    def undo(
        self,
        *names: str,
        to: str | None = None,
        each_last: bool = False,
        at_once: int = 8,
        **data: Any,
    ) -> int:
        chosen, target = Chosen(hosts_named(names, **data), at_once), Target("--json", str(self._file))
        with gevent.Timeout(_SECONDS):
            if each_last:
                return undo_each_last(chosen, STEPS, Manner(), target, asks=False)
            return undo_runs(chosen, STEPS, Manner(), target, to, asks=False)

    def remove(self, *names: str, at_once: int = 8) -> int:
        chosen = Chosen(hosts_named(names), at_once)
        with gevent.Timeout(_SECONDS):
            return remove(chosen, STEPS, Manner(), Target("--json", str(self._file)), asks=False)

    @property
    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._file.read_text())["hosts"]
        return found


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hosts:
    return Hosts(monkeypatch, tmp_path)


@pytest.mark.parametrize("at_once", [8, 2])
def test_the_last_run_is_undone_where_nothing_is_newer(
    hosts: Hosts, capsys: pytest.CaptureFixture[str], at_once: int
) -> None:
    assert hosts.undo(*FLEET, at_once=at_once) == 0
    assert hosts.undone == {"last1": (SECOND,), "last2": (SECOND,)}
    said = capsys.readouterr().out
    assert said.startswith(f"undo of the last run, {SECOND}\n    of 2026-11-22 ")
    assert said.splitlines()[1].endswith(
        ", by admin@controller as root; it will be undone on 2 of its 3 hosts"
    )
    assert "later" not in said
    assert f"\nleft alone: newer1\n    change {THIRD} by admin@controller as root is newer" in said
    assert (
        "nothing would change on 2 hosts: done1 and stock1\n    the record of this host has no live " in said
    )
    assert "5 hosts: 2 changed, 3 unchanged" in said


def test_the_clock_of_the_controller_does_not_decide_which_run_is_the_last(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = "2027-11-22T10:00:00Z-aaaa"
    host = host_called("done1")
    (change,) = host.changes
    monkeypatch.setattr(host, "changes", [change_called(change, ahead)])
    assert hosts.undo(*FLEET) == 0
    assert hosts.undone == {"last1": (SECOND,), "last2": (SECOND,)}


def change_called(change: Any, run: str) -> Any:
    return type(change)(**{**vars(change), "manifest": {**change.manifest, "id": run}})


def test_json_says_why_a_host_is_left_alone(hosts: Hosts) -> None:
    assert hosts.undo("last1", "newer1", "done1") == 0
    newer, done = (hosts.written[name] for name in ("newer1", "done1"))
    assert newer["reasons"][0].startswith(f"change {THIRD} by admin@controller as root is newer")
    assert done["reasons"] == [f"the record of this host has no live change of run {SECOND}"]
    assert (newer["last_change"]["id"], newer["outcome"], newer["plan"]) == (THIRD, "unchanged", None)
    assert hosts.undo("last1", "done1", to=SECOND) == 0
    assert hosts.written["done1"]["last_change"]["id"] == FIRST


def test_a_held_host_is_passed_over_whether_or_not_it_had_a_part(
    hosts: Hosts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hosts.undo("last1", "last-held", "done-held", "stock-held") == 0
    assert hosts.undone == {"last1": (SECOND,)}
    held = [name for name, one in hosts.written.items() if one["state"] == "held" and one["hold"]]
    assert held == ["last-held", "done-held", "stock-held"]
    said = capsys.readouterr().out
    assert said.splitlines()[1].endswith("it will be undone on 1 of its 2 hosts")
    later = f"to undo it on the other hosts later: smtp-auth undo --to {SECOND}"
    assert said.endswith(f"4 hosts: 1 changed, 3 held\n{later}\n")
    # The data of today decides, not that of the record.
    assert hosts.undo("last1", "last-held", even_held=True) == 0
    assert set(hosts.undone) == {"last1", "last-held"}


def test_the_data_key_of_pyinfras_undo_is_no_silent_other_undo(hosts: Hosts) -> None:
    for each_last in (True, False):
        with pytest.raises(Mistake, match=r"last1: undo_to is the data key of undo[.]py: give --to ID"):
            hosts.undo("last1", each_last=each_last, undo_to=FIRST)


def test_a_second_name_of_a_machine_counts_for_nothing(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("last", "done"):
        host = host_called(name)
        monkeypatch.setattr(host, "look", replace(host.look, machine="the same"))
    assert hosts.undo("last1", "last2", at_once=1) == 1
    assert "it will be undone on 1 of its 2 hosts\n" in capsys.readouterr().out
    assert hosts.remove("done1", "done2", at_once=1) == 1
    assert capsys.readouterr().out.startswith("Port 465 will close on 1 host\n")
    assert hosts.written["done2"]["flags"] == ["same_machine"]
    assert (hosts.written["done2"]["plan"], hosts.written["done2"]["digest"]) == (None, None)


def test_an_earlier_run_is_undone_with_all_that_came_after_it(
    hosts: Hosts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hosts.undo(*FLEET, to="10:00:01Z-3f2a") == 0
    assert hosts.undone == {
        "done1": (FIRST,),
        "last1": (FIRST, SECOND),
        "last2": (FIRST, SECOND),
        "newer1": (FIRST, SECOND, THIRD),
    }
    said = capsys.readouterr().out
    assert said.startswith(f"back to before run {FIRST}: undoes 3 runs, the last one first\n")
    # The third one's clock is behind.
    assert [line.split()[0] for line in said.splitlines()[1:4]] == [SECOND, FIRST, THIRD]
    assert said.splitlines()[1].endswith(", by admin@controller as root, on 3 hosts")
    assert "Port 465 will close on 4 hosts\n" in said
    assert {name: one["undone"] for name, one in hosts.written.items()}["newer1"] == [FIRST, SECOND, THIRD]


def test_each_host_s_last_change_is_undone_on_demand(
    hosts: Hosts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hosts.undo(*FLEET, each_last=True) == 0
    assert hosts.undone == {"done1": (FIRST,), "last1": (SECOND,), "last2": (SECOND,), "newer1": (THIRD,)}
    said = capsys.readouterr().out
    assert said.startswith("undo of the last change of each host, which are of 3 runs\n")
    assert "Port 465 will close on 1 host\n" in said


def test_an_id_that_is_not_on_record_is_an_error_that_names_those_that_are(hosts: Hosts) -> None:
    with pytest.raises(Mistake) as error:
        hosts.undo("done1", "last1", "gone1", to="2025")
    said = str(error.value)
    assert said.startswith("--to 2025: ")
    assert FIRST in said
    assert SECOND in said
    assert "(1 host could not be read); on record are:" in said
    with pytest.raises(Mistake, match=r"^--to 2026: 2 runs on record have an ID that begins "):
        hosts.undo("done1", "last1", to="2026")
    with pytest.raises(Mistake, match=f"no change of run {THIRD} went live"):
        hosts.undo("refused1", "last1", to=THIRD)
    assert not hosts.undone


def test_a_host_that_is_not_reached_has_its_status_and_holds_up_nobody(
    hosts: Hosts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hosts.undo("last1", "gone1") == 1
    assert hosts.undone == {"last1": (SECOND,)}
    assert "gone1: not reached" in capsys.readouterr().out
    assert hosts.written["gone1"]["state"] == "unreachable"


def test_without_any_change_on_record_nothing_is_undone(
    hosts: Hosts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hosts.undo("stock1", "stock2") == 0
    assert capsys.readouterr().out.startswith(
        "nothing would change on 2 hosts: stock1 and stock2\n"
        "    the record of this host has no change that could be undone\n"
    )
    assert not hosts.undone


def test_what_goes_live_meanwhile_is_not_undone(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    # After its record was read once, it has another change.
    names = iter(["last"])
    monkeypatch.setattr(past_fleets, "host_called", lambda _name: host_called(next(names, "newer")))
    assert hosts.undo("last1") == 0
    assert not hosts.undone


def test_a_removal_says_first_where_port_465_closes_and_last_what_stays(
    hosts: Hosts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hosts.remove("last1", "done1", "stock1", "owners1", "owners2") == 0
    said = capsys.readouterr().out
    assert said.startswith("Port 465 will close on 4 hosts\n\n")
    assert "none of its files was edited" not in said
    kept = "smtpd_tls_auth_only = no stays, because its owner has edited it"
    assert f"\nwhat stays on 2 hosts: owners1 and owners2\n    {kept}\n" in said
    assert said.count(kept) == 1
    assert said.index(kept) > said.rindex("    -")
    assert hosts.written["done1"]["flags"] == ["closes_port_465", "changed"]
    assert hosts.written["stock1"]["flags"] == []
