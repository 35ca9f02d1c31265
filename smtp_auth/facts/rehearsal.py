"""What a rehearsal has found, as values: what a host's own programs have against the files of its plan."""

from collections.abc import Iterable
from dataclasses import dataclass

from smtp_auth.facts.decode import decode


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal has found.

    + refused: why the change cannot go live, one sentence per reason
    + warnings: what could not be asked on this host, and what the programs accept with a complaint; one
      sentence per thing
    """

    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def parse(output: Iterable[str]) -> Rehearsed:
    """Turn the lines that a rehearsal prints into a `Rehearsed`.

    Raises `ValueError` if they do not reach its end.
    """
    found = decode(output)
    if "complete" not in found:
        raise ValueError("it came to no end")
    return Rehearsed(tuple(found.get("refused", ())), tuple(found.get("warning", ())))
