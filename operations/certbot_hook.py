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
    Let `renewal-hooks/deploy/reload_services.sh` reload the units of `certbot_reload_services`.

    A hook that surely reloads them already stays as it is; `services/certbot` judges. Otherwise our lines,
    between BEGIN and END, come first, in front of whatever may end the owner's script. They reload what
    the owner's lines do not: Postfix if the renewed lineage is one that it serves and its key belongs to
    its certificate; the other units after any renewal. What fails goes to standard error, which certbot
    logs, and the owner's lines run all the same.

    A missing `#!` line, a missing run bit and CRLF line ends are repaired, because certbot or the
    kernel would not run the hook. On a host without certbot nothing is written.

    + present: `False` in remove.py, where all of it is taken back

    **Example:**

    .. code:: python

        certbot_hook.reload_services(name="Certificate rotation: certbot's hook reloads Postfix")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Give the hook its lines and its mode, on a host with certbot."""
    # Without certbot, lines from before certbot was removed stay.
    draft.claim(HOOK, OUR_LINES)
    if not has_certbot(draft.look):
        return
    hook = draft.look.files[HOOK.key]
    content = desired_content(draft.settings, hook.content)
    if "\r" in (hook.content or "") and "\r" not in content:
        draft.note(f"{hook.path}: CRLF line ends become LF, for a shell would look for other commands")
    draft.write(HOOK, content, mode=desired_mode(hook))


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    for unit, found in _in_another_language(settings, look):
        if found is ScriptEffect.NO:
            yield (
                f"{_introduced(look)}, which is no shell, and does not reload {unit}: "
                f"let it run `systemctl reload {unit}`, or rename it (certbot runs all of its directory)"
            )


def _warnings(settings: Settings, look: Look) -> Iterator[str]:
    if not has_certbot(look):
        commands = "; ".join(f"systemctl reload {unit}" for unit in settings.certbot_reload_services)
        yield (
            "certbot is not installed, so no deploy hook is written: let the client that renews "
            f"{settings.lineage(settings.mail_domain)} run this after each renewal: {commands}"
        )
    for unit, found in _in_another_language(settings, look):
        if found is ScriptEffect.PERHAPS:
            yield (
                f"{_introduced(look)}, which is no shell, so whether it reloads {unit} after each renewal "
                "cannot be told: see to it, or rename it (certbot runs all of its directory)"
            )


def _in_another_language(settings: Settings, look: Look) -> list[tuple[str, ScriptEffect]]:
    """What a hook that no shell reads does for each unit; nothing for other hooks."""
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
