"""The cable between a host and the lab's bridge, which can be cut."""

from collections.abc import Callable

from tests.lab.command import run
from tests.lab.state import LabState


class Link:
    """One host's cable.

    + state: what is recorded of the lab
    + host: the host's name
    + record: writes the lab's state down
    """

    def __init__(self, state: LabState, host: str, record: Callable[[], None]) -> None:
        self._state = state
        self._record = record
        self._index = state.hosts[host].index

    @property
    def _cable(self) -> str:
        return self._state.names.veth(self._index)

    def cut(self) -> None:
        """Cut the cable: packets vanish in both directions, as seen from the controller, too."""
        run("ip", "link", "set", self._cable, "down")

    def restore(self) -> None:
        """Make the cable whole again."""
        run("ip", "link", "set", self._cable, "up")
