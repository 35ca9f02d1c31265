"""Looks at hosts that there are not, and settings for them."""

import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from facts.mail_host import Lineage, Look, parse
from settings import Settings, settings_from_data

LIVE = "/etc/letsencrypt/live"

_ROOT = Path(__file__).parents[2]

_PATHS = {
    "main_cf": "/etc/postfix/main.cf",
    "master_cf": "/etc/postfix/master.cf",
    "sni": "/etc/postfix/smtp_auth_sni",
    "dropin": "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf",
    "hook": "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh",
}


def settings(**data: Any) -> Settings:
    """The settings of mail.example.jp: those of group_data/all.py but for these."""
    defaults = runpy.run_path(str(_ROOT / "group_data" / "all.py"))
    values = {key: value for key, value in defaults.items() if not key.startswith("__")}
    return settings_from_data("mail.example.jp", {**values, "mail_domain": "example.jp", **data})


def look(
    lineages: Iterable[Lineage] = (),
    *,
    there: Iterable[str] = (),
    commands: Iterable[str] = ("certbot",),
    parameters: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
    reloaded: float | None = None,
    stale_tables: Iterable[str] = (),
) -> Look:
    """What the look at a host would return.

    + there: lineages that nobody asked about
    + parameters: Postfix's, over a version of 3.10.5 without SNI tables
    + files: the contents of `main_cf`, `sni` and so on
    """
    known = {"mail_version": "3.10.5", "queue_directory": "/var/spool/postfix", "tls_server_sni_maps": ""}
    lines = [("uid", "0"), ("complete", "1"), *(("command", command) for command in commands)]
    lines += [(f"parameter.{name}", value) for name, value in (known | (parameters or {})).items()]
    lines += [(f"file.{key}.path", path) for key, path in _PATHS.items()]
    lines += [(f"file.{key}.content", content) for key, content in (files or {}).items()]
    lines += [("lineage", name) for name in there]
    lines += [("stale_table", name) for name in stale_tables]
    lines += [("postfix_reloaded", str(reloaded))] if reloaded is not None else []
    for one in lineages:
        key = f"certificate.{one.directory.rpartition('/')[2]}"
        lines += [(f"{key}.directory", one.directory), (f"{key}.key", one.key)]
        lines += [(f"{key}.chain", one.chain)] if one.chain is not None else []
        lines += [(f"{key}.changed", str(one.changed))]
    seen = parse(f"{key}\t{quote(value)}" for key, value in lines)
    assert seen is not None
    return seen
