"""The fact about a mail host: a look at it."""

import shlex
from dataclasses import dataclass

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import FactProcessError

from smtp_auth.facts.look import Look, ManagedFile, parse
from smtp_auth.settings import Settings


@dataclass(frozen=True)
class LookRequest:
    """What a look is to find out; in pyinfra's messages it is one word, not a page.

    + settings: they say where the host's certificates are
    + record: the directory of the record of changes
    + parameters: the Postfix parameters whose effective values are wanted
    + files: the files that any step may write
    + listener: Dovecot's listener for Postfix, below Postfix's queue directory
    """

    settings: Settings
    record: str
    parameters: tuple[str, ...]
    files: tuple[ManagedFile, ...]
    listener: str

    def __str__(self) -> str:
        return self.settings.mail_domain

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of the program: `SmtpAuth::Look` and the services' packages say what they mean."""
        settings = self.settings
        return (
            f"live={settings.letsencrypt_live}",
            f"hostname={settings.mail_hostname}",
            f"record={self.record}",
            f"listener={self.listener}",
            *(f"file={file.key}={file.service}={file.name}" for file in self.files),
            *(f"certificate={domain}={settings.lineage(domain)}" for domain in settings.domains),
            *(f"parameter={name}" for name in self.parameters),
        )


class MailHost(FactBase[Look | None]):
    """
    Returns a `Look`: versions, effective parameters, configuration files, certificates and what runs.

    + request: the `LookRequest`

    Ask with `on_host.looking.look_program` as `_stdin`: on standard input it needs no quoting,
    whatever the login shell. It reads only, and of a private key only its public half leaves the host.
    """

    def command(self, request: LookRequest) -> StringCommand:
        return StringCommand("perl", "-", *map(shlex.quote, request.words))

    def process(self, output: list[str]) -> Look | None:
        try:
            return parse(output)
        except Exception as error:
            # pyinfra takes only this one for the trouble of one host; any other ends the run for all.
            raise FactProcessError(f"the look at this host cannot be read: {error!r}") from None
