"""The certificates will be renewed, and the services reloaded."""

import pytest

from smtp_auth.facts.look import Look
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.certbot.hook import effect_of_hook, has_certbot
from smtp_auth.services.certbot.script_effect import ScriptEffect
from smtp_auth.shown import command
from smtp_auth.verify.renewal import Renewer
from smtp_auth.verify.target import Target, caution

_NO_CERTBOT = "certbot is not installed, so this check cannot see {}"


def test_something_renews_the_certificates(look: Look, renewers: tuple[Renewer, ...]) -> None:
    running = [one for one in renewers if one.runs]
    if not running and not has_certbot(look):
        pytest.skip(_NO_CERTBOT.format("what renews the certificates"))
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


def test_certbot_knows_how_to_renew_each_lineage(look: Look, unrenewable: tuple[str, ...]) -> None:
    if not has_certbot(look):
        pytest.skip(_NO_CERTBOT.format("how each lineage is renewed"))
    assert not unrenewable, (
        f"certbot cannot renew {', '.join(unrenewable)}, because it has no renewal configuration for it: "
        "issue the certificate with certbot certonly, or renew it with the client that obtained it"
    )


def test_a_renewal_reloads_the_services(look: Look, target: Target) -> None:
    if not has_certbot(look):
        pytest.skip(_NO_CERTBOT.format("whether a renewal reloads Postfix"))
    hook = look.files[HOOK.key]
    for unit in target.settings.certbot_reload_services:
        found = effect_of_hook(hook.content or "", unit)
        assert found is not ScriptEffect.NO, f"{hook.path} does not reload {unit}: deploy again"
        if found is ScriptEffect.PERHAPS:
            caution(
                f"{hook.path} may not reload {unit}: its text does not show whether it reaches that command"
            )
