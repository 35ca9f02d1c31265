"""SSH keys of hosts: which are accepted, and with which signatures.

The SSH configuration decides (`StrictHostKeyChecking`), unless the data of a host has
`ssh_strict_host_key_checking`. Where neither says anything, a key that is not known is accepted once, and
stored: as OpenSSH does it with `accept-new`. A key that has changed is always refused.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from paramiko import MissingHostKeyPolicy, PKey, SSHClient, SSHException
from pyinfra import logger
from pyinfra.api.output import format_text

from smtp_auth.runs import pyinfra_internals
from smtp_auth.shown import shown

# OpenSSH reads them beside the user's own.
_OF_THE_MACHINE = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")

# The signatures with SHA-1. RSA keys sign with SHA-2, too.
_OFF = {"keys": ["ssh-rsa"], "pubkeys": ["ssh-rsa"]}


def heed_host_keys() -> None:
    """Connect as the SSH configuration says from now on. pyinfra ignores its `StrictHostKeyChecking`."""
    pyinfra_internals.check_host_keys_with(_policy, _known_hosts, _without_sha1)


class _Strict(MissingHostKeyPolicy):
    """Refuses a host whose key is not known."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        raise SSHException(
            f"the host key of {hostname} is not known ({_fingerprint(key)}), and StrictHostKeyChecking is "
            "yes or ask: compare the fingerprint, then connect once with ssh, which stores the key"
        )


class _AcceptNew(MissingHostKeyPolicy):
    """Accepts a key that is not known, and stores it."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        file = pyinfra_internals.store_host_key(client, hostname, key)
        _tell_once(file)
        logger.info(f"    {shown(hostname)}: {key.get_name()} {_fingerprint(key)}")


class _Off(MissingHostKeyPolicy):
    """Accepts any key that is not known, each time."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        logger.warning(f"    {shown(hostname)}: its host key is not known, and not checked")


_POLICIES = {
    "yes": _Strict,
    "true": _Strict,
    "ask": _Strict,
    "accept-new": _AcceptNew,
    "no": _Off,
    "off": _Off,
    "false": _Off,
}

_told: list[str] = []


def _tell_once(file: str) -> None:
    if not _told:
        _told.append(file)
        logger.warning(
            format_text(
                f"SSH keys of these hosts were not known; they are accepted and stored in {file}. With "
                "StrictHostKeyChecking yes in ~/.ssh/config, such hosts are refused instead",
                "yellow",
            )
        )


def _policy(asked_for: str | None) -> MissingHostKeyPolicy:
    """+ asked_for: by the host's data or the SSH configuration, if they say anything"""
    value = "accept-new" if asked_for is None else str(asked_for).lower()
    if value not in _POLICIES:
        raise SSHException(f"StrictHostKeyChecking {asked_for}: give yes, ask, accept-new or no")
    return _POLICIES[value]()


def _known_hosts(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(file for file in (*files, *_OF_THE_MACHINE) if Path(file).exists())


def _without_sha1(own: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments for paramiko, with the algorithms that are off added to an owner's own."""
    off = {key: [*names] for key, names in ((own or {}).get("disabled_algorithms") or {}).items()}
    for key, names in _OFF.items():
        off[key] = [*dict.fromkeys([*off.get(key, ()), *names])]
    return {**(own or {}), "disabled_algorithms": off}


def _fingerprint(key: PKey) -> str:
    """As ssh-keygen -l shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
