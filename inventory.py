"""The hosts, by group: the lab's fleet (`make demo`). Replace them with yours.

A group's data is in group_data/GROUP.py. Without `ssh_config_file`, pyinfra reads ~/.ssh/config;
hosts that are not reached as root take {"_sudo": True} (add `ssh_user` where it is needed).
"""

from pathlib import Path
from typing import Any


def _lab() -> dict[str, Any]:
    # A new dictionary for each group: pyinfra merges the group's data into it.
    return {"ssh_config_file": str(Path(__file__).parent / ".lab" / "ssh_config")}


example_jp = (["mail1.example.jp", "mail2.example.jp"], _lab())
example_net = (["mail1.example.net", "mail2.example.net"], _lab())
