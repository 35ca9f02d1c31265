"""Looks at mail hosts, settings, and what the operations make of them, without a host.

The facts below `recorded/` were taken from booted hosts: `postconf -x`, `doveconf -n` and the stock files
of Debian 12 (Postfix 3.7, Dovecot 2.3) and 13 (3.10, 2.4). Postfix 3.8, as Ubuntu 24.04 has it, knows
the same parameters as 3.7 as far as they matter here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.context import ctx_config, ctx_host, ctx_state

from facts.mail_host import Lineage, Look, parse
from operations import changes
from operations.changes import Change
from postfix.main_cf import defined_parameters
from settings import Settings, settings_from_data

RECORDED = Path(__file__).parent / "recorded"

# Postfix's version, the recorded host that knows the same, and Dovecot's version.
RELEASES = {"3.7.11": "bookworm", "3.8.6": "bookworm", "3.10.5": "trixie"}

HOST = "mail1.example.jp"
DOMAIN = "example.jp"
LIVE = "/etc/letsencrypt/live"

DEFAULTS: dict[str, Any] = {
    "mail_domain": DOMAIN,
    "mail_hostname": None,
    "additional_domains": [],
    "letsencrypt_live": LIVE,
    "smtpd_tls_security_level": "may",
    "smtp_auth_on_port_25": True,
    "tls_minimum_version": "TLSv1.2",
    "mua_client_restrictions": None,
    "mua_helo_restrictions": None,
    "mua_sender_restrictions": None,
    "mua_relay_restrictions": None,
    "submissions_options": {},
    "sender_ownership": None,
    "certbot_reload_services": ["postfix"],
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
    """What the script of the look prints on a stock host."""
    folder = RECORDED / RELEASES[version]
    values = {"uid": "0", "postfix_reloaded": "1000.5", "dovecot_running": "1", "listening": "25"}
    yield from (_line(key, value) for key, value in values.items())
    for command in ("postconf", "doveconf", "systemctl", "openssl", "flock", "certbot"):
        yield _line("command", command)
    for line in (folder / "postconf.txt").read_text().splitlines():
        name, _, value = line.partition(" =")
        yield _line(f"parameter.{name}", version if name == "mail_version" else value.strip())
    for key, name in (("main_cf", "main.cf"), ("master_cf", "master.cf")):
        yield from _file_lines(key, f"/etc/postfix/{name}", (folder / name).read_bytes())
    doveconf = (folder / "doveconf.txt").read_text()
    yield _line("dovecot_version", doveconf.split()[1])
    if "service auth {" in doveconf:
        block = doveconf[doveconf.index("service auth {") :]
        yield _line("dovecot_auth", block[: block.index("\n}\n") + 3])
    yield _line("file.sni.path", "/etc/postfix/smtp_auth_sni")
    yield _line("file.dropin.path", "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf")
    yield _line("file.hook.path", "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh")
    yield _line("lineage", DOMAIN)
    chain, key = issued(HOST)
    yield _line(f"certificate.{DOMAIN}.directory", f"{LIVE}/{DOMAIN}")
    yield _line(f"certificate.{DOMAIN}.chain", chain)
    yield _line(f"certificate.{DOMAIN}.key", key)
    yield _line(f"certificate.{DOMAIN}.changed", "900")
    yield _line("complete", "1")


def _line(key: str, value: str | bytes) -> str:
    data = value.encode() if isinstance(value, str) else value
    return f"{key}\t" + "".join(chr(c) if 32 <= c < 127 and c != 37 else f"%{c:02X}" for c in data)


def _file_lines(key: str, path: str, content: bytes) -> Iterator[str]:
    values = {"path": path, "real_path": path, "mode": "0644", "user": "root", "group": "root"}
    yield from (_line(f"file.{key}.{name}", value) for name, value in values.items())
    yield _line(f"file.{key}.changed", "900")
    yield _line(f"file.{key}.content", content)


@cache
def issued(*names: str, days: int = 60) -> tuple[str, str]:
    """A certificate for these names in PEM, and its public key in PEM.

    + days: from now to its end
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_bytes(Encoding.PEM).decode(), public.decode()


def with_lineages(look: Look, settings: Settings) -> Look:
    """The host with a certificate for each of the domains, where the settings say."""
    certificates = {}
    for domain in settings.domains:
        name = settings.mail_hostname if domain == settings.mail_domain else f"mail.{domain}"
        certificates[domain] = Lineage(f"{settings.letsencrypt_live}/{domain}", *issued(name), 900.0)
    return replace(look, certificates=certificates)


def with_main_cf(look: Look, content: str) -> Look:
    """The host with this main.cf; parameters that the file no longer defines keep their value."""
    parameters = {**look.parameters, **defined_parameters(content)}
    return replace(look, main_cf=replace(look.main_cf, content=content), parameters=parameters)


def with_master_cf(look: Look, content: str) -> Look:
    """The host with this master.cf."""
    return replace(look, master_cf=replace(look.master_cf, content=content))


@dataclass
class Step:
    """What an operation said and yielded while it was planned."""

    shown: list[str] = field(default_factory=list)
    noop: str | None = None
    commands: list[object] = field(default_factory=list)

    @property
    def changes(self) -> list[str]:
        """The `-old`/`+new` lines."""
        return [line for line in self.shown if line[:1] in ("+", "-")]

    @property
    def scripts(self) -> list[str]:
        """What goes to the host on standard input."""
        commands = [command for command in self.commands if isinstance(command, StringCommand)]
        return [str(command.connector_arguments["_stdin"]) for command in commands]


class Plan:
    """Operations planned one after another on one host, as in deploy.py."""

    def __init__(self, look: Look, settings: Settings) -> None:
        main_cf, master_cf = look.main_cf.content or "", look.master_cf.content or ""
        self.change = Change(settings, (), look, False, main_cf, master_cf, look.sni.content)

    def do(self, operation: Callable[..., Any]) -> Step:
        """Plan one operation to its end."""
        step = Step()
        state = _pyinfra()
        host = state.inventory.get_host(HOST)
        host.log = lambda line, *_: step.shown.append(line.strip())  # type: ignore[method-assign]
        host.noop = lambda reason: setattr(step, "noop", reason)  # type: ignore
        with ctx_state.use(state), ctx_config.use(state.config), ctx_host.use(host):
            changes._changes[host] = self.change
            step.commands += list(operation._inner())  # type: ignore[attr-defined]
        return step


@cache
def _pyinfra() -> State:
    return State(Inventory(([HOST], {})), Config(DIFF=True))


def lines_of(values: Mapping[str, str]) -> list[str]:
    """`+name = value` for each parameter, as a preview shows it."""
    return [f"+{name} = {value}".rstrip() for name, value in values.items()]
