"""What is ours in certbot's deploy hook: the lines between BEGIN and END."""

from collections.abc import Mapping

from smtp_auth.facts.ledger import Definition
from smtp_auth.facts.look import ManagedFile
from smtp_auth.plan.service import Definitions
from smtp_auth.services.certbot.block import BLOCK, HOOK

OUR_LINES = "the lines between BEGIN and END"


class HookDefinitions(Definitions):
    """Those of the hook: our lines are the only one."""

    def covers(self, file: ManagedFile) -> bool:
        """Whether it is the hook."""
        return file == HOOK

    def read(self, file: ManagedFile, content: str) -> Mapping[str, str]:
        """Our lines by their name, if the hook has them."""
        found = BLOCK.search(content) if file == HOOK else None
        return {OUR_LINES: found[0]} if found else {}

    def is_empty(self, file: ManagedFile, content: str) -> bool:
        """Whether nothing is left but the first line."""
        return super().is_empty(file, content) or content == "#!/bin/sh\n"

    def restored(self, file: ManagedFile, content: str, before: Mapping[str, Definition]) -> str:
        """The hook without our lines, or with those that its owner had made of them."""
        ours = before[OUR_LINES]
        return content if ours.is_theirs else BLOCK.sub(lambda _: ours.before or "", content)
