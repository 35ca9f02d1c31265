"""Looks at hosts that do not exist, and settings for them."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from smtp_auth.facts.look import Lineage, Look, parse
from smtp_auth.settings import Settings, settings_from_data
from tests.unit.scenarios import DEFAULTS, PATHS


def settings(**data: Any) -> Settings:
    """The settings of mail.example.jp: these data keys over the defaults."""
    return settings_from_data("mail.example.jp", {**DEFAULTS, "mail_domain": "example.jp", **data})


def look(
    lineages: Iterable[Lineage] = (),
    *,
    there: Iterable[str] = (),
    commands: Iterable[str] = ("certbot",),
    parameters: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
    reloaded: float | None = None,
    stale_tables: Iterable[str] = (),
    sni_tables: Iterable[str] = (),
    is_certbots: bool = True,
) -> Look:
    """What the look at a host would return.

    + there: names of lineages on the host that the look was not asked about
    + parameters: Postfix's, over those of a 3.10.5 without SNI tables
    + files: key (`main_cf`, `sni` and so on) to content
    """
    known = {"mail_version": "3.10.5", "queue_directory": "/var/spool/postfix", "tls_server_sni_maps": ""}
    lines = [
        ("uid", "0"),
        ("complete", "1"),
        ("listener.path", "/var/spool/postfix/private/auth"),
        *(("command", command) for command in commands),
    ]
    lines += [(f"parameter.{name}", value) for name, value in (known | (parameters or {})).items()]
    lines += [pair for key, path in PATHS.items() for pair in (("file", key), (f"file.{key}.path", path))]
    lines += [(f"file.{key}.content", content) for key, content in (files or {}).items()]
    lines += [("lineage", name) for name in there]
    lines += [("stale_table", name) for name in stale_tables]
    lines += [("sni_table", name) for name in sni_tables]
    lines += [("is_certbots", "1")] if is_certbots else []
    lines += [("postfix_reloaded", str(reloaded))] if reloaded is not None else []
    for one in lineages:
        key = f"certificate.{one.directory.rpartition('/')[2]}"
        lines += [(f"{key}.directory", one.directory), (f"{key}.key", one.key)]
        lines += [(f"{key}.chain", one.chain)] if one.chain is not None else []
        lines += [(f"{key}.changed", str(one.changed)), (f"{key}.renewal", one.renewal)]
    seen = parse(f"{key}\t{quote(value)}" for key, value in lines)
    assert seen is not None
    return seen
