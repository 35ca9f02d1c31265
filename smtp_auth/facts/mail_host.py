"""The fact about a mail host: a look at it."""

import shlex
from dataclasses import dataclass

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import FactProcessError

from smtp_auth.facts.look import Look, ManagedFile, parse
from smtp_auth.settings import Settings


@dataclass(frozen=True)
class Question:
    """What a look is about; in pyinfra's messages it is one word, not a page.

    + settings: they say where the host's certificates are
    + record: the directory of the record of changes
    + parameters: the Postfix parameters whose effective values are wanted
    + files: the files that any step may write
    """

    settings: Settings
    record: str
    parameters: tuple[str, ...]
    files: tuple[ManagedFile, ...]

    def __str__(self) -> str:
        return self.settings.mail_domain


class MailHost(FactBase[Look | None]):
    """
    Returns a `Look`: versions, effective parameters, configuration files, certificates and what runs.

    + question: the `Question`

    Ask with the program `look.pl` of `on_host` as `_stdin`: on standard input it needs no quoting,
    whatever the login shell. It reads only, and of a private key only its public half leaves the host.
    """

    def command(self, question: Question) -> StringCommand:
        settings = question.settings
        words = [f"live={settings.letsencrypt_live}", f"hostname={settings.mail_hostname}"]
        words.append(f"record={question.record}")
        words += [f"file={file.key}={file.service}={file.name}" for file in question.files]
        words += [f"certificate={domain}={settings.lineage(domain)}" for domain in settings.domains]
        words += [f"parameter={name}" for name in question.parameters]
        return StringCommand("perl", "-", *map(shlex.quote, words))

    def process(self, output: list[str]) -> Look | None:
        try:
            return parse(output)
        except Exception as error:
            # pyinfra takes only this one for the trouble of one host; any other ends the run for all.
            raise FactProcessError(f"the look at this host cannot be read: {error!r}") from None
