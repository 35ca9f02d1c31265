"""Certificate rotation: certbot's deploy hook reloads Postfix after a renewal."""

import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from operations.template import render
from smtp_auth.facts.look import File, Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.runs.operation import take_part
from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot.block import HOOK, with_our_lines
from smtp_auth.services.certbot.definitions import OUR_LINES
from smtp_auth.services.certbot.hook import reason_of_warning, runs_hook, unrenewed
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of, surely_rebuilds
from smtp_auth.services.certbot.shebang import is_text, shell_of
from smtp_auth.services.postfix.sni import index_of
from smtp_auth.settings import Settings
from smtp_auth.shown import command


@operation()
def reload_services(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Make `renewal-hooks/deploy/reload_services.sh` reload the units of `certbot_reload_services`.

    A hook that certainly reloads them already stays as it is (`services/certbot/script_effect.py` decides
    that). Otherwise our lines, between BEGIN and END, are added at the top, because the owner's script may
    exit early. They reload the units that the owner's lines do not reload: Postfix if it serves the renewed
    lineage and the lineage's key belongs to its certificate; other units after any renewal. Before that, they
    rebuild the owner's indexed SNI tables, which contain copies of keys and certificates. Errors are written
    to standard error, which certbot logs, and then the owner's lines run.

    A missing `#!` line, a missing run bit and CRLF line ends are repaired, because certbot or the kernel
    would not run the hook. Nothing is written on a host without certbot, beside lineages that are not
    certbot's, and into a hook that is a program.

    + present: `False` in remove.py, which removes our lines

    Source: certbot's user guide, "Renewing certificates": the scripts of `renewal-hooks/deploy` run after
    each renewal.

    **Example:**

    .. code:: python

        certbot_hook.reload_services(name="Certificate rotation: certbot's hook reloads Postfix")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Write the hook's lines and mode, where certbot runs it."""
    hook = draft.look.files[HOOK.key]
    if not draft.look.is_certbots:
        _delete_hook(draft)
        return
    # If certbot was removed since, our lines stay in the hook.
    draft.claim(HOOK, OUR_LINES)
    if not runs_hook(draft.look) or not is_text(hook.content or ""):
        return
    content = desired_content(draft.settings, hook.content, draft.owners.sni_tables)
    if "\r" in (hook.content or "") and "\r" not in content:
        draft.note(
            f"{hook.path}: CRLF line ends become LF, because a shell reads the CR as a part of the command"
        )
    draft.write(HOOK, content, mode=desired_mode(hook))


def _delete_hook(draft: Draft) -> None:
    """Delete the hook if it is ours alone. In an owner's, nobody claims our lines any more."""
    hook, one = draft.look.files[HOOK.key], draft.ledger.files.get(HOOK.key)
    if one is None or not one.is_ours or one.is_edited or one.before.sha256:
        return
    draft.claim(HOOK, OUR_LINES)
    draft.note(f"{hook.path} is deleted, because certbot does not run it there")
    draft.remove(HOOK)


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    for unit, found in _in_another_language(settings, look):
        if found is ScriptEffect.NO:
            yield (
                f"{_introduced(look)}, which is not a shell, and the script does not reload {unit}: make it "
                f"run `systemctl reload {unit}`, or rename it (certbot runs all files of its directory)"
            )


def _warnings(settings: Settings, look: Look) -> Iterator[str]:
    after_renewal = f"run this after each renewal: {'; '.join(_commands(settings, look))}"
    reason = reason_of_warning(settings, look)
    if reason:
        yield (
            f"{reason}, so no deploy hook is written: make the program that renews "
            f"{settings.lineage(settings.mail_domain)} {after_renewal}"
        )
        return
    without = unrenewed(look)
    if without:
        yield (
            f"certbot has no renewal configuration for {', '.join(without)}, so it runs no hook when that is "
            f"renewed: make the program that renews or copies it {after_renewal}"
        )
    hook = look.files[HOOK.key]
    if not is_text(hook.content or ""):
        yield from _warnings_about_a_program(settings, look)
    for unit, found in _in_another_language(settings, look):
        if found is ScriptEffect.PERHAPS:
            yield (
                f"{_introduced(look)}, which is not a shell, so it is unknown whether the script reloads "
                f"{unit} after each renewal: make sure that it does, or rename it (certbot runs all files of "
                "its directory)"
            )
    if look.sni_tables and _is_in_another_language(look):
        yield (
            f"{_introduced(look)}, which is not a shell, so it is unknown whether the script rebuilds "
            f"{', '.join(look.sni_tables)} after each renewal: make sure that it runs "
            f"{'; '.join(_rebuilds(look))}, or rename it (certbot runs all files of its directory)"
        )


def _warnings_about_a_program(settings: Settings, look: Look) -> Iterator[str]:
    hook, done = look.files[HOOK.key], "; ".join(_commands(settings, look))
    if int(hook.mode or "0", 8) & 0o111:
        yield (
            f"{hook.path} is a program and no script, so nothing is written into it, and it is unknown what "
            "it does after each renewal: make sure that it does this, or rename it (certbot runs all files "
            f"of its directory): {done}"
        )
    else:
        yield (
            f"{hook.path} is a program and no script, so nothing is written into it, and certbot does not "
            "run it, because it is not executable: make it executable if it does this, or rename it, so that "
            f"a hook can be written: {done}"
        )


def _commands(settings: Settings, look: Look) -> list[str]:
    """What must run after each renewal."""
    return [*_rebuilds(look), *(f"systemctl reload {unit}" for unit in settings.certbot_reload_services)]


def _rebuilds(look: Look) -> list[str]:
    return [command("postmap", "-F", table) for table in look.sni_tables]


def _is_in_another_language(look: Look) -> bool:
    content = look.files[HOOK.key].content or ""
    return runs_hook(look) and content.startswith("#!") and is_text(content) and not shell_of(content)


def _in_another_language(settings: Settings, look: Look) -> list[tuple[str, ScriptEffect]]:
    """Each unit with the effect of the hook on it, if the hook is not a shell script; else nothing."""
    if not _is_in_another_language(look):
        return []
    content = look.files[HOOK.key].content or ""
    return [(unit, effect_of(content, unit)) for unit in settings.certbot_reload_services]


def _introduced(look: Look) -> str:
    hook = look.files[HOOK.key]
    first = (hook.content or "").partition("\n")[0].strip()
    return f"{hook.path} begins with {first}"


def desired_content(settings: Settings, content: str | None, tables: Iterable[str] = ()) -> str:
    """The hook with a `#!` line, a reload of every unit and a rebuild of every table.

    Unchanged if it has them all.

    + content: that of a script; `None` if there is no hook
    + tables: the owner's indexed tables with copies of certificates, `KIND:PATH`
    """
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
    own = with_our_lines(content, "")
    units = settings.certbot_reload_services
    missing = [unit for unit in units if effect_of(own, unit) is not ScriptEffect.SURELY]
    stale = [table for table in tables if not surely_rebuilds(own, table)]
    if not missing and not stale:
        return own
    own = own if own.endswith("\n") else own + "\n"
    place = own.index("\n") + 1
    return own[:place] + _block(settings, missing, stale) + own[place:]


def desired_mode(hook: File) -> str:
    """The hook's mode, executable for everybody who may read it; 0755 for a new hook."""
    if not hook.mode:
        return "0755"
    mode = int(hook.mode, 8)
    return f"{mode | (mode & 0o444) >> 2:04o}"


def _block(settings: Settings, units: Sequence[str], tables: Sequence[str]) -> str:
    others = [unit for unit in units if unit != "postfix"]
    lineages = [settings.lineage(domain) for domain in settings.domains]
    return render(
        "certbot_hook_block.sh.j2",
        indexes=[shlex.quote(index_of(table)) for table in tables],
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
