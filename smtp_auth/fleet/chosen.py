"""The hosts that a command is for."""

from dataclasses import dataclass

from pyinfra.api import Host


@dataclass(frozen=True)
class Chosen:
    """The hosts of a command.

    + hosts: in the inventory's order; by their names if it is a function, which has none
    + at_once: how many of them are asked or changed at the same time
    """

    hosts: list[Host]
    at_once: int
