"""certbot's deploy hook: whether certbot runs it, and what it does."""

from smtp_auth.facts.look import Lineage, Look
from smtp_auth.services.certbot.block import HOOK, our_lines, with_our_lines
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of
from smtp_auth.settings import Settings


def has_certbot(look: Look) -> bool:
    """Whether certbot is installed on the host."""
    return "certbot" in look.commands


def is_for_certbot(look: Look) -> bool:
    """Whether the lineages are in a directory of certbot's, and it is installed."""
    return has_certbot(look) and look.is_certbots


def runs_hook(look: Look) -> bool:
    """Whether certbot runs the hook after it has renewed a lineage."""
    return is_for_certbot(look) and not look.without_hooks and not look.files[HOOK.key].owners


def reason_of_warning(settings: Settings, look: Look) -> str:
    """Why certbot never runs the hook, for a warning; empty if it does."""
    if not has_certbot(look):
        return "certbot is not installed"
    if not look.is_certbots:
        return f"{settings.letsencrypt_live} is not a directory of certbot's"
    if look.without_hooks:
        return f"{look.without_hooks} has no-directory-hooks"
    for owner in look.files[HOOK.key].owners:
        return f"{owner.directory} belongs to the account {owner.name}, which could replace a hook there"
    return ""


def configuration_directory(look: Look) -> str:
    """certbot's directory for its configuration, which contains the hook: the parent of the lineages'."""
    return look.files[HOOK.key].path.removesuffix(f"/renewal-hooks/deploy/{HOOK.name}")


def unrenewed(look: Look) -> tuple[str, ...]:
    """The directories of the lineages for which certbot has no renewal configuration."""
    return tuple(
        lineage.directory
        for lineage in look.certificates.values()
        if lineage.chain is not None and not lineage.renewal
    )


def renewed_by_certbot(look: Look) -> tuple[Lineage, ...]:
    """The lineages for which certbot, which is installed, has a renewal configuration."""
    lineages = look.certificates.values() if is_for_certbot(look) else ()
    return tuple(lineage for lineage in lineages if lineage.renewal)


def effect_of_hook(content: str, unit: str) -> ScriptEffect:
    """Whether a hook reloads a unit, with its owner's lines and ours.

    Our lines reload Postfix only after a renewal of one of the host's own lineages. That is what the deploy
    wants, so here it counts as an unconditional reload.
    """
    reload = f"systemctl reload {unit}"
    counted = f"{reload}\n" if f"{reload} " in our_lines(content) else ""
    return effect_of(with_our_lines(content, counted), unit)
