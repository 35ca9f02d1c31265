"""What every host needs before any step: root, the programs, readable configuration, a running Postfix.

This program does not start a stopped Postfix, because somebody may have stopped it for a reason. Without a
running Postfix, no change can be proved.
"""

import re
from collections.abc import Iterable, Iterator

from smtp_auth.facts.look import File, Look, ManagedFile
from smtp_auth.plan.writers import unprotected
from smtp_auth.postfix.master_cf import services

# A host with 250 addresses, and services of its own for three ports on each of them, has fewer.
_MOST_SMTPDS = 1_000


def unreadable(look: Look) -> Iterator[str]:
    """Why no plan can be made for this host, one sentence per reason; nothing if one can."""
    if look.uid != 0:
        yield "not root: set ssh_user to 'root', or _sudo to True, for this host"
        return
    if not look.has_systemd:
        yield (
            "systemd is not process 1 of this host (there is no /run/systemd/system), so neither a deploy "
            "nor certbot's hook could reload Postfix and Dovecot: boot the host with systemd, or leave it out"
        )
        return
    programs = {"postconf": "Postfix", "doveconf": "Dovecot", "systemctl": "systemd"}
    for command, program in programs.items():
        if command not in look.commands:
            yield f"{program} is not installed ({command} not found): install it, or leave this host out"
    if programs.keys() - look.commands:
        return
    if "openssl" not in look.commands:
        yield "the program openssl is missing: install the package that contains it"
    if not look.has_ledger:
        yield (
            "the ledger of the last change, below /var/lib/smtp-auth/changes, cannot be read, so it is "
            "unknown which settings of this host are its owner's: restore that directory from a backup; or "
            "move it away, and then everything on the host counts as its owner's"
        )
    yield from _configuration_obstacles(look)


def stopped(look: Look) -> Iterator[str]:
    """Why no service can be reloaded: Postfix does not run, or systemd has not started Postfix or Dovecot."""
    if look.postfix_reloaded is None:
        yield "Postfix is not running, so no change could be proved: start it (systemctl start postfix)"
    for program, service, unit, stop in (
        ("Postfix", "postfix", look.postfix_unit, "postfix stop"),
        ("Dovecot", "dovecot", look.dovecot_unit, "doveadm stop"),
    ):
        # The unit of a Postfix instance is called postfix@-.service.
        if unit and not re.match(rf"{service}\b.*\.service$", unit):
            yield (
                f"{program} was not started by systemd (it runs in {unit}), so systemd cannot reload it: "
                f"run {stop}, then systemctl restart {service}"
            )
        elif unit:
            yield from _unreloadable(look, program, service, unit)


def _unreloadable(look: Look, program: str, service: str, unit: str) -> Iterator[str]:
    """Why `systemctl reload` would fail, though systemd has started the service.

    + unit: in which it runs; on Debian 12, `postfix.service` itself runs nothing and hands a reload on to
      `postfix@-.service`
    """
    if service in look.masked:
        mask = look.masked[service]
        option = "--runtime " if mask.startswith("/run/") else ""
        yield (
            f"{service}.service is masked ({mask}), so systemctl reload {service} fails, in certbot's hook, "
            f"too: run systemctl unmask {option}{service}"
        )
    elif service in look.inactive:
        yield (
            f"{program} runs in {unit}, and {service}.service is not active, so systemctl reload {service} "
            f"fails, in certbot's hook, too: run systemctl disable --now {unit}, then systemctl enable --now "
            f"{service}"
        )


def unchangeable(look: Look, managed: Iterable[ManagedFile]) -> tuple[str, ...]:
    """Why this host cannot be changed, one sentence per reason; empty if it can.

    + managed: the files that a change may write
    """
    return tuple(unreadable(look)) or (*stopped(look), *unprotected(look, managed))


def in_the_way(file: File) -> str:
    """The sentence for a path that has something else than a file, such as a directory."""
    return f"{file.path} is {file.odd}: replace it by a file, or delete it"


def _configuration_obstacles(look: Look) -> Iterator[str]:
    """Why Postfix's own programs cannot read its configuration. Without that, the rest of a look is wrong."""
    for file in (look.main_cf, look.master_cf):
        if file.content is None:
            yield f"{file.path} is {file.odd or 'missing or cannot be read'}: restore it"
            return
    try:
        found = services(look.master_cf.content or "")
    except ValueError as error:
        yield f"{look.master_cf.path} has a broken line, which you have to repair first: {error}"
        return
    smtpds = sum(service.command == "smtpd" for service in found)
    if smtpds > _MOST_SMTPDS:
        yield (
            f"{look.master_cf.path} has {smtpds} services of smtpd, and this program compares each with "
            f"each, so it reads at most {_MOST_SMTPDS}: leave this host out"
        )
        return
    if "queue_directory" not in look.parameters:
        yield "Postfix's configuration has an error: postconf -n on the host names it"
    elif look.postfix_release is None:
        yield (
            f"Postfix's version is {look.postfix_version!r}, which does not begin with a number, so it is "
            "unknown which options it has: upgrade Postfix, or leave this host out"
        )
