"""Which machine a host is: a value that is equal for two names of one machine, and for no two machines."""

import hashlib
import re
from collections.abc import Mapping, Sequence


def machine_in(lists: Mapping[str, Sequence[str]]) -> str:
    """The machine in the lines of `SmtpAuth::Machine`; empty if it cannot be told from others.

    Two machines that were cloned may share the ID or the keys, so it takes both. Many containers have no
    keys.

    + lists: key to values, as `decode` returns them
    """
    (machine_id, *_), keys = lists.get("machine.id", [""]), lists.get("machine.key", ())
    # systemd writes `uninitialized` into an image.
    if not re.fullmatch(r"[0-9a-f]{32}", machine_id) or not keys or "machine.unknown_key" in lists:
        return ""
    return hashlib.sha256("\n".join([machine_id, *sorted({*keys})]).encode()).hexdigest()


def machines_with_names(machines: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The names of each machine that has several, in the order of the mapping.

    + machines: the machine of each host by its name; empty if it is unknown
    """
    names: dict[str, list[str]] = {}
    for name, machine in machines.items():
        if machine:
            names.setdefault(machine, []).append(name)
    return [tuple(ones) for ones in names.values() if len(ones) > 1]
