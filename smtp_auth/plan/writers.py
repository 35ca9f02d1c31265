"""Directories of managed files into which others than root may write.

They could replace any file there, also while root writes it. That is refused for everybody, and for the
account of a service, because whoever takes over that service would become root. People who may write there
are an administrator's decision, and are only named.
"""

from collections.abc import Iterable, Iterator

from smtp_auth.facts.look import Look, ManagedFile, Writer
from smtp_auth.shown import command

# People's accounts begin here (adduser.conf(5)). From the second number on, systemd gives them to services
# while these run (systemd.exec(5), DynamicUser); `nobody` is behind them.
_PEOPLE, _DYNAMIC, _NOBODY = 1000, 61184, 65534


def unprotected(look: Look, managed: Iterable[ManagedFile]) -> Iterator[str]:
    """Why root may not write on this host, one sentence for each directory and writer.

    + managed: the files that a change may write
    """
    for writer in _writers(look, managed):
        services = [name for name, uid in writer.accounts.items() if _is_of_a_service(uid)]
        if writer.kind == "everybody":
            yield (
                f"everybody may write to {writer.directory}, and so replace what root writes there: run "
                f"{command('chmod', 'o-w', writer.directory)}"
            )
        elif services:
            yield (
                f"{_named(writer)} may write to {writer.directory}, so that the service of "
                f"{', '.join(services)} could replace what root writes there: run {_way_out(writer)}"
            )


def warnings(look: Look, managed: Iterable[ManagedFile]) -> Iterator[str]:
    """The people who may replace what root writes, one sentence for each directory and writer."""
    for writer in _writers(look, managed):
        if writer.accounts and not any(map(_is_of_a_service, writer.accounts.values())):
            yield (
                f"{_named(writer)} may write to {writer.directory}, and so replace what root writes there: "
                f"if that is not meant, run {_way_out(writer)}"
            )


def _writers(look: Look, managed: Iterable[ManagedFile]) -> Iterable[Writer]:
    """Each once."""
    files = ((one, look.files[one.key]) for one in managed)
    written = [file for one, file in files if not (one.only_with_root and file.owners)]
    return {(one.directory, one.kind, one.name): one for file in written for one in file.writers}.values()


def _is_of_a_service(uid: int) -> bool:
    return 0 < uid < _PEOPLE or _DYNAMIC <= uid <= _NOBODY


def _named(writer: Writer) -> str:
    if writer.kind == "group":
        return f"the group {writer.name} ({', '.join(writer.accounts)})"
    return f"the account {writer.name}"


def _way_out(writer: Writer) -> str:
    if writer.kind == "owner":
        return command("chown", "root", writer.directory)
    return command("chmod", "g-w", writer.directory)
