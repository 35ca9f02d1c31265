"""The result of a rehearsal, as values: what a host's own programs say about the new files of a plan."""

from collections.abc import Iterable
from dataclasses import dataclass

from smtp_auth.facts.decode import decode


@dataclass(frozen=True)
class Rehearsed:
    """The result of a rehearsal.

    + refused: why the change cannot be made, one sentence per reason
    + warnings: what could not be checked on this host, and what the programs accept with a warning, one
      sentence each
    """

    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def parse(output: Iterable[str]) -> Rehearsed:
    """Read the lines that a rehearsal prints. Raises `ValueError` if they are incomplete."""
    found = decode(output)
    if "complete" not in found:
        raise ValueError("it is incomplete")
    return Rehearsed(tuple(found.get("refused", ())), tuple(found.get("warning", ())))
