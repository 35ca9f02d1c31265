"""What renews the certificates, and what certbot's own files say about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from smtp_auth.services.certbot.clients import clients_in, mentions_client
from smtp_auth.services.certbot.options import OPTIONS, hooks_in
from smtp_auth.verify.connection import look, on
from smtp_auth.verify.jobs import Job, jobs, lines_by_file, with_scripts
from smtp_auth.verify.target import Target, observer


@dataclass(frozen=True)
class Renewer:
    """A job that renews certificates, or may do so.

    + clients: the clients that it starts; empty if only a name in it is that of a client
    """

    job: Job
    clients: frozenset[str]

    @property
    def is_certbots(self) -> bool:
        """Whether certbot renews."""
        return any(client.startswith("certbot") for client in self.clients)

    @property
    def is_anothers(self) -> bool:
        """Whether another client renews."""
        return any(not client.startswith("certbot") for client in self.clients)


@observer
def renewers(target: Target) -> tuple[Renewer, ...]:
    """The jobs that renew, and the timers that may renew: the program that they start cannot be read."""
    found = (Renewer(job, clients_in(job.commands)) for job in target.see(jobs))
    return tuple(one for one in found if one.clients or _may_renew(one.job))


def _may_renew(job: Job) -> bool:
    return job.name.endswith(".timer") and mentions_client(f"{job.name}\n{job.commands}")


@observer
def certbot_files(target: Target) -> Mapping[str, str]:
    """certbot's files with options, and the configurations with which it renews, path to text."""
    lineages = target.see(look).certificates.values()
    paths = [*OPTIONS, *dict.fromkeys(lineage.renewal for lineage in lineages if lineage.renewal)]
    return lines_by_file(on(target).run("grep -sH '' --" + " %s" * len(paths), *paths).stdout)


@observer
def own_hooks(target: Target) -> str:
    """The commands of hooks in those files, with the text of the scripts that they start."""
    commands = {path: hooks_in(text) for path, text in target.see(certbot_files).items()}
    return "\n".join(with_scripts(target, commands).values())
