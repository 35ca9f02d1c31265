"""The channels to the hosts of a command."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyinfra.api import Host

from smtp_auth.fleet.console import Line
from smtp_auth.on_host.channel import Answer, Channel, Limits
from smtp_auth.runs.channel import channel_to
from smtp_auth.shown import shown, shown_name


@dataclass(frozen=True)
class Channels:
    """Makes the channel to a host. + say: shows what is sent to a host; `None`: it is not shown"""

    say: Callable[[Iterable[Line]], None] | None = None

    def __call__(self, host: Host) -> Channel:
        """The channel to a host."""
        channel, say = channel_to(host), self.say
        if say is None:
            return channel

        def run(command: str, stdin: str, limits: Limits) -> Answer:
            say(Line(f"{shown_name(host.name)}: {shown(line)}") for line in (command, *stdin.splitlines()))
            return channel(command, stdin, limits)

        return run
