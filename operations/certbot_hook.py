"""Certificate rotation: certbot's deploy hook reloads Postfix after a renewal."""

import re
from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import File
from operations.activation import Replacement, activation
from operations.changes import current, show, show_difference


@operation()
def reload_services() -> Generator[PyinfraCommand, None, None]:
    """
    Let `renewal-hooks/deploy/reload_services.sh` reload the units of `certbot_reload_services`.

    A hook that is there keeps its lines; those that are missing come behind them. certbot runs a hook
    only where it is executable and begins with `#!`: both are mended.

    **Example:**

    .. code:: python

        certbot_hook.reload_services(name="certbot reloads Postfix after a renewal")
    """
    change = yield from current()
    if change is None:
        return
    look = change.look
    hook = look.hook
    content = desired_content(hook.content, change.settings.certbot_reload_services)
    mode = desired_mode(hook)
    leftovers = any("/renewal-hooks/" in path for path in look.leftovers)
    if (content, mode) == (hook.content, hook.mode) and not leftovers:
        host.noop("the deploy hook reloads what it should")
        return
    show_difference(hook.path, hook.content, content)
    if mode != hook.mode:
        show([*([f"-mode {hook.mode}"] if hook.mode else []), f"+mode {mode}"])
    yield activation(
        "certbot_hook.sh",
        service="certbot's deploy hook",
        lock=look.main_cf.real_path.rpartition("/")[0],
        managed=[hook],
        replacements=[Replacement(hook, content, mode)],
        variables={"hook": hook.real_path},
    )


def desired_content(content: str | None, units: Sequence[str]) -> str:
    """The hook with a first line and a reload of every unit; as it is where it has them."""
    content = content or ""
    end = "\r\n" if content.endswith("\r\n") else "\n"
    if not content.startswith("#!"):
        content = f"#!/bin/sh{end}{content}"
    missing = [unit for unit in units if not _reloads(content, unit)]
    if missing and not content.endswith("\n"):
        content += end
    return content + "".join(f"systemctl reload {unit}{end}" for unit in missing)


def desired_mode(hook: File) -> str:
    """The hook's mode with the run bit where it may be read; 0755 for a new one."""
    if not hook.mode:
        return "0755"
    mode = int(hook.mode, 8)
    return f"{mode | (mode & 0o444) >> 2:04o}"


def _reloads(content: str, unit: str) -> bool:
    name = re.escape(unit.removesuffix(".service"))
    verb = r"(?:try-)?(?:reload|restart|reload-or-restart|reload-or-try-restart)"
    pattern = rf"^[^#\n]*\bsystemctl\s[^#\n]*{verb}\s[^#\n]*(?<![\w@.-]){name}(?:\.service)?(?![\w@.-])"
    return re.search(pattern, content, re.MULTILINE) is not None
