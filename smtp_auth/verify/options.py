"""The options of a verification that no other command has. It imports nothing that takes time."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from smtp_auth.fleet.options import JSON, PROMETHEUS

# As argparse takes them, and pytest.
OWN_OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "--mailbox": {"metavar": "LOGIN", "help": "log in as this user, and send a message to it"},
        "--json": JSON,
        "--html": {"metavar": "FILE", "help": "write a page for people to this file; -: standard output"},
        "--since": {"metavar": "FILE", "help": "let the page say what changed since this file of --json"},
        "--prometheus": PROMETHEUS,
    }
)
