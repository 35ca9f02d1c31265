"""`python -m tests.screens`: keeps the screens of all scenes, out of runs on two of the lab's hosts.

A lab that runs already stays up.
"""

import sys
import tempfile
from pathlib import Path

from lab.fleet import DEFAULT_FLEET
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import RELEASES
from tests.fleet.deploying import ROOT
from tests.screens import WIDTHS, as_text, file_of
from tests.screens.scenes import SCENES, rows


def main() -> int:
    """Make all screens anew. Returns the exit status."""
    lab = Lab(ROOT)
    stays_up = lab.is_up()
    try:
        lab.up([spec for spec in DEFAULT_FLEET if spec.name in RELEASES])
        _make([lab.hosts[name] for name in RELEASES])
    finally:
        if not stays_up:
            lab.down()
    return 0


def _make(hosts: list[LabHost]) -> None:
    for columns in WIDTHS:
        for name in SCENES:
            file = file_of(name, columns)
            with tempfile.TemporaryDirectory() as folder:
                file.write_text(as_text(rows(name, Path(folder), hosts, columns)))
            print(f"{file.relative_to(ROOT)}: written", flush=True)


if __name__ == "__main__":
    sys.exit(main())
