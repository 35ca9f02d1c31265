"""`smtp-auth` with answers of hosts that are replayed from a file: for more hosts than can be booted.

    python -m bench.replayed record FILE WORDS…     runs `smtp-auth WORDS`, and keeps the last host's answers
    python -m bench.replayed replay FILE WORDS…     runs it without any host: each gives the same answers

Everything of a plan is done as usual but the connection. In a rollout, each host counts as changed and
verified at once.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from smtp_auth import cli
from smtp_auth.runs.pyinfra_internals import make_sockets_cooperative

make_sockets_cooperative()

from pyinfra.api import Host  # noqa: E402

from smtp_auth.fleet import applying, channels, planning  # noqa: E402
from smtp_auth.on_host.changing import ChangeOutcome, Ended  # noqa: E402
from smtp_auth.on_host.channel import Answer, Channel, Limits  # noqa: E402
from smtp_auth.rollout import engine  # noqa: E402
from smtp_auth.rollout.verifying import Verified  # noqa: E402
from smtp_auth.runs.channel import channel_to  # noqa: E402


def record(file: Path) -> None:
    """Keep the answers of the host that is connected to last."""

    def recording(host: Host) -> Channel:
        channel, kept = channel_to(host), list[tuple[str, ...]]()

        def run(command: str, stdin: str, limits: Limits) -> Answer:
            answer = channel(command, stdin, limits)
            kept.append(answer.lines)
            file.write_text(json.dumps(kept))
            return answer

        return run

    _put_in(((channels, "channel_to", recording),))


def replay(file: Path) -> None:
    """Let every host answer as it is kept."""
    kept = json.loads(file.read_text())

    def replaying(_host: Host) -> Channel:
        answers: Iterator[Sequence[str]] = iter(kept)
        return lambda _command, _stdin, _limits: Answer(tuple(next(answers)))

    def verified(
        _doing: str, hosts: Sequence[Host], *_: Any, **__: Any
    ) -> tuple[dict[str, Verified], list[Any]]:
        return {host.name: Verified() for host in hosts}, []

    _put_in(
        (
            (channels, "channel_to", replaying),
            (planning, "connect", lambda _host: None),
            (planning, "disconnect", lambda _host: None),
            (applying, "disconnect", lambda _host: None),
            (applying, "carry_out", lambda *_: Ended(ChangeOutcome.LIVE, (), (), 0.0)),
            (engine, "verified", verified),
        )
    )


def _put_in(ones: Sequence[tuple[ModuleType, str, object]]) -> None:
    for module, name, instead in ones:
        setattr(module, name, instead)


def main() -> int:
    """Run what the command line says; returns the exit status of `smtp-auth`."""
    what, file = sys.argv[1], Path(sys.argv[2])
    {"record": record, "replay": replay}[what](file)
    sys.argv[1:] = sys.argv[3:]
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
