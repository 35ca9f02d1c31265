"""certbot's deploy hook: the file, and the pattern of our lines in it."""

import re

from smtp_auth.facts.look import ManagedFile

HOOK = ManagedFile("hook", "certbot", "reload_services.sh")

# Our lines, which are made from templates/certbot_hook_block.sh.j2.
BLOCK = re.compile(r"^# BEGIN smtp-auth\b.*?^# END smtp-auth\r?(?:\n|\Z)", re.MULTILINE | re.DOTALL)
