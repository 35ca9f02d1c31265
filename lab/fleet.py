"""The description of a host, and the fleet that a lab boots by default."""

import re
from dataclasses import dataclass

from lab.command import LabError

RELEASES = ("bookworm", "trixie")

_NAME = re.compile(r"(?=.{1,64}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


@dataclass(frozen=True)
class HostSpec:
    """One host: its name, its Debian release, the mail domain it serves.

    + name: the host's full name, `mail1.example.jp`; at most 64 characters, as Linux allows
    + release: a Debian code name out of `RELEASES`
    + domain: the mail domain, which is also the name of the certificate lineage
    + user: the mailbox user
    """

    name: str
    release: str
    domain: str
    user: str = "alice"

    def __post_init__(self) -> None:
        for label, value in (("name", self.name), ("domain", self.domain)):
            if not _NAME.fullmatch(value):
                raise LabError(f"a lab host's {label} must be a full lower-case name: {value!r}")
        if self.release not in RELEASES:
            known = ", ".join(RELEASES)
            raise LabError(f"{self.name}: no such release in the lab: {self.release!r} ({known})")

    @property
    def group(self) -> str:
        """The inventory group that the host belongs to: `example_jp` for `example.jp`."""
        return re.sub(r"[^a-z0-9]", "_", self.domain)


DEFAULT_FLEET: tuple[HostSpec, ...] = (
    HostSpec("mail1.example.jp", "bookworm", "example.jp"),
    HostSpec("mail2.example.jp", "trixie", "example.jp"),
    HostSpec("mail1.example.net", "bookworm", "example.net"),
    HostSpec("mail2.example.net", "trixie", "example.net"),
)
