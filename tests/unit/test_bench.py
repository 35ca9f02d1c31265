"""What the benchmark takes for a change, and for a difference between hosts."""

import pytest

from bench.peers import ANSIBLE, OURS, SCRIPT, Peer
from bench.same_state import differences

_PYINFRA = "    Grand total          28      {}       -       {}\n"
_ANSIBLE = "mail1.example.jp : ok=10   changed={}    unreachable=0    failed=0\n"


@pytest.mark.parametrize(
    ("peer", "output", "changed"),
    [
        (OURS, _PYINFRA.format("-", "28"), False),
        (OURS, _PYINFRA.format("1", "27"), True),
        (OURS, "", True),
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


def test_hosts_differ_by_the_lines_that_only_one_has() -> None:
    wanted = {"main.cf": "a = 1\nb = 2\n", "port 465": "1\n"}
    assert differences(wanted, dict(wanted)) == []
    found = {"main.cf": "b = 2\na = 2\n", "port 465": "1\n"}
    assert differences(wanted, found) == ["main.cf: -a = 1", "main.cf: +a = 2"]
