"""The fact that a rehearsal finds out: what a host's own programs have against the files of its plan."""

from dataclasses import dataclass

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import FactProcessError

from smtp_auth.facts.decode import told


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal has found.

    + refused: why the change cannot go live, one sentence per reason
    + warnings: what could not be asked on this host, and what the programs accept with a complaint; one
      sentence per thing
    """

    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Rehearsal(FactBase[Rehearsed]):
    """
    Returns what the host's own programs say of the new files at their real paths (`Rehearsed`).

    Ask with the text of `on_host.programs.rehearsal_program` as `_stdin`. It takes no lock and leaves
    nothing, for it runs in a mount namespace of its own (unshare(1)), with an overlay over each directory
    that gets a file.
    """

    def command(self) -> StringCommand:
        # Without the right to unshare, the second one reads the program: the first has not touched its input.
        return StringCommand(
            "unshare --mount --propagation private perl - rehearse private 2>/dev/null || perl - rehearse"
        )

    def process(self, output: list[str]) -> Rehearsed:
        try:
            found = told(output)
        except Exception as error:
            # pyinfra takes only this one for the trouble of one host; any other ends the run for all.
            raise FactProcessError(f"the rehearsal on this host came to no end: {error!r}") from None
        if "complete" not in found:
            raise FactProcessError("the rehearsal on this host came to no end")
        return Rehearsed(tuple(found.get("refused", ())), tuple(found.get("warning", ())))
