"""The hosts, by group: the lab's fleet (`make demo`). Replace them with yours.

A group's data is in group_data/GROUP.py. Without `ssh_config_file`, pyinfra reads ~/.ssh/config. If you do
not log in to a host as root, it needs {"ssh_user": "admin", "_sudo": True}.
"""

from pathlib import Path
from typing import Any


def _lab() -> dict[str, Any]:
    # A new dictionary for each group: pyinfra merges the group's data into it.
    lab = Path(__file__).parent / ".lab"
    return {
        "ssh_config_file": str(lab / "ssh_config"),
        # The lab has its own certificate authority, and no public DNS knows its names.
        "verify_ca_file": str(lab / "ca.pem"),
        "verify_addresses": "ssh",
    }


example_jp = (["mail1.example.jp", "mail2.example.jp"], _lab())
example_net = (["mail1.example.net", "mail2.example.net"], _lab())
