"""Reads and restores our definition in certbot's deploy hook: the lines between BEGIN and END."""

from collections.abc import Mapping

from smtp_auth.facts.ledger import Definition
from smtp_auth.facts.look import ManagedFile
from smtp_auth.plan.service import Definitions
from smtp_auth.services.certbot.block import HOOK, our_lines, with_our_lines

OUR_LINES = "the lines between BEGIN and END"


class HookDefinitions(Definitions):
    """The definitions in the hook: our lines are the only one."""

    def covers(self, file: ManagedFile) -> bool:
        """Whether the file is the hook."""
        return file == HOOK

    def read(self, file: ManagedFile, content: str) -> Mapping[str, str]:
        """Our lines, by the name `OUR_LINES`; empty if the hook does not contain them."""
        found = our_lines(content) if file == HOOK else ""
        # An editor may have changed the line ends, or left out the last one.
        return {OUR_LINES: found.replace("\r", "").rstrip("\n") + "\n"} if found else {}

    def is_empty(self, file: ManagedFile, content: str) -> bool:
        """Whether the hook contains at most the `#!` line that we write."""
        return super().is_empty(file, content) or content == "#!/bin/sh\n"

    def restored(self, file: ManagedFile, content: str, before: Mapping[str, Definition]) -> str:
        """The hook without our lines, or with the lines that were between BEGIN and END before us."""
        ours = before[OUR_LINES]
        return content if ours.is_theirs else with_our_lines(content, ours.before or "")
