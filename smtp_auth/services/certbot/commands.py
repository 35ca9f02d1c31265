"""What a command in a hook does to this host: whether it reloads a unit, or rebuilds a table of Postfix."""

import re
from collections.abc import Sequence

_REDIRECTION = re.compile(r"(?:(?<=\s)\d|&)?[<>]{1,2}&?\s*\S+")

_VERBS = "(?:try-)?(?:reload|restart|reload-or-restart|reload-or-try-restart)"
_OLD_VERBS = "(?:force-)?(?:reload|restart)"

# Options of systemctl that do not change which unit it reloads.
_HARMLESS = re.compile(
    r"--|-[flqT]+|--(?:system|no-block|wait|quiet|force|full|now|no-pager|no-ask-password|no-warn|no-wall"
    r"|no-legend|show-transaction|job-mode=\w[\w-]*)"
)

# Options with which systemctl reloads nothing of this host's: with getopt_long(3), a beginning is enough.
_ELSEWHERE = ("--machine", "--host", "--user", "--root", "--image", "--global", "--dry-run")

# Programs that execute a command in another system, or for another instance of Postfix; and such commands.
_OTHER_SYSTEMS = re.compile(
    r"(?<![\w.-])(?:ssh|autossh|chroot|schroot|systemd-nspawn|nsenter|machinectl|docker|podman|lxc|lxc-attach|incus"
    r"|postmulti)\s"
)
_THERE = re.compile(r"(?:systemctl|service|invoke-rc\.d|/etc/init\.d/|postfix)\s|\n")


def is_reload(command: str, unit: str) -> bool:
    """Whether a command certainly reloads or restarts a unit of this host.

    + command: as a shell reads it, without quotes
    + unit: with or without `.service`
    """
    bare, words = unit.removesuffix(".service"), _words(command)
    names = (bare, f"{bare}.service")
    match words:
        case ["systemctl", *rest]:
            return _is_reload_by_systemctl(rest, names)
        case ["service" | "invoke-rc.d", name, verb, *_]:
            return name in names and re.fullmatch(_OLD_VERBS, verb) is not None
        case ["postfix", *options, "reload"]:
            return bare == "postfix" and all(re.fullmatch("-v+", option) for option in options)
        case [script, verb, *_]:
            return script == f"/etc/init.d/{bare}" and re.fullmatch(_OLD_VERBS, verb) is not None
    return False


def is_rebuild(command: str, table: str) -> bool:
    """Whether a command certainly rebuilds an indexed table together with its copies of files (`postmap -F`).

    + command: as a shell reads it, without quotes
    + table: `KIND:PATH`
    """
    match _words(command):
        case ["postmap", *rest]:
            options = [word for word in rest if word.startswith("-")]
            # No other option may name another configuration (-c) or only ask the table (-q, -s).
            are_known = all(re.fullmatch("-[FNfnoprvw]+", option) for option in options)
            return are_known and any("F" in option for option in options) and table in rest
    return False


def mentions_reload(commands: str, unit: str) -> bool:
    """Whether a text contains a command that reloads a unit of this host.

    + commands: without comments, and without what `is_elsewhere`
    """
    bare = re.escape(unit.removesuffix(".service"))
    name = rf"(?<![\w@.-])[\"']?{bare}(?:\.service)?(?![\w@.-])"
    ways = [
        rf"\bsystemctl\s.{{0,200}}?(?<![\w-]){_VERBS}\s.{{0,200}}?{name}",
        rf"\b(?:service|invoke-rc\.d)\s+{name}\s+{_OLD_VERBS}\b",
        rf"/etc/init\.d/{bare}\s+{_OLD_VERBS}\b",
    ]
    ways += [r"(?<![\w.-])postfix\s+(?:-v+\s+)*reload\b"] if bare == "postfix" else []
    return any(not is_elsewhere(found[0]) for found in re.finditer("|".join(ways), commands))


def is_elsewhere(command: str) -> bool:
    """Whether a command is about another system, or about other units than this host's."""
    first = re.search(r"\bsystemctl\s", command)
    wrapped = _wrapped_from(command)
    if wrapped is not None and (first is None or wrapped < first.start()):
        return True
    return first is not None and any(
        re.match("-[a-zA-Z]*[MH]", word) or any(_begins(option, word) for option in _ELSEWHERE)
        for word in command[first.end() :].split()
    )


def _wrapped_from(command: str) -> int | None:
    """Where a program begins that executes a command of the same line in another system."""
    # One expression for both would search the whole line from each of these programs on.
    there: re.Match[str] | None = None
    for wrapper in _OTHER_SYSTEMS.finditer(command):
        if there is None or there.start() < wrapper.end():
            there = _THERE.search(command, wrapper.end())
        if there is None:
            return None
        if there[0] != "\n":
            return wrapper.start()
    return None


def _begins(option: str, word: str) -> bool:
    given = word.partition("=")[0]
    return len(given) > len("--") and option.startswith(given)


def _words(command: str) -> list[str]:
    """The words of a command, the first without its directory; none if it may not run as it is written."""
    words = _REDIRECTION.sub(" ", command).split()
    if any(re.search(r"[&$*?\[\]{}()\\]", word) for word in words):
        return []
    words = words[1:] if words[:1] == ["sudo"] else words
    if words and not words[0].startswith("/etc/"):
        words[0] = words[0].rpartition("/")[2]
    return words


def _is_reload_by_systemctl(words: Sequence[str], names: Sequence[str]) -> bool:
    given = [word for word in words if not word.startswith("-")]
    options = [word for word in words if word.startswith("-")]
    return (
        all(_HARMLESS.fullmatch(option) for option in options)
        and re.fullmatch(_VERBS, (given or [""])[0]) is not None
        and any(name in given[1:] for name in names)
    )
