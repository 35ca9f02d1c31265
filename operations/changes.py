"""What the operations share on one host: the look, the configuration that is being changed, and
how a difference is shown.

pyinfra runs every operation twice, while it plans and while it executes. Each of the two passes has
a `Change` of its own, made from a look: the plan's by `begin` in deploy.py, the execution's by the
first operation that asks, from the same look where nothing was touched since, else from a new one.
Operations of the same service edit the same text one after another; the last one hands it to the
host as a whole.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from weakref import WeakKeyDictionary

from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, Host, State
from pyinfra.api.output import format_text
from pyinfra.context import ctx_host

from facts.mail_host import LOOK, Look, MailHost, Question, Seen
from postfix.logical_lines import split_lines
from settings import Settings


@dataclass
class Change:
    """One pass over one host.

    + main_cf, master_cf, sni: the contents as they are to become; at first as they are
    + postconf: the lines that `postconf` has to print for what becomes of them
    """

    settings: Settings
    parameters: tuple[str, ...]
    look: Look
    executing: bool
    main_cf: str
    master_cf: str
    sni: str | None
    postconf: list[str] = field(default_factory=list)


def begin(settings: Settings, parameters: Iterable[str]) -> Look | None:
    """Take the plan's look at the host; `None` where it failed, which pyinfra has reported then.

    + parameters: the Postfix parameters that any of the operations asks about
    """
    change = _look(settings, tuple(parameters), executing=False)
    if change is None:
        return None
    _changes[ctx_host.get()] = change
    return change.look


def current() -> Generator[FunctionCommand, None, Change | None]:
    """The present pass's `Change`, for `change = yield from current()` in an operation.

    Yields a command that fails the host, and returns `None`, where a file was edited since the plan.
    """
    change = _changes[ctx_host.get()]
    if not state.is_executing or change.executing:
        return change
    fresh = _confirmed(change) or _look(change.settings, change.parameters, executing=True)
    if fresh is None:
        return None
    edited = [
        seen.path
        for seen, now in zip(change.look.files, fresh.look.files, strict=True)
        if seen.digest != now.digest
    ]
    if edited:
        yield refusal(
            f"changed since the plan: {', '.join(edited)}; nothing was done, "
            "run again to take that into account"
        )
        return None
    _changes[ctx_host.get()] = fresh
    return fresh


def refusal(reason: str) -> FunctionCommand:
    """A command that fails its host with a reason."""
    return FunctionCommand(_refuse, (reason,), {})


def staged() -> FunctionCommand:
    """What an operation yields whose edit goes live with a later one: no remote command."""
    return FunctionCommand(_staged, (), {})


def show_difference(path: str, before: str | None, after: str) -> None:
    """Log the lines that go and come, where the run shows differences (`--diff`), once."""
    old, new = split_lines(before or ""), split_lines(after)
    lines = [path]
    for _, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if old[start:end] != new[new_start:new_end]:
            lines += [f"-{_visible(line)}" for line in old[start:end]]
            lines += [f"+{_visible(line)}" for line in new[new_start:new_end]]
    show(lines)


def show(lines: Iterable[str]) -> None:
    """Log lines of a preview under `--diff`, while planning, or in a run without a plan (`-y`)."""
    if not state.config.DIFF or (state.is_executing and state.should_check_for_changes()):
        return
    colours = {"+": "green", "-": "red"}
    for line in lines:
        colour = colours.get(line[:1])
        host.log("    " + (format_text(line, colour) if colour else line))


# By host: a deploy runs over many at once.
_changes: WeakKeyDictionary[Host, Change] = WeakKeyDictionary()


def _look(settings: Settings, parameters: tuple[str, ...], executing: bool) -> Change | None:
    look = host.get_fact(MailHost, question=Question(settings, parameters), _stdin=LOOK)
    return None if look is None else _change(settings, parameters, look, executing)


def _confirmed(planned: Change) -> Change | None:
    """The execution's `Change` on the plan's look, where nothing that it saw was touched since."""
    look = planned.look
    if not look.seen or host.get_fact(Seen, watched=look.watched) != list(look.seen):
        return None
    return _change(planned.settings, planned.parameters, look, executing=True)


def _change(settings: Settings, parameters: tuple[str, ...], look: Look, executing: bool) -> Change:
    main_cf, master_cf = look.main_cf.content or "", look.master_cf.content or ""
    return Change(settings, parameters, look, executing, main_cf, master_cf, look.sni.content)


def _refuse(state: State, host: Host, reason: str) -> bool:
    host.log_styled(reason, fg="red", log_func=logger.error)
    return False


def _staged(state: State, host: Host) -> bool:
    return True


def _visible(line: str) -> str:
    """Without anything that a terminal would obey; a carriage return or a missing line end shows."""
    text = line.removesuffix("\n").encode("unicode_escape").decode("ascii")
    text = text.replace("\\\\", "\\").replace("\\t", "\t")
    return text if line.endswith("\n") else f"{text} (no line end)"
