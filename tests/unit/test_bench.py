"""What the benchmark measures, what it takes for a change and for a difference between hosts, and what it
makes of figures."""

from typing import Any

import pytest

from bench.__main__ import between_marks
from bench.peers import ANSIBLE, APPLY, OURS, PEERS, SCRIPT, Peer
from bench.picture import Spread, picture
from bench.same_state import differences
from bench.scenarios import FULL, USUAL, part
from bench.table import summary, table
from bench.works import DRY, FIRST, NOTHING, ONE

_PYINFRA = "    Grand total          28      {}       -       {}\n"
_ANSIBLE = "mail1.example.jp : ok=10   changed={}    unreachable=0    failed=0\n"


@pytest.mark.parametrize(
    ("peer", "output", "changed"),
    [
        (OURS, _PYINFRA.format("-", "28"), False),
        (OURS, _PYINFRA.format("1", "27"), True),
        (OURS, "", True),
        (APPLY, "2 hosts: 2 converged\n\n2 hosts: 2 unchanged\n", False),
        (APPLY, "2 hosts: 1 changed, 1 unchanged\n", True),
        (ANSIBLE, _ANSIBLE.format(0) * 2, False),
        (ANSIBLE, _ANSIBLE.format(0) + _ANSIBLE.format(2), True),
        (ANSIBLE, "", True),
        (SCRIPT, "[mail1.example.jp] changed Postfix\n", True),
        (SCRIPT, "", False),
    ],
)
def test_a_run_that_changed_a_host_is_told_from_one_that_did_not(
    peer: Peer, output: str, changed: bool
) -> None:
    assert peer.changed(output) is changed


def test_what_people_compare_is_measured_on_every_size_of_fleet_for_every_peer() -> None:
    assert {(scenario.hosts, scenario.delay) for scenario in USUAL} == {(1, 0), (4, 0), (16, 0)}
    for scenario in USUAL:
        assert scenario.works == (NOTHING, FIRST, ONE)
        assert all(scenario.counted_runs(peer) >= 1 for peer in PEERS.values())


def test_a_part_is_chosen_out_of_everything() -> None:
    assert part((), (), ()) == FULL
    (far,) = part((), (50.0,), ("dry", "one"))
    assert (far.hosts, far.delay, far.works) == (4, 50, (DRY, ONE))
    assert [(scenario.hosts, scenario.delay) for scenario in part((1, 4), (), ())] == [
        (4, 0),
        (1, 0),
        (4, 50),
    ]
    assert part((3,), (), ()) == ()


def test_hosts_differ_by_the_lines_that_only_one_has() -> None:
    wanted = {"main.cf": "a = 1\nb = 2\n", "port 465": "1\n"}
    assert differences(wanted, dict(wanted)) == []
    found = {"main.cf": "b = 2\na = 2\n", "port 465": "1\n"}
    assert differences(wanted, found) == ["main.cf: -a = 1", "main.cf: +a = 2"]


def _row(peer: str, hosts: int, seconds: list[float], cpu: float) -> dict[str, Any]:
    counted = (
        "connections",
        "channels",
        "sent",
        "received",
        "processes",
        "postfix_reloads",
        "dovecot_reloads",
    )
    return {
        "work": "nothing",
        "peer": peer,
        "hosts": hosts,
        "delay_ms": 0.0,
        "seconds": seconds,
        "cpu_seconds": [cpu] * len(seconds),
        "memory_bytes": 2**20,
        "counts": {"mail1.example.jp": dict.fromkeys(counted, 2)},
        "started": "2026-01-02 03:04 UTC",
        "load": [0.5, 1.5],
    }


_RESULTS: dict[str, Any] = {
    "machine": {
        **{"cores": 2, "processor": "some", "memory_gib": 4, "kernel": "6", "python": "3"},
        "versions": {"pyinfra": "3"},
    },
    "imports": {"pyinfra": [0.3], "ours": [0.03], "cryptography.x509": [0.01]},
    "measured": [
        *(_row("pyinfra", 1, [0.4, 0.5, 0.9], 0.2), _row("ansible", 1, [5.0, 4.0, 6.0], 1.0)),
        *(_row("pyinfra", 16, [1.0, 1.0, 1.0], 0.5), _row("ansible", 16, [20.0, 20.0, 20.0], 16.0)),
    ],
}


def _cells(page: str, first: str) -> list[list[str]]:
    lines = [line for line in page.splitlines() if line.startswith(f"| {first} ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_time_is_the_median_with_its_spread_and_how_many_times_ours_it_is() -> None:
    one, sixteen, *_ = _cells(table(_RESULTS), "nothing to do")
    assert one == [
        "nothing to do",
        "1",
        "0.50 (0.40 to 0.90)",
        "-",
        "5.00 (4.00 to 6.00) 10.0x",
        "-",
        "-",
        "-",
    ]
    assert sixteen[4] == "20.00 (20.00 to 20.00) 20.0x"


def test_the_readme_has_a_line_a_work_with_the_medians_on_the_largest_fleet() -> None:
    far = {**_row("pyinfra", 64, [9.0], 0.2), "delay_ms": 50.0}
    first = {**_row("pyinfra", 16, [3.0, 4.0, 8.0], 0.2), "work": "first"}
    assert summary({**_RESULTS, "measured": [*_RESULTS["measured"], first, far]}) == (
        "Median seconds on 16 hosts. 2 cores, 2026-01-02.\n\n"
        "- nothing to do: this deploy 1.0, Ansible 20.0\n"
        "- first deploy: this deploy 4.0\n"
    )


def test_growth_is_the_time_beside_one_hosts_and_the_processor_time_of_each_further_host() -> None:
    assert _cells(table(_RESULTS), "this deploy") == [["this deploy", "16", "2.0", "20"]]
    assert _cells(table(_RESULTS), "Ansible") == [["Ansible", "16", "4.0", "1000"]]


def test_a_single_run_has_no_spread() -> None:
    once = {**_RESULTS, "measured": [_row("pyinfra", 1, [0.5], 0.2)]}
    assert _cells(table(once), "nothing to do")[0][2] == "0.50"


def test_figures_of_several_days_name_the_first_and_the_last() -> None:
    earlier = {**_row("pyinfra", 4, [0.5], 0.2), "started": "2025-12-31 23:59 UTC"}
    both = {**_RESULTS, "measured": [*_RESULTS["measured"], earlier]}
    assert "2 cores, 2025-12-31 to 2026-01-02." in summary(both)
    assert "2 cores, 2026-01-02." in summary(_RESULTS)


def test_the_plot_has_a_row_a_work_and_a_column_a_fleet() -> None:
    far = {**_row("pyinfra", 4, [2.0], 0.2), "work": "verify", "delay_ms": 50.0}
    drawn = picture({**_RESULTS, "measured": [far, *_RESULTS["measured"]]})
    assert drawn.fleets == ["1 host", "16 hosts", "4 hosts, +50 ms"]
    nothing, verification = drawn.rows
    assert (nothing.title, nothing.peers) == ("nothing to do", ["pyinfra", "ansible"])
    assert nothing.fields[0] == {"pyinfra": Spread(0.4, 0.5, 0.9), "ansible": Spread(4.0, 5.0, 6.0)}
    assert (verification.title, verification.peers) == ("verification", ["pyinfra"])
    assert verification.fields == [{}, {}, {"pyinfra": Spread(2.0, 2.0, 2.0)}]


def test_only_what_is_between_the_marks_of_a_page_is_replaced() -> None:
    page = "a\n<!-- benchmark -->\nold\n<!-- end of benchmark -->\nb\n"
    assert between_marks(page, "new\n") == page.replace("old", "new")
    assert between_marks("a\n", "new\n") == "a\n"
