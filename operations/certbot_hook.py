"""Certificate rotation: certbot's deploy hook reloads Postfix after a renewal."""

import shlex
from collections.abc import Generator, Iterator, Sequence

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from operations.template import render
from smtp_auth.facts.look import File, Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.runs.operation import take_part
from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot.block import BLOCK, HOOK
from smtp_auth.services.certbot.definitions import OUR_LINES
from smtp_auth.services.certbot.hook import has_certbot
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of
from smtp_auth.services.certbot.shebang import shell_of
from smtp_auth.settings import Settings


@operation()
def reload_services(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Make `renewal-hooks/deploy/reload_services.sh` reload the units of `certbot_reload_services`.

    A hook that certainly reloads them already stays as it is (`services/certbot/script_effect.py` decides
    that). Otherwise our lines, between BEGIN and END, are added at the top, because the owner's script may
    exit early. They reload the units that the owner's lines do not reload: Postfix if it serves the renewed
    lineage and the lineage's key belongs to its certificate; other units after any renewal. Errors are
    written to standard error, which certbot logs, and then the owner's lines run.

    A missing `#!` line, a missing run bit and CRLF line ends are repaired, because certbot or the kernel
    would not run the hook. On a host without certbot nothing is written.

    + present: `False` in remove.py, which removes our lines

    Source: certbot's user guide, "Renewing certificates": the scripts of `renewal-hooks/deploy` run after
    each renewal.

    **Example:**

    .. code:: python

        certbot_hook.reload_services(name="Certificate rotation: certbot's hook reloads Postfix")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Write the hook's lines and mode, on a host with certbot."""
    # If certbot was removed since, our lines stay in the hook.
    draft.claim(HOOK, OUR_LINES)
    if not has_certbot(draft.look):
        return
    hook = draft.look.files[HOOK.key]
    content = desired_content(draft.settings, hook.content)
    if "\r" in (hook.content or "") and "\r" not in content:
        draft.note(
            f"{hook.path}: CRLF line ends become LF, because a shell reads the CR as a part of the command"
        )
    draft.write(HOOK, content, mode=desired_mode(hook))


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    for unit, found in _in_another_language(settings, look):
        if found is ScriptEffect.NO:
            yield (
                f"{_introduced(look)}, which is not a shell, and the script does not reload {unit}: make it "
                f"run `systemctl reload {unit}`, or rename it (certbot runs all files of its directory)"
            )


def _warnings(settings: Settings, look: Look) -> Iterator[str]:
    if not has_certbot(look):
        commands = "; ".join(f"systemctl reload {unit}" for unit in settings.certbot_reload_services)
        yield (
            "certbot is not installed, so no deploy hook is written: make the program that renews "
            f"{settings.lineage(settings.mail_domain)} run this after each renewal: {commands}"
        )
    for unit, found in _in_another_language(settings, look):
        if found is ScriptEffect.PERHAPS:
            yield (
                f"{_introduced(look)}, which is not a shell, so it is unknown whether the script reloads "
                f"{unit} after each renewal: make sure that it does, or rename it (certbot runs all files of "
                "its directory)"
            )


def _in_another_language(settings: Settings, look: Look) -> list[tuple[str, ScriptEffect]]:
    """Each unit with the effect of the hook on it, if the hook is not a shell script; else nothing."""
    content = look.files[HOOK.key].content or ""
    if not has_certbot(look) or not content.startswith("#!") or shell_of(content):
        return []
    return [(unit, effect_of(content, unit)) for unit in settings.certbot_reload_services]


def _introduced(look: Look) -> str:
    hook = look.files[HOOK.key]
    first = (hook.content or "").partition("\n")[0].strip()
    return f"{hook.path} begins with {first}"


def desired_content(settings: Settings, content: str | None) -> str:
    """The hook with a `#!` line and a reload of every unit; unchanged if it has both."""
    content = content or ""
    first = content.partition("\n")[0]
    if first.endswith("\r"):
        content = content.replace("\r\n", "\n")
    # A byte order mark hides the first line from the kernel.
    content = content.removeprefix("\xef\xbb\xbf")
    if not content.startswith("#!"):
        content = f"#!/bin/sh\n{content}"
    if not shell_of(content):
        return content
    own = BLOCK.sub("", content)
    units = settings.certbot_reload_services
    missing = [unit for unit in units if effect_of(own, unit) is not ScriptEffect.SURELY]
    if not missing:
        return own
    own = own if own.endswith("\n") else own + "\n"
    place = own.index("\n") + 1
    return own[:place] + _block(settings, missing) + own[place:]


def desired_mode(hook: File) -> str:
    """The hook's mode, executable for everybody who may read it; 0755 for a new hook."""
    if not hook.mode:
        return "0755"
    mode = int(hook.mode, 8)
    return f"{mode | (mode & 0o444) >> 2:04o}"


def _block(settings: Settings, units: Sequence[str]) -> str:
    others = [unit for unit in units if unit != "postfix"]
    lineages = [settings.lineage(domain) for domain in settings.domains]
    return render(
        "certbot_hook_block.sh.j2",
        lineages=map(shlex.quote, lineages) if len(others) < len(units) else [],
        units=others,
    )


STEP = Step(
    name="Certificate rotation",
    nothing_to_do="the deploy hook needs no change",
    service=CERTBOT,
    edit=edit,
    files=(HOOK,),
    obstacles=_obstacles,
    warnings=_warnings,
)
