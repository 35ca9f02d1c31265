"""What starting costs: importing pyinfra, and importing our own modules on top of it."""

import statistics
import subprocess
import sys

from bench.fleet import ROOT

# What the `pyinfra` program imports, then what deploy.py imports, timed one behind the other.
_PROGRAM = """
from time import perf_counter
a = perf_counter()
import pyinfra_cli.main
import pyinfra.connectors.ssh
import pyinfra.operations.server
b = perf_counter()
from operations import (
    certbot_hook, dovecot_auth_listener, postfix_activation, postfix_sasl, postfix_tls, submissions_service
)
from operations.readiness import ready
print(b - a, perf_counter() - b)
"""


def imports(runs: int) -> tuple[list[float], list[float]]:
    """Seconds to import pyinfra, and our modules with all that only they need; one pair a run."""
    pairs = []
    for _ in range(runs + 1):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        pairs.append([float(word) for word in done.stdout.split()])
    # The first run is the warm-up.
    pyinfra, ours = zip(*pairs[1:], strict=True)
    return list(pyinfra), list(ours)


def ratio(pyinfra: list[float], ours: list[float]) -> float:
    """How much of pyinfra's import time ours takes, between the medians."""
    return statistics.median(ours) / statistics.median(pyinfra)
