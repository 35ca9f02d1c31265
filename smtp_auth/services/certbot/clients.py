"""What commands that a host runs by itself do about certificates, as far as their text shows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smtp_auth.services.certbot.commands import is_elsewhere, mentions_reload
from smtp_auth.services.certbot.shell_words import commands_in

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
_MENTION = re.compile(rf"\b(?:{_NAMES})\b")

# A snap is called so by the program `snap`.
_PROGRAM = re.compile(rf"(?:.*/)?({_NAMES})(?:\.renew)?", re.S)
# `certbot/dns-rfc2136:latest` is an image of certbot's, too.
_IMAGE = re.compile(rf"(?:[\w.-]+/)*?({_NAMES})(?:/[\w.-]+)?(?::[\w.-]+)?")

# Programs that start what they have the name of, and the words with which they do.
_CONTAINERS = ("docker", "docker-compose", "podman", "podman-compose", "snap")
_STARTS = ("exec", "run", "start", "restart", "up")

# With these words, a client renews also if it is started by a program that is unknown here.
_RENEWS = ("renew", "certonly", "--cron")
# Programs that only speak or ask of the words behind them, or start them on another machine.
_ABOUT = re.compile(r"\[\[?|echo|[efz]?grep|logger|mailx?|pgrep|pkill|printf|ssh|test")

# Options with which a client renews nothing. argparse takes the beginning of an option, too.
_RENEWS_NOTHING = re.compile(r"--dry[a-z-]*|--version|--help|-h|--list|--upgrade")
# The first word that is one of these is certbot's command, wherever it stands.
_RENEWING = ("renew", "certonly", "run")
_COMMAND = re.compile(
    "|".join(_RENEWING) + "|certificates|delete|enhance|install|plugins|reconfigure|register|revoke|rollback"
    "|show_account|unregister|update_account"
)

# A comment, or what is quoted, which comes first.
_COMMENT = re.compile(r"""('[^'\n]*'|"(?:\\.|[^"\\\n])*"|\\.)|(?<!\S)#.*""")

# Under systemd, Debian's own cron jobs leave the work to timers.
_NOT_UNDER_SYSTEMD = re.compile(r"!\s*-d\s+/run/systemd/system")
_ENDS_UNDER_SYSTEMD = re.compile(
    r"^[^!\n]*-d\s+/run/systemd/system\b[\]\s;&]*(?:then\s+)?exit\b.*", re.M | re.S
)

# Another option begins with `--no-d`.
_NO_HOOKS = re.compile(r"--no-di[a-z-]*")
_FORCED = re.compile(r"--force-renew[a-z]*|--renew-by-default")


@dataclass(frozen=True)
class _Renewal:
    client: str
    words: Sequence[str]


def reached(script: str) -> str:
    """The text of a script or command without comments, and without what does nothing under systemd."""
    text = _ENDS_UNDER_SYSTEMD.sub("", _COMMENT.sub(r"\1", script.replace("\\\n", " ")))
    return "\n".join(
        line for line in text.split("\n") if line.strip() and not _NOT_UNDER_SYSTEMD.search(line)
    )


def clients_in(commands: str) -> frozenset[str]:
    """The clients that these commands start in order to renew."""
    return frozenset(one.client for one in _renewals(commands))


def mentions_client(text: str) -> bool:
    """Whether a client's name is in a text, be it in that of another program or of a unit."""
    return _MENTION.search(text) is not None


def is_client(program: str) -> bool:
    """Whether a path is that of a client."""
    return program.rpartition("/")[2] in _CLIENTS


def passes_over_hooks(commands: str) -> bool:
    """Whether certbot is told to run none of the hooks in its directories when it renews."""
    return _certbot_has(_NO_HOOKS, commands)


def is_forced(commands: str) -> bool:
    """Whether certbot is told to renew also what it would not."""
    return _certbot_has(_FORCED, commands)


def reloads(commands: str, unit: str) -> bool:
    """Whether a reload of a unit of this host is among these commands."""
    parts = re.split(r"[;&|\n]+", commands)
    return any(mentions_reload(part, unit) for part in parts if not is_elsewhere(part))


def _certbot_has(option: re.Pattern[str], commands: str) -> bool:
    return any(
        option.fullmatch(word)
        for one in _renewals(commands)
        if one.client.startswith("certbot")
        for word in one.words
    )


def _renewals(commands: str) -> Iterator[_Renewal]:
    for words in commands_in(commands):
        found = _client(words)
        if found and not _renews_nothing(found):
            yield found


def _client(words: Sequence[str]) -> _Renewal | None:
    """The client that a command starts, and the words behind it."""
    name = words[0].rpartition("/")[2]
    if name == "systemctl":
        return _by_unit(words)
    is_container = name in _CONTAINERS and any(word in _STARTS for word in words)
    for at, word in enumerate(words):
        found = _PROGRAM.fullmatch(word) or (_IMAGE.fullmatch(word) if is_container else None)
        if found:
            rest = words[at + 1 :]
            is_started = is_container or (not _ABOUT.fullmatch(name) and any(one in _RENEWS for one in rest))
            return _Renewal(found[1], rest) if at == 0 or is_started else None
    return None


def _by_unit(words: Sequence[str]) -> _Renewal | None:
    for word in words if any(word in _STARTS for word in words) else ():
        found = _MENTION.search(word)
        if found and not word.endswith(".timer"):
            return _Renewal(found[0], ())
    return None


def _renews_nothing(renewal: _Renewal) -> bool:
    if any(_RENEWS_NOTHING.fullmatch(word) for word in renewal.words):
        return True
    if not renewal.client.startswith("certbot"):
        return "list" in renewal.words
    return next((word for word in renewal.words if _COMMAND.fullmatch(word)), "run") not in _RENEWING
