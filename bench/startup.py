"""What starting costs: importing pyinfra, and importing our own modules on top of it."""

import sys

from bench.measure import run
from bench.peers import environment

# What the `pyinfra` program imports, then what deploy.py imports, timed one behind the other.
_PROGRAM = """
from time import process_time
a = process_time()
import pyinfra_cli.main
import pyinfra.connectors.ssh
import pyinfra.operations.server
b = process_time()
from operations import (
    certbot_hook, dovecot_auth_listener, postfix_activation, postfix_sasl, postfix_tls, submissions_service
)
from operations.data_check import check_before_connecting
from operations.readiness import ready
print(b - a, process_time() - b)
"""


def imports(runs: int) -> tuple[list[float], list[float]]:
    """Processor seconds to import pyinfra, and our modules with all that only they need, run by run."""
    pairs = []
    for _ in range(runs + 1):
        taken = run([sys.executable, "-c", _PROGRAM], environment(), sample_memory=False)
        pairs.append([float(word) for word in taken.output.split()])
    # The first run is the warm-up.
    pyinfra, ours = zip(*pairs[1:], strict=True)
    return list(pyinfra), list(ours)
