"""`make demo`: takes a lab fleet from stock hosts to mail on port 465, and shows each step."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lab import mail
from lab.command import LabError
from lab.fleet import DEFAULT_FLEET
from lab.host import LabHost
from lab.lab import Lab

ROOT = Path(__file__).resolve().parents[1]

_SHOWN = "mail2.example.jp"


def main() -> int:
    """Run the demo; returns the exit status."""
    try:
        return _demo()
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def _demo() -> int:
    lab = Lab(ROOT, tell=_line)
    _step("Boot the lab: Debian 12 and Debian 13 hosts in two domains")
    lab.up()
    hosts = [lab.hosts[spec.name] for spec in DEFAULT_FLEET]
    for host in hosts:
        _timed(host.name, "as installed by its packages", host.reset)

    _step("Preview: pyinfra inventory.py deploy.py --dry --diff")
    preview = _pyinfra("--dry", "--diff")
    for host in hosts:
        lines = _about(preview, host)
        _line(host.name, f"{sum(line[:1] in '+-' for line in lines)} lines would change")
    print(f"\nThe whole preview of {_SHOWN}:")
    print("\n".join(f"    {line}" for line in _about(preview, lab.hosts[_SHOWN])))

    _step("Apply: pyinfra inventory.py deploy.py -y")
    started = time.monotonic()
    applied = _pyinfra("-y")
    print(applied[applied.index("--> Results:") :].partition("--> Disconnecting")[0].rstrip())
    _line("all hosts", "deployed, each proved by a login offer on port 465", time.monotonic() - started)

    _step("Send a message through port 465 of every host, logged in, over verified TLS")
    for host in hosts:
        _timed(host.name, f"sent by {host.user}, delivered", partial(_send, lab, host))

    _step("Apply again: the hosts are already as wanted, so nothing changes")
    again = _pyinfra("-y")
    for host in hosts:
        _line(host.name, f"{again.count(f'[{host.name}] Success')} operations changed something")

    _step(f"Verify: pytest tests/verify --mailbox {hosts[0].user}")
    print(_verified(hosts[0]))

    _step("Settings for a mail program")
    print(f"    {'Server':<20}  {'Port':<5}  {'Security':<8}  User name")
    for host in hosts:
        print(f"    {host.name:<20}  465    SSL/TLS   {host.user}")
    print("\n    The user name has no domain; the password is in .lab/lab.json.")
    print(f"    The lab's certificate authority: {lab.ca.relative_to(ROOT)}")
    print("    A shell on a host: python3 -m lab shell HOST; to remove the lab: make lab-down")
    return 0


def _send(lab: Lab, host: LabHost) -> None:
    subject = f"demo {uuid.uuid4()}"
    mail.send(host, lab.ca, subject)
    mail.delivered(host, subject)


def _pyinfra(*options: str) -> str:
    return _output("pyinfra", "inventory.py", "deploy.py", *options)


def _verified(host: LabHost) -> str:
    # In the environment, because a list of processes would show an argument. All hosts of a lab have one
    # password.
    said = _output("pytest", "tests/verify", "--mailbox", host.user, VERIFY_PASSWORD=host.password)
    return said.partition(" hosts and checks ")[2].partition("\n")[2].rstrip()


def _output(program: str, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"{program} failed with exit status {done.returncode}:\n{done.stdout}")
    return done.stdout


def _about(output: str, host: LabHost) -> list[str]:
    prefix = f"    [{host.name}]"
    lines = [line[len(prefix) :].strip() for line in output.splitlines() if line.startswith(prefix)]
    return [line for line in lines if line and not line.startswith(("Connected", "Ready"))]


def _timed(subject: str, text: str, work: Callable[[], None]) -> None:
    started = time.monotonic()
    work()
    _line(subject, text, time.monotonic() - started)


def _step(title: str) -> None:
    print(f"\n{title}\n", flush=True)


def _line(subject: str, text: str, seconds: float | None = None) -> None:
    end = "" if seconds is None else f"{seconds:6.1f} s"
    print(f"    {subject:<18}  {text:<52}{end}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
