"""What the last change of each host replaced comes back.

pyinfra inventory.py undo.py --dry --diff            shows what would come back
pyinfra inventory.py undo.py                         puts it back
pyinfra inventory.py undo.py --data undo_to=ID       goes back to before that change, over several
"""

from operations import STEPS
from smtp_auth.runs import live, undo

if undo.ready_to_undo(STEPS):
    undo.last_change(name="Undo: what the last change replaced comes back")

    # Reloads what is due where nothing comes back.
    live.changes(name="Going live: what runs is what is on the disk")
