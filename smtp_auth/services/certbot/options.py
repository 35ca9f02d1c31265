"""certbot's own files with options: cli.ini, and the configuration of the renewals of a lineage."""

import re

# Where certbot, as root, reads options of all its commands, wherever it has its configuration.
OPTIONS = ("/etc/letsencrypt/cli.ini", "/root/.config/letsencrypt/cli.ini")

_OFF = ("false", "no", "off", "0")

# Options and keys with commands that certbot runs after a renewal, also if it runs none of its directories.
_HOOK = re.compile(r"^[ \t]*(?:--)?(?:deploy|renew|post)[-_]hook[ \t=:]+([^\s=:].*)$", re.M)


def renews(configuration: str) -> bool:
    """Whether certbot renews the lineage with this configuration when it is due."""
    renewal = configuration.partition("[renewalparams]")[2].partition("\n[")[0]
    found = re.findall(r"^\s*autorenew\s*=\s*[\"']?(\w+)", renewal, re.M)
    return not any(value.lower() in _OFF for value in found)


def hooks_in(text: str) -> str:
    """The commands of hooks in one of these files, a line each."""
    return "\n".join(command.strip("\"' ") for command in _HOOK.findall(text))
