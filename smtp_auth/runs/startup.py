"""Two measures of config.py against needless work of pyinfra's."""

import gc
import sys
from pathlib import Path
from types import ModuleType

_DEPLOY_FILE = Path(__file__).parents[2] / "deploy.py"


def register_deploy_file() -> None:
    """Let deploy.py be the file of a module.

    pyinfra asks inspect.stack() for the line that calls an operation, once per operation and host. For a
    file that belongs to no module, that goes through every loaded module: two milliseconds each time.
    """
    module = sys.modules.setdefault("deploy", ModuleType("deploy"))
    module.__file__ = str(_DEPLOY_FILE)


def keep_what_is_loaded() -> None:
    """Exempt what is loaded by now from garbage collection: it stays until the end.

    Looking through all of it, once on the way and several times at the end, took a quarter of a run's
    processor time.
    """
    gc.freeze()
