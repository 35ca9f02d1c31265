"""What a host runs by itself: systemd's timers, cron jobs, and services that run on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smtp_auth.services.certbot.clients import is_client, reached
from smtp_auth.verify.connection import on
from smtp_auth.verify.crontab import commands_of
from smtp_auth.verify.target import Target, observer


@dataclass(frozen=True)
class Job:
    """A timer with the service that it starts, a file of cron's, or a service that runs on.

    + name: that of the unit, or the path of the file
    + commands: what it runs, with the text of the scripts that it starts
    + runs: whether it will run by itself
    + enabled: whether it will also run after the host's next boot
    + failed: how its last run failed, if it did
    """

    name: str
    commands: str
    runs: bool
    enabled: bool
    failed: str = ""


# Of longer files, as of programs in machine code, nothing is read.
_LINES = "-type f -size -64k -exec env LC_ALL=C grep -sIHv '^[[:space:]]*\\(#\\|$\\)' {} + 2>/dev/null"

# Files that are no scripts may hold passwords, so they are not read.
_SCRIPTS = f"-maxdepth 0 \\( -perm /111 -o -name '*.sh' \\) {_LINES}"

# run-parts passes over what is not executable. `*.timer` stands for the timers in systemd's memory: those
# that run, and few others. For a list of all unit files, systemd would need half a second. certbot's own
# timer is named by a message also if it is disabled.
_FOUND = (
    "find -L /etc/crontab /etc/anacrontab /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly "
    "/etc/cron.monthly /var/spool/cron/crontabs -maxdepth 2 "
    f"\\( ! -path '/etc/cron.*ly/*' -o -perm /111 \\) {_LINES}"
    """
find -L /usr/local/sbin /usr/local/bin -maxdepth 1 -type f -perm /111 2>/dev/null
echo --
asked=Id,Unit,UnitFileState,ActiveState,NextElapseUSecRealtime,NextElapseUSecMonotonic
started=Id,UnitFileState,ActiveState,SubState,Result,ExecStartPre,ExecStart,ExecStartPost
systemctl show --property=$asked '*.timer' certbot.timer; echo
systemctl show --property=$started -- $(systemctl show --property=Unit --value '*.timer' certbot.timer); echo
systemctl show --property=$started --type=service --state=running '*.service'; echo
systemctl show --property=Id,ActiveState cron.service crond.service cronie.service cron.target anacron.timer
"""
)

# Debian's cron and run-parts pass over names with a dot. The jobs of `at`, which run once, are beside the
# crontabs of users.
_OF_CRON = re.compile(r"/etc/(?:ana)?crontab|/etc/cron\.\w+/[\w-]+|/var/spool/cron/crontabs/[^/]+")

# How deep scripts start other scripts; and how many are read at a time.
_LEVELS = 2
_MOST = 200


@observer
def jobs(target: Target) -> tuple[Job, ...]:
    """The timers, the files of cron, and the running services."""
    files, _, shown = f"\n{on(target).run(_FOUND).stdout}".partition("\n--\n")
    units = units_in(shown)
    found = (*timers(units), *cron_jobs(lines_by_file(files), units), *_services(units))
    commands = with_scripts(target, {job.name: job.commands for job in found}, _programs(files))
    return tuple(Job(one.name, commands[one.name], one.runs, one.enabled, one.failed) for one in found)


def units_in(shown: str) -> dict[str, dict[str, str]]:
    """Units by name, each property to value, out of `systemctl show`. What is said twice is two lines."""
    units: dict[str, dict[str, str]] = {}
    for block in re.split(r"\n{2,}", shown):
        values: dict[str, str] = {}
        for name, _, value in (line.partition("=") for line in block.splitlines()):
            values[name] = f"{values[name]}\n{value}" if name in values else value
        if values.get("Id"):
            units[values["Id"]] = units.get(values["Id"], {}) | values
    return units


def timers(units: Mapping[str, Mapping[str, str]]) -> Iterator[Job]:
    for name, timer in units.items():
        if not name.endswith(".timer") or "Unit" not in timer:
            continue
        service = units.get(timer["Unit"], {})
        next_run = timer.get("NextElapseUSecRealtime") or timer.get("NextElapseUSecMonotonic", "")
        # While its service runs, a timer has no next start time.
        runs_now = service.get("ActiveState") in ("active", "activating")
        runs = timer.get("ActiveState") == "active" and (runs_now or next_run not in ("", "infinity"))
        result = service.get("Result", "success")
        failed = f"{timer['Unit']} failed with {result}" if result != "success" else ""
        yield Job(name, _started(service), runs, _is_enabled(timer), failed)


def _services(units: Mapping[str, Mapping[str, str]]) -> Iterator[Job]:
    for name, service in units.items():
        if name.endswith(".service") and service.get("SubState") == "running":
            yield Job(name, _started(service), runs=True, enabled=_is_enabled(service))


def _is_enabled(unit: Mapping[str, str]) -> bool:
    return unit.get("UnitFileState", "").startswith("enabled")


def _started(service: Mapping[str, str]) -> str:
    values = "\n".join(service.get(name, "") for name in ("ExecStartPre", "ExecStart", "ExecStartPost"))
    return "\n".join(re.findall(r"argv\[\]=(.*?) ; ignore_errors=", values, re.S))


def cron_jobs(files: Mapping[str, str], units: Mapping[str, Mapping[str, str]]) -> Iterator[Job]:
    active = {name for name, unit in units.items() if unit.get("ActiveState") == "active"}
    cron = bool(active & {"cron.service", "crond.service", "cronie.service", "cron.target"})
    for path, text in sorted(files.items()):
        if not _OF_CRON.fullmatch(path):
            continue
        by_anacron = "anacron.timer" in active and re.match(
            r"/etc/(?:anacrontab$|cron\.(?:daily|weekly|monthly)/)", path
        )
        runs = bool(by_anacron) or (cron and path != "/etc/anacrontab")
        yield Job(path, commands_of(path, text), runs, enabled=runs)


def lines_by_file(lines: str) -> dict[str, str]:
    """Path to text, out of `grep -H`."""
    files: dict[str, str] = {}
    for line in lines.splitlines():
        path, colon, text = line.partition(":")
        if colon:
            files[path] = f"{files.get(path, '')}{text}\n"
    return files


def _programs(lines: str) -> frozenset[str]:
    return frozenset(
        line for line in lines.splitlines() if line.startswith("/usr/local/") and ":" not in line
    )


def with_scripts(
    target: Target, commands: Mapping[str, str], programs: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Commands by name, followed by the scripts that they start.

    + programs: what may be started by its name alone
    """
    texts, reading = dict(commands), {name: scripts_in(text, programs) for name, text in commands.items()}
    files: dict[str, str] = {}
    for _ in range(_LEVELS):
        new = [path for paths in reading.values() for path in paths if path not in files]
        files |= dict.fromkeys(new, "") | _read(target, list(dict.fromkeys(new))[:_MOST])
        for name, paths in reading.items():
            scripts = [reached(files[path]) for path in paths]
            texts[name] = "\n".join([texts[name], *scripts])
            # Packages' scripts start what other packages have.
            reading[name] = [
                path for script in scripts for path in scripts_in(script, programs) if not _is_packaged(path)
            ]
    return texts


def scripts_in(commands: str, programs: frozenset[str]) -> list[str]:
    """The files in these commands that may be scripts.

    + programs: what may be started by its name alone
    """
    text = re.sub(r"(?:~|[\"']?\$\{?HOME\}?[\"']?)/", "/root/", commands)
    text = re.sub(
        r"\bcd\s+[\"']?(/[\w./+@-]*?)/?[\"']?\s*(?:&&|;|\n)\s*(?:(?:exec|sh|bash)\s+)*\./", r"\1/", text
    )
    paths = re.findall(r"(?<![\w.$~@:/-])(?:/[\w.+@-]+){2,}", text)
    names = {path.rpartition("/")[2]: path for path in sorted(programs)}
    by_name = [names[word] for word in re.findall(r"(?<![\w./$-])[\w.+-]+(?![\w/=])", text) if word in names]
    return [
        path
        for path in dict.fromkeys((*paths, *by_name))
        if not is_client(path) and not path.startswith(("/dev/", "/proc/", "/sys/"))
    ]


def _is_packaged(path: str) -> bool:
    return re.match(r"/(?:usr/(?!local/)|s?bin/|lib)", path) is not None


def _read(target: Target, paths: list[str]) -> dict[str, str]:
    if not paths:
        return {}
    return lines_by_file(on(target).run(f"find -L {' '.join(['%s'] * len(paths))} {_SCRIPTS}", *paths).stdout)
