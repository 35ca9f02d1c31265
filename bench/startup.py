"""The costs of a start: the imports of pyinfra, then of our own modules, and of the one library that only
we use, which is loaded while the hosts work."""

import sys

from bench.measure import run
from bench.peers import environment

# What the `pyinfra` program imports, then config.py and what deploy.py imports, in the order of a run,
# each timed by itself.
_PROGRAM = """
from time import process_time
a = process_time()
import pyinfra_cli.main
import pyinfra.connectors.ssh
import pyinfra.operations.server
from pyinfra.api import Config, State
from pyinfra.context import ctx_config, ctx_state
b = process_time()
with ctx_state.use(State()), ctx_config.use(Config()):
    import config
from smtp_auth.runs import live
from smtp_auth.runs.host import ready
import operations
c = process_time()
import cryptography.x509
print(b - a, c - b, process_time() - c)
"""

_RUNS = 5


def imports() -> dict[str, list[float]]:
    """Processor seconds of each run, to import `pyinfra`, `ours`, and `cryptography.x509`."""
    taken = []
    for _ in range(_RUNS + 1):
        done = run([sys.executable, "-c", _PROGRAM], environment(), sample_memory=False)
        taken.append([float(word) for word in done.output.split()])
    # The first run is the warm-up.
    columns = map(list, zip(*taken[1:], strict=True))
    return dict(zip(("pyinfra", "ours", "cryptography.x509"), columns, strict=True))
