"""`make pictures`: docs/preview.svg and docs/refusal.svg, out of what pyinfra prints on two lab hosts.

The hosts are as their packages left them, but for the one that is refused. A lab that runs already stays up.
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lab.command import LabError, environment
from lab.fleet import DEFAULT_FLEET
from lab.host import LabHost
from lab.lab import Lab

ROOT = Path(__file__).resolve().parents[1]

_GROUP = "example_jp"

# Columns of the terminal in which pyinfra runs: it breaks no line of its own, a terminal might.
_COLUMNS = 300

_COLOUR = re.compile(r"\x1b\[[\d;]*m")

_FONTS = "DejaVu Sans Mono, Menlo, Consolas"

# Of so many lines in a row that are added to a file, the first ones are shown.
_LONG, _SHOWN = 10, 4

# What pyinfra prints at the end of a preview beside the report.
_BESIDE = ("--> Detected changes", "--> Disconnecting")

_HOLD_PORT_465 = (
    "systemd-run --quiet --unit=taken python3 -m http.server 465; "
    "until ss -Hltn 'sport = :465' | grep -q .; do sleep 0.1; done"
)


def main() -> int:
    """Make both pictures; returns the exit status."""
    lab = Lab(ROOT, tell=lambda what, done, _: print(f"{what}: {done}", flush=True))
    stays_up = lab.is_up()
    try:
        specs = [spec for spec in DEFAULT_FLEET if spec.group == _GROUP]
        lab.up(specs)
        _make([lab.hosts[spec.name] for spec in specs])
    except LabError as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 1
    finally:
        if not stays_up:
            lab.down()
    return 0


def _make(hosts: Sequence[LabHost]) -> None:
    first, last = hosts
    for host in hosts:
        host.reset()
    preview = ["pyinfra", "inventory.py", "deploy.py", "--dry", "--diff", "--limit", last.name]
    _draw("preview", preview, said(preview))
    first.run(_HOLD_PORT_465)
    try:
        refusal = ["pyinfra", "inventory.py", "deploy.py", "--dry", "--limit", _GROUP]
        _draw("refusal", refusal, said(refusal))
    finally:
        first.run("systemctl stop taken")


def _draw(name: str, command: Sequence[str], output: str) -> None:
    path = ROOT / "docs" / f"{name}.svg"
    lines = chosen_lines(output)
    if any(str(ROOT) in line for line in lines):
        # A picture is the same wherever it is made; pyinfra names its files where it fails as a whole.
        raise LabError(f"{path.name} would show a path of this machine:\n{output}")
    path.write_text(picture(name, [f"$ {' '.join(command)}", *lines]))
    print(f"{path.relative_to(ROOT)}: written", flush=True)


def said(command: Sequence[str]) -> str:
    """What a program of our environment prints on a terminal, with its colours, whatever its exit status."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, _COLUMNS, 0, 0))
    with subprocess.Popen(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=ROOT,
        env={**environment(), "TERM": "xterm-256color", "PYINFRA_PROGRESS": "off"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ):
        os.close(follower)
        parts = []
        # Linux reports the other side's end as an error.
        with suppress(OSError):
            while part := os.read(leader, 65536):
                parts.append(part)
    os.close(leader)
    return b"".join(parts).decode().replace("\r\n", "\n")


# -- what is shown ------------------------------------------------------------------------------------


def chosen_lines(output: str) -> list[str]:
    """The lines of a run that the picture shows, in an order that is the same at each run.

    Left out is what pyinfra prints before it looks at the hosts, its own list of the operations, and the end
    of a long run of added lines. Raises a `LabError` if no host was looked at.
    """
    lines = [line.rstrip() for line in output.split("\n")]
    starts = [index for index, line in enumerate(lines) if _plain(line).startswith("--> Preparing")]
    if not starts:
        raise LabError(f"pyinfra has not looked at the hosts:\n{output}")
    kept = []
    is_shown = True
    for line in lines[starts[0] :]:
        if _plain(line).startswith("-->"):
            is_shown = not _plain(line).startswith(_BESIDE)
        if is_shown and _plain(line).strip():
            kept.append(line)
    return list(_shortened(_in_order(kept)))


def _in_order(lines: Iterable[str]) -> Iterator[str]:
    """Hosts are looked at side by side: their lines are sorted by host, where they stand together."""
    for is_about_hosts, group in groupby(lines, lambda line: bool(_host(line))):
        run = [*group]
        yield from sorted(run, key=_host) if is_about_hosts else run


def _shortened(lines: Iterable[str]) -> Iterator[str]:
    for is_added, group in groupby(lines, _is_added):
        run = [*group]
        if is_added and len(run) > _LONG:
            yield from run[:_SHOWN]
            head = _plain(run[0]).partition("+")[0]
            yield f"{head}\x1b[3m… {len(run) - _SHOWN} more lines\x1b[0m"
        else:
            yield from run


def _is_added(line: str) -> bool:
    """Whether it is a line of a file that the change adds."""
    return bool(re.match(r"\s+\[[^\]]+\]\s+\+(?!reload )", _plain(line)))


def _plain(line: str) -> str:
    return _COLOUR.sub("", line)


def _host(line: str) -> str:
    found = re.match(r"\s+\[([^\]]+)\]", _plain(line))
    return found[1] if found else ""


# -- the picture --------------------------------------------------------------------------------------


def picture(name: str, lines: Sequence[str]) -> str:
    """A terminal with these lines in SVG; the same lines give the same bytes.

    + name: of the picture; its elements have names that begin with it
    + lines: with ANSI colours
    """
    texts = [Text.from_ansi(line) for line in lines]
    width = max(text.cell_len for text in texts)
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    for text in texts:
        console.print(text, soft_wrap=True)
    drawn = console.export_svg(title="", unique_id=name)
    # A server of somebody else's would be asked for a font.
    drawn = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL).replace("Fira Code", _FONTS)
    return "".join(f"{line.rstrip()}\n" for line in drawn.split("\n") if line.strip())


if __name__ == "__main__":
    sys.exit(main())
