"""Who does the work: this deploy (pyinfra, `smtp-auth`), Ansible, Mitogen, a shell script, and bare ssh.

Every peer talks to the same hosts through the same ssh configuration, with as many connections at
once as hosts, and starts without an open connection.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bench.fleet import BENCH_VENV, DOMAIN, SCRATCH, Fleet
from bench.works import DRY, FIRST, NOTHING, ONE, VERIFY, Work

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Command:
    """A program with its arguments, and the variables that it needs beside our environment."""

    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """One way to do the work.

    + name: on the command line and in the results
    + title: for people
    + works: the works that it can do
    + command: how it is called for a work, with the wanted value of `smtpd_tls_security_level`
    + changed: whether its output reports a change on any host
    """

    name: str
    title: str
    works: tuple[Work, ...]
    command: Callable[[Work, Fleet, str], Command]
    changed: Callable[[str], bool]


def _pyinfra(work: Work, fleet: Fleet, level: str) -> Command:
    programs = Path(sys.executable).parent
    if work is VERIFY:
        tests = [str(programs / "pytest"), "-q", "-p", "no:cacheprovider", "tests/verify"]
        tests += ["--inventory", str(fleet.pyinfra_inventory)]
        return Command([*tests, "--data", "verify_addresses=ssh", "--data", f"verify_ca_file={fleet.lab.ca}"])
    argv = [str(programs / "pyinfra"), str(fleet.pyinfra_inventory), "deploy.py"]
    argv += ["--data", f"smtpd_tls_security_level={level}"]
    return Command([*argv, *(["--dry", "--diff"] if work is DRY else ["-y"])])


def _pyinfra_changed(output: str) -> bool:
    # The column "Success": how often an operation changed a host.
    total = re.search(r"Grand total\s+(\d+)\s+(\S+)\s+(\S+)\s+(\S+)", output)
    return total is None or total[2] != "-"


def _smtp_auth(work: Work, fleet: Fleet, level: str) -> Command:
    program = str(Path(sys.executable).parent / "smtp-auth")
    what = ["plan"] if work is DRY else ["apply", "--yes"]
    options = ["--inventory", str(fleet.pyinfra_inventory), "--data", f"smtpd_tls_security_level={level}"]
    return Command([program, *what, *options])


def _smtp_auth_changed(output: str) -> bool:
    return re.search(r"^\d+ hosts?: .*\bchanged", output, re.MULTILINE) is not None


def _ansible(work: Work, fleet: Fleet, level: str) -> Command:
    argv = [str(BENCH_VENV / "bin" / "ansible-playbook"), str(_HERE / "ansible" / "playbook.yml")]
    argv += ["--inventory", str(fleet.ansible_inventory), "--forks", str(fleet.count)]
    argv += ["--extra-vars", f"security_level={level}"]
    if work is DRY:
        argv += ["--check", "--diff"]
    options = f"-F {fleet.ssh_config} -o ControlMaster=auto -o ControlPersist=60s"
    env = {
        "ANSIBLE_CONFIG": str(_HERE / "ansible" / "ansible.cfg"),
        "ANSIBLE_SSH_ARGS": options,
        # A short path: that of a socket has at most 107 characters.
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(SCRATCH / "c"),
    }
    return Command(argv, env)


def _mitogen(work: Work, fleet: Fleet, level: str) -> Command:
    plain = _ansible(work, fleet, level)
    plugins = next(BENCH_VENV.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy"))
    more = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
    return Command(plain.argv, {**plain.env, **more, "ANSIBLE_DEPRECATION_WARNINGS": "False"})


def _ansible_changed(output: str) -> bool:
    counts = re.findall(r"ok=\d+ +changed=(\d+)", output)
    return not counts or any(count != "0" for count in counts)


def _shell(script: str) -> Callable[[Work, Fleet, str], Command]:
    def command(work: Work, fleet: Fleet, level: str) -> Command:
        folder = _HERE / "shell"
        argv = ["sh", str(folder / "each.sh"), str(fleet.ssh_config), str(folder / script)]
        return Command([*argv, *(f"{host.name}={DOMAIN}" for host in fleet.hosts)], {"ARGUMENTS": level})

    return command


def _shell_changed(output: str) -> bool:
    return "] changed " in output


OURS = Peer("pyinfra", "this deploy", (NOTHING, DRY, FIRST, ONE, VERIFY), _pyinfra, _pyinfra_changed)
APPLY = Peer("smtp-auth", "smtp-auth", (NOTHING, DRY, FIRST, ONE), _smtp_auth, _smtp_auth_changed)
ANSIBLE = Peer("ansible", "Ansible", (NOTHING, DRY, FIRST, ONE), _ansible, _ansible_changed)
MITOGEN = Peer("mitogen", "Ansible with Mitogen", (NOTHING, DRY, FIRST, ONE), _mitogen, _ansible_changed)
SCRIPT = Peer("script", "shell script", (NOTHING, FIRST, ONE), _shell("submissions.sh"), _shell_changed)
FLOOR = Peer("ssh", "bare ssh, reading", (NOTHING,), _shell("read.sh"), _shell_changed)

PEERS = {peer.name: peer for peer in (OURS, APPLY, ANSIBLE, MITOGEN, SCRIPT, FLOOR)}


def environment(more: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The whole environment of a measured program, with the variables that it needs in addition."""
    # Settings of Python (PYTHONDONTWRITEBYTECODE) could slow it down; an administrator has none.
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**own, "LC_ALL": "C.UTF-8", **more}
