"""Who makes a change, from where, and with which version of this program."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """What the record says of a change in addition to its plan.

    + id: the same on all hosts of a run, such as `2026-11-22T10:15:00Z-3f2a`
    + controller: who runs this program, and where, as `user@host`
    + commit: the version of this program and its data: a commit's hash, followed by ` dirty` if files differ
      from it; `unknown` in a copy of the files without git; the version of an installed package
    """

    id: str
    controller: str
    commit: str
