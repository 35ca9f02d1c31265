"""The cable between a host and the lab's bridge, which can be cut and slowed down."""

import sys
from collections.abc import Callable
from pathlib import Path

from lab import wire
from lab.command import run, wait_until
from lab.process import Cgroup, Process
from lab.state import LabState


class Link:
    """One host's cable.

    + state: the recorded state of the lab
    + host: the host's name
    + record: writes the lab's state to disk
    """

    def __init__(self, state: LabState, host: str, record: Callable[[], None]) -> None:
        self._state = state
        self._record = record
        index = state.hosts[host].index
        self._cable = state.names.veth(index)
        self._tap = state.names.tap(index)
        self._service = f"wire {host}"
        self._cgroup = Cgroup(state.names.cgroup(f"wire-{index}"))
        self._log = state.host_folder(host) / "wire.log"

    def cut(self) -> None:
        """Cut the cable: no frame passes in either direction."""
        run("ip", "link", "set", self._cable, "down")

    def restore(self) -> None:
        """Connect the cable again, without a delay."""
        run("ip", "link", "set", self._cable, "up")
        self.delay(0)

    def delay(self, milliseconds: float) -> None:
        """Make every round trip to the host take this much longer; 0 removes the delay."""
        self.unplug()
        bridge = self._state.names.bridge
        if milliseconds > 0:
            run("ip", "link", "set", self._cable, "nomaster")
            words = [sys.executable, wire.__file__, self._cable, self._tap, f"{milliseconds:g}"]
            started = self._cgroup.start(words, self._log, env={})
            self._state.services[self._service] = Process.of(started.pid)
            tap = Path("/sys/class/net", self._tap)
            wait_until(tap.exists, f"the slow cable of {self._cable}")
            run("ip", "link", "set", self._tap, "master", bridge, "up")
        else:
            run("ip", "link", "set", self._cable, "master", bridge)
        self._record()

    def unplug(self) -> None:
        """Stop the program that delays the cable, if one runs."""
        self._cgroup.kill()
        self._state.services.pop(self._service, None)
