"""Whether all peers leave the hosts in the same state, as the hosts' own programs read their files."""

from lab import LabHost

_HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"

# Effective values only: each peer may write them in its own spelling and order, with its own comments.
_VIEWS = {
    "main.cf": "postconf -n",
    "master.cf": "postconf -M | grep -Ev '^submissions '; postconf -M submissions/inet | cut -d' ' -f1-2",
    "submissions": "postconf -P | sort",
    "Dovecot": "doveconf -n | grep -v '^#'",
    "listener": "stat -c '%F %a %U %G' /var/spool/postfix/private/auth",
    "hook": f"stat -c %a {_HOOK}; sh -n {_HOOK} && grep -ow 'systemctl reload postfix' {_HOOK}",
    "port 465": "ss -Hltn 'sport = :465' | wc -l",
}


def effective_state(host: LabHost) -> dict[str, str]:
    """Each view, to the answer of the host's programs."""
    return {view: host.run(command).stdout for view, command in _VIEWS.items()}


def differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """The lines that only one of two states has: `Dovecot: -mode = 0600`."""
    lines = []
    for view, text in wanted.items():
        before, after = set(text.splitlines()), set(found[view].splitlines())
        lines += [f"{view}: -{line}" for line in sorted(before - after)]
        lines += [f"{view}: +{line}" for line in sorted(after - before)]
    return lines
