"""`smtp-auth remove`: removes all that the deploy has ever written on the hosts."""

from collections.abc import Sequence
from dataclasses import replace

from pyinfra.api import Host

from smtp_auth.fleet.change_command import Words, change
from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.plan_command import Manner
from smtp_auth.fleet.planning import Asking, Task
from smtp_auth.fleet.text import closing_lines, staying_lines
from smtp_auth.fleet.written import Target
from smtp_auth.on_host.asking import ask_to_remove
from smtp_auth.past.removal import AS_FIRST_SEEN
from smtp_auth.plan.plan import Plan
from smtp_auth.plan.step import Step
from smtp_auth.plan.text import Block, plan_blocks
from smtp_auth.runs.host_settings import even_held_of
from smtp_auth.runs.question import question_about


def remove(
    chosen: Chosen, steps: Sequence[Step], manner: Manner, target: Target | None, *, asks: bool
) -> int:
    """Remove everything that is still ours.

    + steps: those of the deploy, in their order
    + target: gets plans and outcomes as JSON, if that is wanted; standard output then gets nothing else
    + asks: whether somebody is asked, below the plans

    Returns the exit status. Raises `Mistake` if nobody can be asked; `Declined` if the answer is another one.
    """

    def asking(host: Host) -> Asking:
        even_held = even_held_of(host)
        return lambda channel, rehearsing: ask_to_remove(
            channel, steps, even_held=even_held, rehearsing=rehearsing
        )

    def blocks(plan: Plan) -> tuple[Block, ...]:
        # What stays is listed for all hosts together.
        notes = tuple(note for note in plan.notes if note.text not in plan.stays)
        return plan_blocks(replace(plan, notes=notes), (AS_FIRST_SEEN, *steps[::-1]))

    words = Words(
        "removed",
        above=closing_lines,
        below=staying_lines,
        asks=lambda changing, closing: question_about(changing, ("yes",), closing=closing),
    )
    return change(
        chosen, Task(asking, ("record", "look", "rehearsal"), blocks), words, manner, target, asks=asks
    )
