"""When Postfix has to be reloaded without an edit: it still runs with older files than those on the disk."""

from smtp_auth.facts.look import MAIN_CF, Look
from smtp_auth.plan.draft import Draft

# Seconds. Process start times are rounded; a reload after a change takes longer than this.
_CLOCK_TOLERANCE = 0.05


def due(draft: Draft) -> None:
    """Reload Postfix if main.cf or master.cf is newer than its last reload."""
    for file in (draft.look.main_cf, draft.look.master_cf):
        reload_if_older(draft, file.changed, f"{file.path} is newer than the running configuration")


def reload_if_older(draft: Draft, changed: float, reason: str) -> None:
    """Reload Postfix if it runs and last read its files before a time (seconds since 1970)."""
    if is_outdated(draft.look, changed):
        draft.reload(MAIN_CF.service, reason)


def is_outdated(look: Look, changed: float) -> bool:
    """Whether Postfix runs, and last read its files before a time (seconds since 1970)."""
    return look.postfix_reloaded is not None and changed > look.postfix_reloaded + _CLOCK_TOLERANCE
