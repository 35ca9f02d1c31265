"""`smtp-auth` with stand-ins for its hosts: `python -m tests.unit.stand_ins FOLDER WORDS…`.

What a host is follows from its name: `new…` would change, `done…` is as wanted, `stopped…` is refused,
`held…` is held, and `gone…` is not reached; for what it has on record, see `past_fleets.py`. The folder has
what the hosts are to do: while the file `ask NAME` or `read NAME` exists, the host does not answer, or its
record is not read; while `change NAME` exists, its change goes on; while `hold NAME` exists, it does not say
whether it is held. `begun NAME` says that a change has begun, `live NAME` that it is live.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent

from smtp_auth import cli
from smtp_auth.runs.pyinfra_internals import make_sockets_cooperative

make_sockets_cooperative()

from smtp_auth.facts.hold import Hold  # noqa: E402
from smtp_auth.fleet import applying, channels, history, planning, undo_command  # noqa: E402
from smtp_auth.on_host import asking, holding  # noqa: E402
from smtp_auth.on_host.asking import Asked  # noqa: E402
from smtp_auth.on_host.changing import ChangeOutcome, Ended  # noqa: E402
from smtp_auth.on_host.holding import Held  # noqa: E402
from smtp_auth.plan.plan import plan_of  # noqa: E402
from smtp_auth.plan.step import Step  # noqa: E402
from smtp_auth.settings import Settings  # noqa: E402
from tests.unit import past_fleets  # noqa: E402
from tests.unit.fleets import NEW, UNREACHABLE, Answer, deployed  # noqa: E402

HOLD = Hold("ann@desk as root", "2026-11-27T10:00:00Z", "a new disk: ディスク", "")

_ANSWERS: dict[str, Answer] = {
    "new": NEW,
    "done": deployed(NEW),
    "stopped": replace(NEW, dovecot_running=False),
    "held": replace(NEW, hold=HOLD),
    "gone": UNREACHABLE,
}

# What is proved, as a host says it.
PROVED = ("465: TLSv1.3 and TLSv1.2, logins (PLAIN) offered, clients without a login rejected",)


def main(folder: Path, words: Sequence[str]) -> int:
    """Run `smtp-auth` with these words. Returns its exit status."""

    def wait_for_the_end_of(file: str) -> None:
        while (folder / file).exists():
            gevent.sleep(0.01)

    def ask(
        channel: Any, settings: Settings, steps: Sequence[Step], *, even_held: bool, rehearsing: bool
    ) -> Asked:
        name = channel._channel
        wait_for_the_end_of(f"ask {name}")
        (answer,) = (answer for start, answer in _ANSWERS.items() if name.startswith(start))
        if isinstance(answer, Exception):
            raise answer
        return Asked(settings, answer, plan_of(settings, answer, steps), even_held=even_held)

    def hold(channel: Any, *_: object) -> Held:
        wait_for_the_end_of(f"hold {channel._channel}")
        if channel._channel.startswith("gone"):
            raise UNREACHABLE
        return Held(hold=HOLD, before=HOLD if channel._channel.startswith("held") else None)

    def carry_out(host: Any, *_: object) -> Ended:
        (folder / f"begun {host.name}").touch()
        wait_for_the_end_of(f"change {host.name}")
        (folder / f"live {host.name}").touch()
        return Ended(ChangeOutcome.LIVE, (), PROVED, 0.4)

    def read_record(channel: Any, files: str = "", **_: Any) -> Any:
        wait_for_the_end_of(f"read {channel._channel}")
        return past_fleets.read_record(channel, files)

    for module, name, instead in (
        *past_fleets.stand_ins(),
        (undo_command, "read_record", read_record),
        (asking, "read_record", read_record),
        (planning, "ask", ask),
        (holding, "hold", hold),
        (applying, "carry_out", carry_out),
        (channels, "channel_to", lambda host: host.name),
        (history, "channel_to", lambda host: SimpleNamespace(_channel=host.name)),
        (history, "read_record", read_record),
    ):
        setattr(module, name, instead)
    sys.argv[1:] = words
    return cli.main()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
