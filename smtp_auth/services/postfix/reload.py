"""When Postfix has to be reloaded although nothing is edited: what runs is older than what is on the disk."""

from smtp_auth.facts.look import MAIN_CF, Look
from smtp_auth.plan.draft import Draft

# Rounding of process start times; a reload that follows a change takes longer than this (seconds).
_CLOCK_TOLERANCE = 0.05


def due(draft: Draft) -> None:
    """Reload Postfix where main.cf or master.cf is newer than what runs."""
    for file in (draft.look.main_cf, draft.look.master_cf):
        reload_if_older(draft, file.changed, f"{file.path} is newer than what runs")


def reload_if_older(draft: Draft, changed: float, reason: str) -> None:
    """Reload Postfix if it runs, and last read its files before this time (seconds since 1970)."""
    if _is_outdated(draft.look, changed):
        draft.reload(MAIN_CF.service, reason)


def _is_outdated(look: Look, changed: float) -> bool:
    return look.postfix_reloaded is not None and changed > look.postfix_reloaded + _CLOCK_TOLERANCE
