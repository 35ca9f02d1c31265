"""What renews the certificates. Each observer looks at one thing on the host and only reads."""

import re
from dataclasses import dataclass

from smtp_auth.verify.connection import on
from smtp_auth.verify.target import Target, observer

# Clients that renew certificates by ACME (RFC 8555), by the names in timers and cron jobs.
_NAMES = "|".join(map(re.escape, ("certbot", "acme.sh", "lego", "dehydrated", "getssl", "uacme")))
_CLIENTS = rf"\b(?:{_NAMES})\b"

_TIMER = ("Id", "Unit", "UnitFileState", "ActiveState", "NextElapseUSecRealtime", "NextElapseUSecMonotonic")


@dataclass(frozen=True)
class Renewer:
    """A timer or cron job that renews certificates.

    + name: a systemd timer, or the file of a cron job
    + is_certbots: whether certbot does it
    + runs: whether it will run by itself
    + enabled: whether it will also run after the host's next boot
    + failed: how its last run failed, if it did
    """

    name: str
    is_certbots: bool
    runs: bool
    enabled: bool
    failed: str = ""


@observer
def renewers(target: Target) -> tuple[Renewer, ...]:
    """The timers, and the cron jobs, except those that do nothing under systemd, as Debian's own do."""
    return (*_timers(target), *_cron_jobs(target))


def _timers(target: Target) -> list[Renewer]:
    host = on(target)
    listed = host.run("systemctl list-unit-files --type=timer --no-legend --plain").stdout
    names = [line.split()[0] for line in listed.splitlines() if line.split()]
    timers = _shown(target, _TIMER, names)
    asked = ("Id", "ExecStart", "Result", "ActiveState")
    shown = _shown(target, asked, [timer["Unit"] for timer in timers])
    services = {one["Id"]: one for one in reversed(shown)}
    found = []
    for timer in timers:
        service = services.get(timer["Unit"], {})
        started = f"{timer['Id']} {service.get('ExecStart', '')}"
        if not re.search(_CLIENTS, started):
            continue
        next_run = timer["NextElapseUSecRealtime"] or timer["NextElapseUSecMonotonic"]
        # While its service runs, a timer has no next start time.
        runs_now = service.get("ActiveState") in ("active", "activating")
        runs = timer["ActiveState"] == "active" and (runs_now or next_run not in ("", "infinity"))
        result = service.get("Result", "success")
        failed = f"{timer['Unit']} failed with {result}" if result != "success" else ""
        enabled = timer["UnitFileState"].startswith("enabled")
        found.append(Renewer(timer["Id"], _is_certbots(started), runs, enabled, failed))
    return found


def _shown(target: Target, properties: tuple[str, ...], units: list[str]) -> list[dict[str, str]]:
    """The properties of units from systemd, for each unit property to value."""
    if not units:
        return []
    command = f"systemctl show --property={','.join(properties)} --" + " %s" * len(units)
    found: list[dict[str, str]] = []
    for block in on(target).run(command, *units).stdout.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        if values.get("Id"):
            found.append({name: values.get(name, "") for name in properties})
    return found


def _cron_jobs(target: Target) -> list[Renewer]:
    host = on(target)
    places = "/etc/crontab /etc/cron.d /etc/cron.daily /etc/cron.weekly /var/spool/cron"
    lines = host.run(f"grep -rsE '^[^#]*({_NAMES})' {places}").stdout
    is_active = "active" in host.run("systemctl is-active cron crond cronie").stdout.split()
    found: dict[str, bool] = {}
    for line in lines.splitlines():
        file, _, job = line.partition(":")
        if re.search(_CLIENTS, job) and not re.search(r"!\s*-d\s+/run/systemd/system", job):
            found[file] = found.get(file, True) and _is_certbots(job)
    return [Renewer(file, by, runs=is_active, enabled=is_active) for file, by in sorted(found.items())]


def _is_certbots(started: str) -> bool:
    """Whether certbot is the only client that a timer or a cron job starts."""
    return {*re.findall(_CLIENTS, started)} == {"certbot"}
