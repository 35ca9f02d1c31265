"""certbot's deploy hook on a host, run without a renewal."""

from lab.command import wait_until
from lab.host import LabHost

HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"


def run_until_postfix_is_reloaded(host: LabHost) -> None:
    """Run the hook as certbot does for the domain's lineage. Raises `LabError` if Postfix is not reloaded."""
    before = host.run("pgrep -x qmgr").stdout
    # As certbot runs it: through a shell, whatever its exit status.
    host.run(
        f"RENEWED_LINEAGE=/etc/letsencrypt/live/{host.domain} RENEWED_DOMAINS={host.name} sh -c {HOOK}",
        check=False,
    )
    wait_until(
        lambda: host.run("pgrep -x qmgr", check=False).stdout not in ("", before),
        f"Postfix reloaded on {host.name}",
    )
