"""SSH keys of hosts: which are accepted, and with which signatures.

The SSH configuration decides (`StrictHostKeyChecking`), unless the data of a host has
`ssh_strict_host_key_checking`. Where neither says anything, a key that is not known is accepted once, and
stored: as OpenSSH does it with `accept-new`. A key that has changed is always refused.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from paramiko import HostKeys, MissingHostKeyPolicy, PKey, SSHClient, SSHException
from paramiko.hostkeys import HostKeyEntry
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
    pyinfra_internals.check_host_keys_with(_policy, _known_keys, _without_sha1)


class _Policy(MissingHostKeyPolicy):
    """Refuses a key that is revoked (`@revoked`), whoever has it."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        if key.asbytes() in _revoked:
            raise SSHException(f"the host key of {hostname} is revoked ({_fingerprint(key)})")
        self._not_known(client, hostname, key)

    def _not_known(self, client: SSHClient, hostname: str, key: PKey) -> None:
        raise NotImplementedError


class _Strict(_Policy):
    """Refuses a host whose key is not known."""

    def _not_known(self, client: SSHClient, hostname: str, key: PKey) -> None:
        raise SSHException(
            f"the host key of {hostname} is not known ({_fingerprint(key)}), and StrictHostKeyChecking is "
            "yes or ask: compare the fingerprint, then connect once with ssh, which stores the key"
        )


class _AcceptNew(_Policy):
    """Accepts a key that is not known, and stores it."""

    def _not_known(self, client: SSHClient, hostname: str, key: PKey) -> None:
        file = pyinfra_internals.store_host_key(client, hostname, key)
        _tell_once(file)
        _say(f"{shown(hostname)}: {key.get_name()} {_fingerprint(key)}")


class _Off(_Policy):
    """Accepts any key that is not known, each time."""

    def _not_known(self, client: SSHClient, hostname: str, key: PKey) -> None:
        _say(f"{shown(hostname)}: its host key is not known, and not checked")


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


def _log(text: str) -> None:
    logger.warning(format_text(text, "yellow"))


_says: list[Callable[[str], None]] = [_log]


def say_keys_with(say: Callable[[str], None]) -> None:
    """Let a function say which keys are accepted. By itself, pyinfra's log does."""
    _says[:] = [say]


def _say(text: str) -> None:
    for say in _says:
        say(text)


def _tell_once(file: str) -> None:
    if not _told:
        _told.append(file)
        _say(
            f"SSH keys of these hosts were not known; they are accepted and stored in {file}. With "
            "StrictHostKeyChecking yes in ~/.ssh/config, such hosts are refused instead"
        )


def _policy(asked_for: str | None) -> MissingHostKeyPolicy:
    """+ asked_for: by the host's data or the SSH configuration, if they say anything"""
    value = "accept-new" if asked_for is None else str(asked_for).lower()
    if value not in _POLICIES:
        raise SSHException(f"StrictHostKeyChecking {asked_for}: give yes, ask, accept-new or no")
    return _POLICIES[value]()


@cache
def _known_keys(files: tuple[str, ...]) -> HostKeys:
    """The known keys. A line that paramiko cannot read hides no other one: a changed key would seem new."""
    found, entries = HostKeys(), list[HostKeyEntry]()
    for file in filter(os.path.isfile, (*files, *_OF_THE_MACHINE)):
        try:
            lines = Path(file).read_text(errors="replace").splitlines()
        except OSError as error:
            raise SSHException(f"{file}, the known host keys, cannot be read: {error.strerror}") from None
        for number, line in enumerate(lines, 1):
            words = line.split()
            marker = words.pop(0) if line.lstrip().startswith("@") else ""
            if not words or words[0].startswith("#") or marker not in ("", "@revoked"):
                continue
            entry = _entry(" ".join(words))
            if entry is None:
                logger.warning(f"    {shown(file)}, line {number}: this SSH key cannot be read")
            elif marker:
                _revoked.add(entry.key.asbytes())
            else:
                entries.append(entry)
    # Without its line, a revoked key is not known, or is another one than the host's known ones. paramiko's
    # `add` would replace a host's first key by a later one, and take the square of their number.
    known = [entry for entry in entries if entry.key.asbytes() not in _revoked]
    found._entries = known  # type: ignore[attr-defined]
    return found


def _entry(line: str) -> HostKeyEntry | None:
    try:
        return HostKeyEntry.from_line(line)
    except Exception:
        # paramiko raises any exception that its bytes cause.
        return None


_revoked: set[bytes] = set()


def _without_sha1(own: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments for paramiko, with the algorithms that are off added to an owner's own."""
    off = {key: [*names] for key, names in ((own or {}).get("disabled_algorithms") or {}).items()}
    for key, names in _OFF.items():
        off[key] = [*dict.fromkeys([*off.get(key, ()), *names])]
    return {**(own or {}), "disabled_algorithms": off}


def _fingerprint(key: PKey) -> str:
    """As ssh-keygen -l shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
