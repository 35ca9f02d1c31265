"""What commands that a host runs by itself do about certificates, as far as their text shows."""

import re
from collections.abc import Iterator

from smtp_auth.services.certbot.commands import is_elsewhere, mentions_reload

# Clients that obtain certificates by ACME (RFC 8555).
_CLIENTS = (
    "certbot-auto",
    "certbot",
    "acme.sh",
    "acme-tiny",
    "acmetool",
    "dehydrated",
    "getssl",
    "lego",
    "uacme",
)
_NAMES = "|".join(map(re.escape, _CLIENTS))

# `certbot-exporter` is another program.
_CLIENT = re.compile(rf"(?<![\w-])(?:{_NAMES})(?![\w-])")
_MENTION = re.compile(rf"\b(?:{_NAMES})\b")

# Commands that ask whether a client is there, or are about its package or its unit.
_BESIDE = re.compile(
    r"[\s(!]*(?:(?:if|then|sudo)\s+)*(?:test|\[+|command\s+-[vV]|which|type|echo|printf|logger|pgrep|pkill|dpkg|apt|apt-get|pip3?"
    r"|systemctl\s+(?:-\S+\s+)*(?:stop|disable|mask|status|show|is-\w+))\s"
)
# Words with which a client renews nothing.
_RENEWS_NOTHING = re.compile(
    r"(?<![\w-])(?:--dry-run|--version|--help|--list|--upgrade|certificates|show_account|plugins|list)(?![\w.-])"
)

# Under systemd, Debian's own cron jobs leave the work to timers.
_NOT_UNDER_SYSTEMD = re.compile(r"!\s*-d\s+/run/systemd/system")
_ENDS_UNDER_SYSTEMD = re.compile(
    r"^[^!\n]*-d\s+/run/systemd/system\b[\]\s;&]*(?:then\s+)?exit\b.*", re.M | re.S
)

# argparse takes the beginning of an option, too: another one begins with `--no-d`.
_NO_HOOKS = re.compile(r"(?<![\w-])--no-di[a-z-]*")
_FORCED = re.compile(r"(?<![\w-])(?:--force-renew[a-z]*|--renew-by-default)\b")


def reached(script: str) -> str:
    """The text of a script or crontab without comments, and without what does nothing under systemd."""
    text = re.sub(r"(?:^|(?<=\s))#.*", "", script.replace("\\\n", " "))
    text = _ENDS_UNDER_SYSTEMD.sub("", text)
    return "\n".join(
        line for line in text.split("\n") if line.strip() and not _NOT_UNDER_SYSTEMD.search(line)
    )


def clients_in(commands: str) -> frozenset[str]:
    """The clients that these commands start in order to renew."""
    return frozenset(
        found[0]
        for part in _parts(commands)
        if not _BESIDE.match(part) and not _RENEWS_NOTHING.search(part)
        for found in _CLIENT.finditer(part)
    )


def mentions_client(text: str) -> bool:
    """Whether a client's name is in a text, be it in that of another program or of a unit."""
    return _MENTION.search(text) is not None


def is_client(program: str) -> bool:
    """Whether a path is that of a client."""
    return program.rpartition("/")[2] in _CLIENTS


def passes_over_hooks(commands: str) -> bool:
    """Whether certbot is told to run none of the hooks in its directories."""
    return _NO_HOOKS.search(commands) is not None


def is_forced(commands: str) -> bool:
    """Whether certbot is told to renew also what it would not."""
    return _FORCED.search(commands) is not None


def reloads(commands: str, unit: str) -> bool:
    """Whether a reload of a unit of this host is among these commands."""
    return any(mentions_reload(part, unit) for part in _parts(commands) if not is_elsewhere(part))


def _parts(commands: str) -> Iterator[str]:
    yield from re.split(r"[;&|\n]+", commands)
