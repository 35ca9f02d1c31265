"""The fact about a host's past: its record of changes."""

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import FactProcessError

from smtp_auth.facts.record import Record, parse


class RecordFact(FactBase[Record]):
    """
    Returns a host's `Record`.

    + record: its directory
    + files: with the files of the live changes from this ID on; `last`: of the last live one; `newest`: with
      the newest version of each file; empty: of none
    + baseline: whether with the files as they were first seen

    Ask with `on_host.looking.history_program` as `_stdin`. It reads only.
    """

    def command(self, record: str, files: str = "", baseline: bool = False) -> StringCommand:
        words = [f"record={record}", f"files={files}", f"baseline={'1' if baseline else ''}"]
        return StringCommand("perl", "-", *words)

    def process(self, output: list[str]) -> Record:
        try:
            return parse(output)
        except Exception as error:
            # pyinfra takes only this one for the trouble of one host; any other ends the run for all.
            raise FactProcessError(f"the record of this host cannot be read: {error!r}") from None
