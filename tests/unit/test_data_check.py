"""Data is checked before any connection is made. Only bad hosts are left out, with all their problems."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# No program listens on this port, so each attempt to connect shows an error.
GOOD: dict[str, Any] = {"ssh_hostname": "127.0.0.1", "ssh_port": 1, "mail_domain": "example.jp"}


def run(folder: Path, hosts: dict[str, dict[str, Any]], *words: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of pyinfra over an inventory of these hosts."""
    return run_groups(folder, {"fleet": hosts}, *words)


def run_groups(folder: Path, groups: dict[str, dict[str, Any]], *words: str) -> tuple[int, str, str]:
    """Like `run`, over an inventory of these groups."""
    inventory = folder / "inventory.py"
    inventory.write_text("".join(f"{name} = {list(hosts.items())!r}\n" for name, hosts in groups.items()))
    return run_inventory(inventory, *words)


def run_inventory(inventory: Path | str, *words: str, **variables: str) -> tuple[int, str, str]:
    """Like `run`, over any inventory that pyinfra takes, with these environment variables."""
    program = Path(sys.executable).parent / "pyinfra"
    # pyinfra warns of problems if another virtual environment is active.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [program, inventory, *words],
        cwd=ROOT,
        env={**environment, **variables},
        input="\n" * 9,
        capture_output=True,
        text=True,
        check=False,
    )
    plain = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", done.stderr)
    return done.returncode, done.stdout, plain


def tried(said: str) -> set[str]:
    """The hosts to which pyinfra tried to connect."""
    return set(re.findall(r"\[(\S+)\]\s+(?:Could not|its name has no address|port \d+ of )", said))


BAD = {
    "mail1.example.jp": {**GOOD, "mail_domain": "../jp", "smtp_auth_on_port_25": "yes"},
    "mail2.example.jp": GOOD,
    "mail3": {**GOOD, "ssh_pasword": "hunter2"},
}
PROBLEMS = [
    "mail1.example.jp  refused: mail_domain = '../jp': give a domain name such as example.jp",
    "mail1.example.jp  refused: smtp_auth_on_port_25 = 'yes': give True or False, or None",
    "mail3             refused: ssh_pasword: unknown key; did you mean ssh_password?",
    "mail3             refused: mail_hostname = 'mail3': give the full name that mail programs connect to,"
    " such as mail.example.jp",
]


@pytest.mark.parametrize("options", [("--dry", "--diff"), ("-y",), ("--dry", "--json")])
def test_hosts_with_bad_data_are_not_connected_to_and_the_report_has_every_problem_once(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    status, _, said = run(tmp_path, BAD, "deploy.py", *options)
    before, _, after = said.partition("Connecting to hosts")
    warned, total = [line.strip() for line in before.splitlines() if ": " in line]
    assert warned.startswith("smtp_auth_on_port_25 is not set for 1 of 1 host: logins are offered")
    assert total.startswith("4 problems in the data of 2 of 3 hosts")
    assert [line for line in after.splitlines() if " refused: " in line] == [
        f"{' ' * 8}{problem}" for problem in PROBLEMS
    ]
    assert all(said.count(problem) == 1 for problem in PROBLEMS)
    assert tried(after) == {"mail2.example.jp"}
    assert "hunter2" not in said
    assert status == 1


def test_only_the_chosen_hosts_are_checked(tmp_path: Path) -> None:
    _, _, said = run(tmp_path, BAD, "deploy.py", "--dry", "--limit", "mail2.example.jp")
    assert "problem" not in said
    assert tried(said) == {"mail2.example.jp"}


def test_the_excluded_hosts_are_not_checked(tmp_path: Path) -> None:
    _, _, said = run(tmp_path, BAD, "deploy.py", "--dry", "--exclude", "mail3")
    assert [problem for problem in PROBLEMS if problem in said] == PROBLEMS[:2]


@pytest.mark.parametrize(("value", "times"), [(None, 1), (True, 0), (False, 0)])
def test_logins_on_port_25_are_warned_of_once_where_nobody_decided(
    tmp_path: Path, value: bool | None, times: int
) -> None:
    hosts = {f"mail{n}.example.jp": {**GOOD, "smtp_auth_on_port_25": value} for n in (1, 2)}
    _, _, said = run(tmp_path, hosts, "deploy.py", "--dry")
    assert said.count("smtp_auth_on_port_25") == times


def test_without_a_good_host_nothing_is_connected_to(tmp_path: Path) -> None:
    status, _, said = run(tmp_path, {"mail3": BAD["mail3"]}, "deploy.py", "-y")
    assert "no host is left" in said
    assert "Connecting to hosts" not in said
    assert status == 1


@pytest.mark.parametrize("words", [("exec", "--", "true"), ("fact", "server.Hostname")])
def test_what_is_no_deploy_asks_nothing_of_the_data(tmp_path: Path, words: tuple[str, ...]) -> None:
    _, _, said = run(tmp_path, BAD, *words)
    assert "problem" not in said
    assert tried(said) == set(BAD)


def test_the_inventory_can_be_debugged_whatever_its_data(tmp_path: Path) -> None:
    status, out, said = run(tmp_path, BAD, "debug-inventory", "--json")
    assert status == 0
    assert "problem" not in said
    assert set(BAD) <= set(json.dumps(json.loads(out)).split('"'))


def test_data_of_the_command_line_is_checked_too(tmp_path: Path) -> None:
    _, _, said = run(tmp_path, {"mail2.example.jp": GOOD}, "deploy.py", "--dry", "--data", "mail_domain=x")
    assert "mail2.example.jp  refused: mail_domain = 'x': give a domain name" in said
    assert not tried(said)


def test_a_groups_data_is_that_of_its_own_hosts(tmp_path: Path) -> None:
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "web.py").write_text("nginx_port = 80\n")
    groups = {"mail": {"mail2.example.jp": GOOD}, "web": {"web1.example.jp": GOOD}}
    _, _, said = run_groups(tmp_path, groups, "deploy.py", "--dry")
    assert "web1.example.jp   refused: nginx_port: unknown key" in said
    assert "mail2.example.jp  refused" not in said


def test_an_inventory_that_reads_no_group_data_has_the_defaults(tmp_path: Path) -> None:
    """pyinfra reads none for an inventory that is a function."""
    lines = [
        "def hosts():",
        f'    return {{"fleet": [("mail2.example.jp", {GOOD!r}), ("mail4.example.jp", {{}})]}}',
    ]
    (tmp_path / "our_hosts.py").write_text("\n".join(lines) + "\n")
    _, _, said = run_inventory("our_hosts:hosts", "deploy.py", "--dry", PYTHONPATH=str(tmp_path))
    problems = [line.strip() for line in said.splitlines() if "mail4.example.jp  refused" in line]
    required = "mail_domain: required; set it in group_data/ or on the host, e.g. 'example.jp'"
    assert problems[0].endswith(f"  refused: {required}")
    assert "1 problem in the data of 1 of 2 hosts: this run leaves it out" in said
    assert "smtp_auth_on_port_25 is not set for 1 of 1 host:" in said
    assert tried(said) == {"mail2.example.jp"}
