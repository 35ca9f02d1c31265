"""certbot's deploy hook: which file it is, and which lines of it are ours."""

import re

from smtp_auth.facts.look import ManagedFile

HOOK = ManagedFile("hook", "certbot", "reload_services.sh")

# Our lines, as templates/certbot_hook_block.sh.j2 has them.
BLOCK = re.compile(r"^# BEGIN smtp-auth\b.*?^# END smtp-auth\n", re.MULTILINE | re.DOTALL)
