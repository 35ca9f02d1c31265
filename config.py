"""pyinfra's own configuration for this deploy."""

import gc
import sys
from pathlib import Path
from types import ModuleType

from operations.data_check import check_before_connecting

REQUIRE_PYINFRA_VERSION = "==3.10.0"

check_before_connecting()

# pyinfra asks inspect.stack() for the line that calls an operation, once an operation and host. That
# goes through every loaded module, two milliseconds each time, for a file that belongs to none, as
# the deploy file does: let it be a module's.
_deploy = sys.modules.setdefault("deploy", ModuleType("deploy"))
_deploy.__file__ = str(Path(__file__).with_name("deploy.py"))

# What is loaded stays until the end: looking through all of it for garbage, once on the way and several
# times at the end, took a quarter of a run's processor time.
gc.freeze()
