"""`smtp-auth plan --check`, as a nightly job starts it: its text, its JSON and its status tell the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.by_hand import EDIT
from tests.fleet.commands import Done, smtp_auth
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import TAKE_PORT_465, side_by_side, tree
from tests.fleet.test_same_machine import Name

pytestmark = pytest.mark.lab

OFF, WRONG = Name("off.example.jp"), Name("wrong.example.jp")

# Nobody listens there.
_OFF: dict[str, Any] = {"ssh_hostname": "127.0.0.1", "ssh_port": 1}


def test_the_status_says_what_text_and_json_say(lab: Lab, tmp_path: Path) -> None:
    real = converged, edited, held, pending = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, real)
    names: list[Any] = [*real, OFF, WRONG]
    file = tmp_path / "drift.json"

    def gate(*options: str) -> Done:
        return smtp_auth(
            "plan",
            names,
            *("--check", "--json", str(file), *options),
            per_host={OFF.name: _OFF, WRONG.name: {"tls_minimum_version": "TLSv9"}},
        )

    def of_each() -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads(file.read_text())["hosts"]
        return found

    done = smtp_auth("apply", [converged, edited, held], "--yes")
    assert done.status == 0, done.output + done.progress
    side_by_side(
        lambda host: host.run(EDIT),
        [edited, held],
    )
    converged.run("echo '# a note of the owner' >>/etc/postfix/main.cf && systemctl reload postfix")
    assert smtp_auth("hold", [held], held.name, "--reason", "a migration").status == 0
    before = side_by_side(tree, real)

    # Every state: what is in trouble decides.
    done = gate()
    assert done.status == 1, done.output + done.progress
    hosts = of_each()
    assert {name: (one["state"], one["flags"]) for name, one in hosts.items()} == {
        converged.name: ("converged", ["edited"]),
        edited.name: ("pending", ["edited"]),
        held.name: ("held", ["edited"]),
        pending.name: ("pending", []),
        OFF.name: ("unreachable", []),
        WRONG.name: ("refused", []),
    }
    assert [name for name, one in hosts.items() if one["plan"]] == [converged.name, edited.name, pending.name]
    assert hosts[converged.name]["plan"]["edits"] == []
    assert hosts[held.name]["hold"]["why"] == "a migration"
    text = done.output
    assert f"nothing would change: {converged.name}\n" in text
    (lines,) = [part for part in text.split("\n\n") if part.startswith(f"{edited.name}:\n")]
    assert "; edited since: /etc/postfix/main.cf\n" in lines
    assert "    -smtpd_tls_auth_only = no\n    +smtpd_tls_auth_only = yes\n" in lines
    assert f"\n\n{pending.name}:\n    /etc/" in text
    assert f"\nunreachable: {OFF.name}\n" in text
    assert f"\nrefused: {WRONG.name}\n    tls_minimum_version = 'TLSv9'" in text
    assert f"\nheld: {held.name}\n" in text
    assert text.endswith("\n6 hosts: 1 converged, 2 pending, 1 held, 1 refused, 1 unreachable\n")

    # Each trouble alone, with hosts that would change beside it.
    for trouble in (OFF, WRONG):
        assert gate("--exclude", trouble.name).status == 1
    untroubled = ("--exclude", OFF.name, "--exclude", WRONG.name)
    done = gate(*untroubled)
    assert done.status == 3, done.output + done.progress
    assert done.output.endswith("\n4 hosts: 1 converged, 2 pending, 1 held\n")
    # A host that is held is somebody's own affair, also if its files differ.
    done = gate(*untroubled, "--exclude", edited.name, "--exclude", pending.name)
    assert done.status == 0, done.output + done.progress
    assert {one["state"] for one in of_each().values()} == {"converged", "held"}
    assert side_by_side(tree, real) == before

    # What only the host itself can tell.
    pending.run(TAKE_PORT_465)
    try:
        done = gate(*untroubled)
    finally:
        pending.run("systemctl stop taken")
    assert done.status == 1, done.output + done.progress
    assert "port 465 is held by another program" in " ".join(of_each()[pending.name]["reasons"])
    assert f"\nrefused: {pending.name}\n    port 465 is held by another program" in done.output
