"""Modules of Prometheus' blackbox_exporter that look at port 465 as a mail program does, but do not log in.

JSON is YAML, too: each text is written as JSON, so that nothing in it is read as anything else.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smtp_auth.settings import Settings
from smtp_auth.verify.conversation import IMPLICIT_TLS

_NAME = "smtp_auth_465"

# What is waited for, line by line, and what is then sent. The exporter ends what it sends with \n alone. An
# address is a name that every server has to accept; this one is nobody's (RFC 5737).
_CONVERSATION: tuple[Mapping[str, str], ...] = (
    {"expect": "^220 "},
    {"send": "EHLO [192.0.2.1]\r"},
    {"expect": "(?i)^250[ -]AUTH (.* )?PLAIN( |$)"},
    {"send": "QUIT\r"},
    {"expect": "^221 "},
)


@dataclass(frozen=True)
class Module:
    """What one module needs to know. Hosts with equal modules share one.

    + seconds: within how many seconds the conversation must be over
    + ca_file: what is trusted; `None` for the system's store
    + server_name: the name that the certificate must cover; `None` for the target's
    """

    seconds: float
    ca_file: str | None
    server_name: str | None


@dataclass(frozen=True)
class Probe:
    """How the exporter looks at one host.

    + host: its name in the inventory; + address: what the exporter connects to
    """

    host: str
    address: str
    module: Module


def probe(host: str, settings: Settings, ssh_name: str) -> Probe:
    """How to look at a host. + ssh_name: the name or address that SSH connects to"""
    by_ssh = settings.verify_addresses == "ssh"
    file = settings.verify_ca_file
    module = Module(
        settings.verify_seconds,
        str(Path(file).absolute()) if file else None,
        settings.mail_hostname if by_ssh else None,
    )
    return Probe(host, ssh_name if by_ssh else settings.mail_hostname, module)


def names_of(probes: Sequence[Probe]) -> dict[Module, str]:
    """The different modules, to their names."""
    modules = dict.fromkeys(one.module for one in probes)
    return {one: _NAME if index == 1 else f"{_NAME}_{index}" for index, one in enumerate(modules, 1)}


def config(names: Mapping[Module, str]) -> Iterator[str]:
    """The configuration of the exporter, line by line. + names: those of the modules"""
    yield "# Written by smtp-auth verify --blackbox-config."
    yield "modules:"
    for module, name in names.items():
        yield f"  {name}:"
        yield "    prober: tcp"
        yield f"    timeout: {round(module.seconds * 1000)}ms"
        yield "    tcp:"
        yield "      tls: true"
        tls = {"ca_file": module.ca_file, "server_name": module.server_name}
        yield f"      tls_config: {json.dumps({key: value for key, value in tls.items() if value})}"
        yield "      query_response:"
        yield from (f"        - {json.dumps(part)}" for part in _CONVERSATION)


def targets(probes: Sequence[Probe], names: Mapping[Module, str]) -> list[dict[str, Any]]:
    """The targets, as Prometheus reads them from a file (`file_sd_configs`)."""
    return [
        {"targets": [_with_port(one.address)], "labels": {"host": one.host, "module": names[one.module]}}
        for one in probes
    ]


def _with_port(address: str) -> str:
    # In an IPv6 address, there are colons.
    return f"[{address}]:{IMPLICIT_TLS}" if ":" in address else f"{address}:{IMPLICIT_TLS}"
