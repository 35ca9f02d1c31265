"""What every host needs before any step: root, the programs, readable configuration, a running Postfix.

A stopped Postfix stays stopped: whoever stopped it may have had a reason, and a change can prove itself only
on the running service.
"""

import re
from collections.abc import Iterator

from smtp_auth.facts.look import File, Look


def unreadable(look: Look) -> Iterator[str]:
    """Why no step can be judged on this host; nothing if they can."""
    if look.uid != 0:
        yield "not root: set ssh_user to 'root', or _sudo to True, for this host"
        return
    programs = {"postconf": "Postfix", "doveconf": "Dovecot", "systemctl": "systemd"}
    for command, program in programs.items():
        if command not in look.commands:
            yield f"{program} is not installed ({command} not found): install it, or leave this host out"
    if programs.keys() - look.commands:
        return
    for command in ("openssl", "flock"):
        if command not in look.commands:
            yield f"the program {command} is missing: install the package that brings it"
    if not look.has_ledger:
        yield (
            "the ledger of the last change, below /var/lib/smtp-auth/changes, cannot be read, so nobody can "
            "tell what of this host's configuration is its owner's: restore that directory from a backup, or "
            "move it away, and all that is there now counts as the owner's"
        )
    yield from _configuration_obstacles(look)


def stopped(look: Look) -> Iterator[str]:
    """That Postfix does not run, or that systemd does not hold Postfix or Dovecot, if so."""
    if look.postfix_reloaded is None:
        yield "Postfix is not running: start it (systemctl start postfix), for a change proves itself live"
    for program, service, unit, stop in (
        ("Postfix", "postfix", look.postfix_unit, "postfix stop"),
        ("Dovecot", "dovecot", look.dovecot_unit, "doveadm stop"),
    ):
        # A template's instance is called postfix@-.service.
        if unit and not re.match(rf"{service}\b.*\.service$", unit):
            yield (
                f"{program} was not started by systemd (it runs in {unit}), which cannot reload it: "
                f"run {stop}, then systemctl restart {service}"
            )


def unchangeable(look: Look) -> tuple[str, ...]:
    """Why no change of this host can be made or proved; empty if one can."""
    return tuple(unreadable(look)) or tuple(stopped(look))


def in_the_way(file: File) -> str:
    """The sentence for a path at which something stands that is no file."""
    return f"{file.path} is {file.odd}: put a file there, or take it away"


def _configuration_obstacles(look: Look) -> Iterator[str]:
    """Why Postfix's own programs cannot read its configuration; the rest of a look rests on that."""
    for file in (look.main_cf, look.master_cf):
        if file.content is None:
            yield f"{file.path} is {file.odd or 'missing or cannot be read'}: restore it"
            return
    try:
        _ = look.submissions_services
    except ValueError as error:
        yield f"{look.master_cf.path} has a broken line, mend it first: {error}"
        return
    if "queue_directory" not in look.parameters:
        yield "Postfix's configuration has an error: postconf -n on the host names it"
    elif look.postfix_release is None:
        yield (
            f"Postfix calls its version {look.postfix_version!r}, which begins with no number: "
            "what it knows cannot be told; upgrade it, or leave this host out"
        )
