"""The certificates will be renewed, and the services reloaded."""

from collections.abc import Mapping, Sequence

import pytest

from smtp_auth.facts.look import Look
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.certbot.clients import is_forced, passes_over_hooks, reloads
from smtp_auth.services.certbot.hook import (
    effect_of_hook,
    is_for_certbot,
    reason_of_warning,
    renewed_by_certbot,
    unrenewed,
)
from smtp_auth.services.certbot.options import renews
from smtp_auth.services.certbot.script_effect import ScriptEffect
from smtp_auth.services.certbot.shebang import is_text
from smtp_auth.shown import command
from smtp_auth.verify.jobs import Job
from smtp_auth.verify.renewal import Renewer
from smtp_auth.verify.target import Target, caution

_NOT_SEEN = "{}, so this check cannot see {}"


def test_something_renews_the_certificates(look: Look, renewers: tuple[Renewer, ...], target: Target) -> None:
    certbots = renewed_by_certbot(look)
    running = [one for one in renewers if one.job.runs]
    sure = [one for one in running if (one.is_certbots if certbots else one.is_anothers)]
    there = ", ".join(one.job.name for one in renewers) or "no timer and no cron job"
    if not sure and certbots:
        may = [one.job.name for one in running if one.is_anothers or not one.clients]
        assert may, (
            f"nothing renews the certificates ({there}): run systemctl enable --now certbot.timer, or add a "
            "cron job"
        )
        caution(
            f"certbot does not run by itself, and whether {', '.join(may)} renews its certificates cannot be "
            "seen: make sure that it does, or run systemctl enable --now certbot.timer"
        )
    elif not running and is_for_certbot(look):
        # The next check warns of it.
        reason = "certbot has no renewal configuration for them"
        pytest.skip(_NOT_SEEN.format(reason, "what renews the certificates"))
    elif not sure and not is_for_certbot(look):
        directories = ", ".join(lineage.directory for lineage in look.certificates.values())
        caution(
            f"what renews {directories} was not seen on the host ({there}), and "
            f"{reason_of_warning(target.settings, look)}: make sure that something does, such as another "
            f"machine that copies it here, and runs {_reloads(target)} afterwards"
        )
    for one in sure:
        if one.job.failed:
            shows = command("journalctl", "-u", one.job.name)
            caution(f"the last renewal failed ({one.job.failed}): {shows} shows why")
    if sure and not any(one.job.enabled for one in sure):
        name = sure[0].job.name
        caution(f"{name} does not start when the host boots: run {command('systemctl', 'enable', name)}")


def test_certbot_knows_how_to_renew_each_lineage(
    look: Look, certbot_files: Mapping[str, str], renewers: tuple[Renewer, ...], target: Target
) -> None:
    """A certificate that is made by hand, or copied by another machine, is not certbot's to renew."""
    if not is_for_certbot(look):
        reason = reason_of_warning(target.settings, look)
        pytest.skip(_NOT_SEEN.format(reason, "how each lineage is renewed"))
    without = unrenewed(look)
    if without:
        caution(
            f"certbot does not renew {', '.join(without)}, because it has no renewal configuration for it, "
            "and what else does was not seen: make sure that something renews it or copies it here, and runs "
            f"{_reloads(target)} afterwards; or issue the certificate with certbot certonly under another "
            "name"
        )
    running = [one for one in renewers if one.job.runs]
    # Whoever forces certbot renews also what it would leave alone.
    if any(one.is_certbots and is_forced(one.job.commands) for one in running):
        return
    off = [one for one in renewed_by_certbot(look) if not renews(certbot_files.get(one.renewal, ""))]
    for lineage in off:
        text = (
            f"certbot does not renew {lineage.directory}, because {lineage.renewal} has autorenew = False: "
            "delete that line, or make sure that something else renews it"
        )
        assert any(one.is_anothers for one in running), text
        caution(text)


def test_a_renewal_reloads_the_services(
    look: Look,
    jobs: tuple[Job, ...],
    renewers: tuple[Renewer, ...],
    own_hooks: str,
    target: Target,
) -> None:
    passed_over = _without_hooks(look, renewers) if renewed_by_certbot(look) else ""
    if passed_over:
        running = [own_hooks, *(job.commands for job in jobs if job.runs)]
        _reloaded_otherwise(look, target, passed_over, running)
        return
    reason = reason_of_warning(target.settings, look)
    if reason:
        pytest.skip(_NOT_SEEN.format(reason, "whether a renewal reloads Postfix"))
    hook = look.files[HOOK.key]
    for unit in target.settings.certbot_reload_services:
        found = effect_of_hook(hook.content or "", unit)
        assert found is not ScriptEffect.NO, f"{hook.path} does not reload {unit}: deploy again"
        if not is_text(hook.content or ""):
            caution(f"{hook.path} may not reload {unit}: it is a program and no script")
        elif found is ScriptEffect.PERHAPS:
            caution(
                f"{hook.path} may not reload {unit}: its text does not show whether it reaches that command"
            )


def _without_hooks(look: Look, renewers: Sequence[Renewer]) -> str:
    """Why certbot passes over the hooks in its directories; empty if it does not."""
    if look.without_hooks:
        return f"{look.without_hooks} has no-directory-hooks"
    for one in renewers:
        if one.job.runs and one.is_certbots and passes_over_hooks(one.job.commands):
            return f"{one.job.name} starts certbot with --no-directory-hooks"
    return ""


def _reloaded_otherwise(look: Look, target: Target, reason: str, commands: Sequence[str]) -> None:
    for unit in target.settings.certbot_reload_services:
        assert any(reloads(text, unit) for text in commands), (
            f"{reason}, so certbot does not run {look.files[HOOK.key].path}, and nothing else was seen that "
            f"reloads {unit} after a renewal: delete that option, or add --deploy-hook "
            f"'{command('systemctl', 'reload', unit)}'"
        )


def _reloads(target: Target) -> str:
    return "; ".join(command("systemctl", "reload", unit) for unit in target.settings.certbot_reload_services)
