"""The certificates will be renewed, and the services reloaded."""

import pytest

from smtp_auth.facts.look import Look
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.certbot.hook import effect_of_hook, is_for_certbot, reason_of_warning, unrenewed
from smtp_auth.services.certbot.script_effect import ScriptEffect
from smtp_auth.services.certbot.shebang import is_text
from smtp_auth.shown import command
from smtp_auth.verify.renewal import Renewer
from smtp_auth.verify.target import Target, caution

_NOT_SEEN = "{}, so this check cannot see {}"


def test_something_renews_the_certificates(look: Look, renewers: tuple[Renewer, ...], target: Target) -> None:
    by_certbot = is_for_certbot(look)
    running = [one for one in renewers if one.runs and (by_certbot or not one.is_certbots)]
    reason = "" if by_certbot else reason_of_warning(target.settings, look)
    if not reason and len(unrenewed(look)) == len(look.certificates):
        reason = "certbot has no renewal configuration for them"
    if reason and not running:
        pytest.skip(_NOT_SEEN.format(reason, "what renews the certificates"))
    there = ", ".join(one.name for one in renewers) or "no timer and no cron job"
    assert running, (
        f"nothing renews the certificates ({there}): run systemctl enable --now certbot.timer, or add a cron "
        "job"
    )
    for one in running:
        if one.failed:
            caution(
                f"the last renewal failed ({one.failed}): {command('journalctl', '-u', one.name)} shows why"
            )
    if not any(one.enabled for one in running):
        name = running[0].name
        caution(f"{name} does not start when the host boots: run {command('systemctl', 'enable', name)}")


def test_certbot_knows_how_to_renew_each_lineage(look: Look, target: Target) -> None:
    """A certificate that is made by hand, or copied by another machine, is not certbot's to renew."""
    if not is_for_certbot(look):
        reason = reason_of_warning(target.settings, look)
        pytest.skip(_NOT_SEEN.format(reason, "how each lineage is renewed"))
    without = unrenewed(look)
    if without:
        caution(
            f"certbot does not renew {', '.join(without)}, because it has no renewal configuration for it: "
            "make sure that something else renews it, or issue the certificate with certbot certonly under "
            "another name"
        )


def test_a_renewal_reloads_the_services(look: Look, target: Target) -> None:
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
