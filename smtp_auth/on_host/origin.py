"""Where a change is from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """What the record says of a change beside its plan.

    + id: the same on all hosts of a run, such as `2026-11-22T10:15:00Z-3f2a`
    + controller: who runs this program, and where, as `user@host`
    + commit: which version of it, with its data: a commit's hash, with ` dirty` behind it where files differ;
      `unknown` in a copy of the files without git; the version of an installed package
    """

    id: str
    controller: str
    commit: str
