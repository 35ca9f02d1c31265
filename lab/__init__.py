"""The lab: really booted Debian mail hosts on this one machine, for the tests and the demo.

`Lab` is the fleet, `LabHost` is one host, and `HostSpec` describes a host before it exists. For the command
line see `python3 -m lab --help`.
"""

from lab.command import LabError
from lab.fleet import DEFAULT_FLEET, HostSpec
from lab.host import LabHost
from lab.lab import Lab

__all__ = ["DEFAULT_FLEET", "HostSpec", "Lab", "LabError", "LabHost"]
