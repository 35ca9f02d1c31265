"""The programs that run on a mail host, really run, with what Debian 12's and 13's Postfix and Dovecot say.

The facts below `recorded/` come from booted hosts: bookworm has Postfix 3.7 and Dovecot 2.3, trixie 3.10
and 2.4. A host that was deployed to gave `look.txt`, `doveconf_deployed.txt` and the conversations.
"""

from pathlib import Path

RECORDED = Path(__file__).parents[1] / "recorded"

RELEASES = ("bookworm", "trixie")
