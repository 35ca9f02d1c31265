"""The deploy's own files: not to be taken for those of the inventory that is read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


def deploy_files() -> Path:
    """The folder of deploy.py, operations/ and templates/: in the installed package, or the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "deploy_files"
    return installed if installed.is_dir() else package.parent


@contextmanager
def imports_of_the_inventory() -> Iterator[None]:
    """Inside the `with`, Python finds modules as for pyinfra: the working directory's, not the deploy's own.

    Otherwise, an inventory that imports its own `operations`, or is called `inventory.hosts`, would get ours.
    In the deploy's own folder, pyinfra finds them, too.
    """
    own, here, path = deploy_files(), Path.cwd(), sys.path[:]
    is_elsewhere = here != own
    names = {entry.stem for entry in own.iterdir() if is_elsewhere and not entry.name.startswith(".")}
    ours = _loaded(names)
    sys.path[:] = [entry for entry in path if not (is_elsewhere and Path(entry or here).resolve() == own)]
    # At the same place: last.
    if str(here) not in sys.path:
        sys.path.append(str(here))
    for name in ours:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.path[:] = path
        # Whoever has imported them keeps them; who asks for `operations` from now on gets ours.
        for name in _loaded(names):
            del sys.modules[name]
        sys.modules.update(ours)


def _loaded(names: set[str]) -> dict[str, ModuleType]:
    """The loaded modules with these names at the top, but for this package's."""
    return {
        name: module
        for name, module in sys.modules.items()
        if (top := name.partition(".")[0]) in names and top != "smtp_auth"
    }
