"""Looks at mail hosts, settings, and what the operations make of them, without a host.

The facts below `recorded/` were taken from booted hosts: `postconf -x`, `doveconf -n` and the stock files
of Debian 12 (Postfix 3.7, Dovecot 2.3) and 13 (3.10, 2.4). Postfix 3.8, as Ubuntu 24.04 has it, knows
the same parameters as 3.7 as far as they matter here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from operations import STEPS
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Lineage, Look, ManagedFile, parse
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.plan import plan_ignoring_obstacles
from smtp_auth.plan.step import Step, files_managed
from smtp_auth.plan.text import reload_lines, step_lines
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.settings import Settings, settings_from_data
from tests.unit.issuing import issued

RECORDED = Path(__file__).parent / "recorded"

# Postfix's version to the recorded host whose Postfix knows the same parameters.
RELEASES = {"3.7.11": "bookworm", "3.8.6": "bookworm", "3.10.5": "trixie"}

HOST = "mail1.example.jp"
DOMAIN = "example.jp"
LIVE = "/etc/letsencrypt/live"

# Where Debian keeps the files that steps write, by key.
_PLACES = {
    "postfix": "/etc/postfix",
    "dovecot": "/etc/dovecot/conf.d",
    "certbot": "/etc/letsencrypt/renewal-hooks/deploy",
}
PATHS = {file.key: f"{_PLACES[file.service]}/{file.name}" for file in files_managed(STEPS)}

# Every data key with its default.
DEFAULTS: dict[str, Any] = {
    **{key.name: key.metadata["default"] for key in fields(Settings)},
    "mail_domain": DOMAIN,
}


def wanted(**data: Any) -> Settings:
    """The settings of a host with these data keys over the defaults."""
    return settings_from_data(HOST, {**DEFAULTS, **data})


def stock(version: str) -> Look:
    """A host with this Postfix before any deploy, certificate issued, everything running."""
    look = parse(look_lines(version))
    assert look is not None
    return look


def look_lines(version: str) -> Iterator[str]:
    """What a look prints on a stock host."""
    folder = RECORDED / RELEASES[version]
    values = {"uid": "0", "postfix_reloaded": "1000.5", "dovecot_running": "1", "listening": "25"}
    values |= {"is_certbots": "1"}
    yield from (_line(key, value) for key, value in values.items())
    for command in ("postconf", "doveconf", "systemctl", "openssl", "certbot"):
        yield _line("command", command)
    for line in (folder / "postconf.txt").read_text().splitlines():
        name, _, value = line.partition(" =")
        yield _line(f"parameter.{name}", version if name == "mail_version" else value.strip())
    for key, path in PATHS.items():
        yield _line("file", key)
        # A stock host has none of the files that were not recorded.
        stock_file = folder / PurePosixPath(path).name
        content = stock_file.read_bytes() if stock_file.exists() else None
        yield from _file_lines(key, path, content)
    doveconf = (folder / "doveconf.txt").read_text()
    yield _line("dovecot_version", doveconf.split()[1])
    yield _line("dovecot_mechanism", "plain")
    if "service auth {" in doveconf:
        block = doveconf[doveconf.index("service auth {") :]
        yield _line("dovecot_auth", block[: block.index("\n}\n") + 3])
    yield _line("listener.path", "/var/spool/postfix/private/auth")
    yield _line("lineage", DOMAIN)
    found = issued(HOST)
    yield _line(f"certificate.{DOMAIN}.directory", f"{LIVE}/{DOMAIN}")
    yield _line(f"certificate.{DOMAIN}.chain", found.chain)
    yield _line(f"certificate.{DOMAIN}.key", found.public)
    yield _line(f"certificate.{DOMAIN}.changed", "900")
    yield _line(f"certificate.{DOMAIN}.renewal", f"/etc/letsencrypt/renewal/{DOMAIN}.conf")
    yield _line("complete", "1")


def _line(key: str, value: str | bytes) -> str:
    data = value.encode() if isinstance(value, str) else value
    return f"{key}\t" + "".join(chr(c) if 32 <= c < 127 and c != 37 else f"%{c:02X}" for c in data)


def _file_lines(key: str, path: str, content: bytes | None) -> Iterator[str]:
    if content is None:
        yield _line(f"file.{key}.path", path)
        return
    values = {"path": path, "real_path": path, "mode": "0644", "user": "root", "group": "root"}
    yield from (_line(f"file.{key}.{name}", value) for name, value in values.items())
    yield _line(f"file.{key}.changed", "900")
    yield _line(f"file.{key}.content", content)


def with_lineages(look: Look, settings: Settings) -> Look:
    """The host with a certificate for each domain, in the directories that the settings say."""
    certificates = {}
    for domain in settings.domains:
        name = settings.mail_hostname if domain == settings.mail_domain else f"mail.{domain}"
        found = issued(name)
        renewal = f"/etc/letsencrypt/renewal/{settings.lineage_name(domain)}.conf"
        certificates[domain] = Lineage(settings.lineage(domain), found.chain, found.public, 900.0, renewal)
    return replace(look, certificates=certificates)


def with_main_cf(look: Look, content: str) -> Look:
    """The host with this main.cf; parameters that the file no longer defines keep their value."""
    parameters = {**look.parameters, **defined_parameters(content)}
    return replace(with_file(look, MAIN_CF, content=content), parameters=parameters)


def with_master_cf(look: Look, content: str) -> Look:
    """The host with this master.cf."""
    return with_file(look, MASTER_CF, content=content)


def with_file(look: Look, file: ManagedFile, **changes: Any) -> Look:
    """The host with another content or mode of this file."""
    return replace(look, files={**look.files, file.key: replace(look.files[file.key], **changes)})


class Part:
    """What one step, or several one after another, make of a host."""

    def __init__(self, look: Look, settings: Settings, *steps: Step) -> None:
        self.plan = plan_ignoring_obstacles(settings, look, steps)
        self._look = look
        self._steps = steps

    @property
    def shown(self) -> list[str]:
        """The lines of the preview, with those of the reloads at the end."""
        lines = [line for step in self._steps for line in step_lines(self.plan, step)]
        return [*lines, *reload_lines(self.plan)]

    @property
    def changes(self) -> list[str]:
        """The `-old`/`+new` lines, without reloads."""
        lines = [line for step in self._steps for line in step_lines(self.plan, step)]
        return [line for line in lines if line[:1] in ("+", "-")]

    @property
    def postconf(self) -> list[str]:
        """The lines that the host's postconf must print afterwards."""
        return [f"{name} = {value}".rstrip() for name, value in self.plan.expected]

    @property
    def main_cf(self) -> str:
        """main.cf afterwards."""
        return self.content(MAIN_CF)

    @property
    def master_cf(self) -> str:
        """master.cf afterwards."""
        return self.content(MASTER_CF)

    def content(self, file: ManagedFile) -> str:
        """A file afterwards; empty if it does not exist."""
        before = self._look.files[file.key]
        coming = {planned.file.path: planned.content for planned in self.plan.files}
        return coming.get(before.path, before.content) or ""


class Asking(Draft):
    """A draft that notes which parameters the steps ask for, whether the host has them already or not."""

    def __init__(self, settings: Settings, look: Look) -> None:
        super().__init__(settings, look)
        self.asked: dict[str, str | None] = {}

    def set_parameters(self, wanted: Mapping[str, str | None], reason: str = "") -> None:
        self.asked.update(wanted)
        super().set_parameters(wanted, reason)


def asked(look: Look, settings: Settings, *steps: Step) -> dict[str, str | None]:
    """The parameters of main.cf that these steps ask for: name to value, `None` for one to comment out."""
    draft = Asking(settings, look)
    for step in steps:
        step.edit(draft)
    return draft.asked


def lines_of(values: Mapping[str, str]) -> list[str]:
    """`+name = value` for each parameter, as a preview shows it."""
    return [f"+{name} = {value}".rstrip() for name, value in values.items()]
