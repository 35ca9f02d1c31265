"""What a host had before the first change, beside what the last one wrote: what removal goes by."""

from collections.abc import Mapping
from dataclasses import dataclass

from smtp_auth.facts.look import ManagedFile


@dataclass(frozen=True)
class Original:
    """A host's files at two moments, by the key of their `ManagedFile`; `None` where there was no such file.

    + baseline: before the first change
    + written: as the last change left them
    """

    baseline: Mapping[str, str | None]
    written: Mapping[str, str | None]

    def before(self, file: ManagedFile) -> str:
        """A file before the first change; empty where there was none."""
        return self.baseline.get(file.key) or ""

    def after(self, file: ManagedFile) -> str:
        """A file as the last change left it; empty where that was none."""
        return self.written.get(file.key) or ""
