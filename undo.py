"""Restores what the last change of each host replaced.

pyinfra inventory.py undo.py --dry --diff            shows what would be restored
pyinfra inventory.py undo.py                         restores it
pyinfra inventory.py undo.py --data undo_to=ID       undoes that change and all later ones
"""

from operations import STEPS
from smtp_auth.runs import live, undo

if undo.ready_to_undo(STEPS):
    undo.last_change(name="Undo: restore what the last change replaced")

    # Reloads services if only that is due.
    live.changes(name="Reload: every service runs its current configuration")
