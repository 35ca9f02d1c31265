"""Certificate rotation: certbot's deploy hook reloads Postfix after a renewal."""

import re
import shlex
from collections.abc import Generator, Iterator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import File, Look
from operations.activation import Replacement, activation, render
from operations.changes import current, show, show_difference
from settings import Settings

# Shells that read what we write (POSIX).
_SHELLS = ("sh", "dash", "bash", "ash", "busybox", "ksh", "mksh", "zsh")


@operation()
def reload_services() -> Generator[PyinfraCommand, None, None]:
    """
    Let `renewal-hooks/deploy/reload_services.sh` reload the units of `certbot_reload_services`.

    A hook that reloads them already stays as it is. Otherwise lines of ours, between BEGIN and END,
    come behind those of the owner's, but before a last `exit`, and reload what the owner's do not:
    Postfix for the lineages that it serves and while each key belongs to its certificate, the
    other units for any lineage. One unit's failure does not keep the next from being reloaded; it is
    reported on standard error and gives the hook a failing status, both of which certbot logs.

    What keeps a hook from being run is mended: no `#!` line, no run bit, CRLF line ends. Where there
    is no certbot there is nothing to hook into.

    **Example:**

    .. code:: python

        certbot_hook.reload_services(name="certbot reloads Postfix after a renewal")
    """
    change = yield from current()
    if change is None:
        return
    look = change.look
    hook = look.hook
    if not _certbot(look):
        host.noop("certbot is not installed")
        return
    content = desired_content(change.settings, hook.content)
    mode = desired_mode(hook)
    leftovers = any("/renewal-hooks/" in path for path in look.leftovers)
    if (content, mode) == (hook.content, hook.mode) and not leftovers:
        host.noop("the deploy hook reloads what it should")
        return
    if hook.content and "\r" in hook.content and "\r" not in content:
        show([hook.path, "-CRLF line ends, which make a shell look for other commands", "+LF line ends"])
    show_difference(hook.path, hook.content, content)
    if mode != hook.mode:
        show([*([f"-mode {hook.mode}"] if hook.mode else []), f"+mode {mode}"])
    yield activation(
        "certbot_hook.sh",
        service="certbot's deploy hook",
        lock=look.lock,
        managed=[hook],
        replacements=[Replacement(hook, content, mode)],
        variables={"hook": hook.real_path, "shell": _shell(content)},
    )


def obstacles(settings: Settings, look: Look) -> Iterator[str]:
    """Why the hook cannot be written; nothing where it can."""
    content = look.hook.content or ""
    if not _certbot(look) or not content.startswith("#!") or _shell(content):
        return
    first = content.partition("\n")[0].strip()
    for unit in settings.certbot_reload_services:
        if not re.search(rf"^[^#\n]*\b(?:reload|restart)\b.*\b{_unit(unit)}\b", content, re.MULTILINE):
            yield (
                f"{look.hook.path} begins with {first}, which is no shell, and does not reload {unit}: "
                f"let it run `systemctl reload {unit}`, or rename it (certbot runs all of its directory)"
            )


def warnings(settings: Settings, look: Look) -> Iterator[str]:
    """What has to be done by hand."""
    if not _certbot(look):
        commands = "; ".join(f"systemctl reload {unit}" for unit in settings.certbot_reload_services)
        yield (
            "certbot is not installed, so no deploy hook is written: let the client that renews "
            f"{settings.letsencrypt_live}/{settings.mail_domain} run this after each renewal: {commands}"
        )


def desired_content(settings: Settings, content: str | None) -> str:
    """The hook with a first line and a reload of every unit; as it is where it has them."""
    content = content or ""
    first = content.partition("\n")[0]
    if first.endswith("\r"):
        content = content.replace("\r\n", "\n")
    # A byte order mark hides the first line from the kernel.
    content = content.removeprefix("\xef\xbb\xbf")
    if not content.startswith("#!"):
        content = f"#!/bin/sh\n{content}"
    if not _shell(content):
        return content
    own = _BLOCK.sub("", content)
    missing = [unit for unit in settings.certbot_reload_services if not _reloads(own, unit)]
    if not missing:
        return own
    block = _block(settings, missing)
    if _BLOCK.search(content):
        return _BLOCK.sub(lambda _: block, content, count=1)
    own = own if own.endswith("\n") else own + "\n"
    place = _last_exit(own)
    return own[:place] + block + own[place:]


def desired_mode(hook: File) -> str:
    """The hook's mode with the run bit where it may be read; 0755 for a new one."""
    if not hook.mode:
        return "0755"
    mode = int(hook.mode, 8)
    return f"{mode | (mode & 0o444) >> 2:04o}"


_BLOCK = re.compile(r"^# BEGIN smtp-auth\b.*?^# END smtp-auth\n", re.MULTILINE | re.DOTALL)


def _certbot(look: Look) -> bool:
    return "certbot" in look.commands


def _block(settings: Settings, units: Sequence[str]) -> str:
    others = [unit for unit in units if _bare(unit) != "postfix"]
    lineages = [f"{settings.letsencrypt_live}/{domain}" for domain in settings.domains]
    return render(
        "certbot_hook_block.sh.j2",
        lineages=map(shlex.quote, lineages) if len(others) < len(units) else [],
        units=others,
    )


def _shell(content: str) -> str:
    """The POSIX shell that a script's `#!` line calls, such as `/usr/bin/env bash`; empty for others."""
    words = content.partition("\n")[0].removeprefix("#!").split()
    words = [word for word in words if not word.startswith("-")]
    names = [word.rpartition("/")[2] for word in words]
    name = names[1] if names[:1] == ["env"] and len(names) > 1 else "".join(names[:1])
    return " ".join(words) if name in _SHELLS else ""


def _last_exit(content: str) -> int:
    """The offset of the script's last line where that leaves it for good, else that of its end."""
    last = None
    for match in re.finditer(r"^(?!\s*(?:#|$)).*\n", content, re.MULTILINE):
        before, last = last, match
    if last is None or not re.match(r"(?:[^#\s][^#]*;\s*)?(?:exit|exec)\b", last[0]):
        return len(content)
    continued = before is not None and re.search(r"(?:\\|&&|\|\|?)\s*$", before[0])
    return len(content) if continued else last.start()


def _bare(unit: str) -> str:
    return unit.removesuffix(".service")


def _unit(unit: str) -> str:
    return re.escape(_bare(unit))


def _reloads(content: str, unit: str) -> bool:
    """Whether a line of the script reloads or restarts a unit, in one of the usual ways."""
    name = rf"(?<![\w@.-])[\"']?{_unit(unit)}(?:\.service)?(?![\w@.-])"
    verb = r"(?:try-)?(?:reload|restart|reload-or-restart|reload-or-try-restart)"
    ways = (
        rf"\bsystemctl\s[^#\n]*{verb}\s[^#\n]*{name}",
        rf"\b(?:service|invoke-rc\.d)\s+{name}\s+(?:force-)?(?:reload|restart)\b",
        rf"/etc/init\.d/{_unit(unit)}\s+(?:force-)?(?:reload|restart)\b",
        *([r"(?<![\w.-])postfix\s+reload\b"] if _bare(unit) == "postfix" else []),
    )
    return any(re.search(rf"^[^#\n]*{way}", content, re.MULTILINE) for way in ways)
