"""What is ours on this machine beside a running lab: told by `down`, deleted by `clean`.

Debian packages stay: whoever installed other programs since may need them. `clean` prints the command that
removes those that were not there before, and apt shows what would go with them, and asks.
"""

from collections.abc import Iterator
from pathlib import Path

from lab import image, packages
from lab.claim import RUN, Claims, inotify_limit
from lab.command import run
from lab.lab import remove_all
from lab.names import Names


def left(root: Path, claims: Claims) -> Iterator[str]:
    """What stays when the lab of a checkout is down, a line each."""
    yield from (f"the lab in {path}, with its hosts" for path in claims.below(root))
    if others := claims.others(root):
        yield f"fs.inotify.max_user_instances = {inotify_limit()}, for the lab of {', '.join(others)}"
    if products := _products(root):
        yield f"{', '.join(_shown(products, root))} in the checkout ({_size(products)})"
    if image.cache().is_dir():
        yield f"{image.cache()}: images of Debian, pip's downloads ({_size([image.cache()])})"
    if names := packages.installed_for_the_lab():
        yield f"{len(names)} Debian packages that this machine did not have before"


def clean(root: Path, claims: Claims) -> Iterator[str]:
    """Delete what is ours; yields what stays, and why, a line each. The checkout's own lab must be down."""
    for path in _products(root):
        _delete(path)
    with claims.cleared(root, clear=lambda number: remove_all(Names(number))) as others:
        if others:
            yield f"{image.cache()}, for the lab of {', '.join(others)}"
        else:
            _delete(image.cache())
            _delete(RUN)
    if names := packages.installed_for_the_lab():
        yield (
            f"{len(names)} Debian packages that this machine did not have before. This removes them; apt "
            f"shows what else it would remove, and asks:\n\n    apt-get purge {' '.join(names)}\n\n"
            f"They are on record in {packages.RECORD}; `make clean` deletes it when they are gone."
        )
    else:
        packages.forget()


def _products(root: Path) -> list[Path]:
    """What was made in the checkout: .gitignore lists it."""
    patterns = [line.rstrip("/") for line in (root / ".gitignore").read_text().splitlines() if line]
    found: list[Path] = []
    folders = [root]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name in patterns:
                found.append(path)
            elif path.is_dir() and not path.is_symlink() and path.name != ".git":
                folders.append(path)
    return found


def _shown(paths: list[Path], root: Path) -> list[str]:
    # A folder of this name is beside every module.
    return sorted(
        {path.name if path.name == "__pycache__" else str(path.relative_to(root)) for path in paths}
    )


def _size(paths: list[Path]) -> str:
    lines = run("du", "--summarize", "--block-size=1M", *paths, timeout=300).stdout.splitlines()
    return f"{sum(int(line.split()[0]) for line in lines)} MB"


def _delete(path: Path) -> None:
    # Files below a mount would be somebody else's.
    run("rm", "-rf", "--one-file-system", path, timeout=300)
