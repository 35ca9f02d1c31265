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

    _step(f"Plan: smtp-auth plan; here with --limit {_SHOWN}, whose plan is one of four")
    print(_smtp_auth("plan", "--limit", _SHOWN))
    _line("all hosts", _smtp_auth("plan").splitlines()[-1])

    _step("Apply: smtp-auth apply --yes")
    started = time.monotonic()
    print("\n".join(_results(_smtp_auth("apply", "--yes"))))
    _line("all hosts", "changed and proved", time.monotonic() - started)

    _step("Send a message through port 465 of every host, logged in, over verified TLS")
    for host in hosts:
        _timed(host.name, f"sent by {host.user}, delivered", partial(_send, lab, host))

    _step("Apply again: the hosts are already as wanted, so nothing changes")
    print("\n".join(_results(_smtp_auth("apply", "--yes"))))

    _step(f"Verify: smtp-auth verify --mailbox {hosts[0].user}")
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


def _smtp_auth(*words: str) -> str:
    return _output("smtp-auth", *words)


def _results(output: str) -> list[str]:
    """The end of what `smtp-auth apply` says: what was proved, and how many hosts were changed."""
    lines = output.splitlines()
    return lines[max(index for index, line in enumerate(lines) if not line) + 1 :]


def _verified(host: LabHost) -> str:
    # In the environment, because a list of processes would show an argument. All hosts of a lab have one
    # password.
    return _output("smtp-auth", "verify", "--mailbox", host.user, VERIFY_PASSWORD=host.password).rstrip()


def _output(program: str, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"{program} failed with exit status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


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
