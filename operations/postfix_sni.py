"""Further domains: a client gets the certificate for the name that it asks for (SNI)."""

import re
from collections.abc import Generator, Iterator
from dataclasses import replace

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.facts.look import MAIN_CF, Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.postfix.lists import elements
from smtp_auth.runs.operation import take_part
from smtp_auth.services.certbot import certificates
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix.references import names_table
from smtp_auth.services.postfix.reload import reload_if_older
from smtp_auth.services.postfix.sni import TABLE, asked_for, served, tables_on_port_465
from smtp_auth.settings import Settings
from smtp_auth.shown import command

# It contains only names, but no other account needs to know them.
MODE = "0600"


@operation()
def domains(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Serve the lineages of `additional_domains`, on every port where Postfix uses TLS.

    Our table is added to `tls_server_sni_maps`, before the tables that it has already. It is a `texthash:`
    table: it names the files of each lineage, and Postfix reads these files, as root, when one of its
    processes starts. So there is no second copy of a private key, unlike in an indexed table (`postmap -F`),
    and a renewed certificate is served after a reload. If a lineage is deleted, its names get the default
    certificate; other names are not affected.

    The table contains the default lineage, too, because Postfix logs each name that is not in the table. A
    client that asks for no name, or for an unknown name, gets the default certificate.

    + present: `False` in remove.py, which deletes the table and its name in main.cf

    Source: postconf(5), tls_server_sni_maps; DATABASE_README, "texthash".

    **Example:**

    .. code:: python

        postfix_sni.domains(name="Further domains: Postfix serves each one's own certificate")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Write the table and add it to main.cf; without further domains, delete both."""
    settings, look = draft.settings, draft.look
    draft.set_parameters(desired(settings, draft.owners))
    if settings.additional_domains:
        draft.write(TABLE, desired_table(settings, look), mode=MODE)
    else:
        # What its owner has made of our value stays theirs, without our table.
        if in_use(draft.owners):
            draft.disown(MAIN_CF, "tls_server_sni_maps")
        _delete_table(draft)
        listed = [table for value in tables_on_port_465(draft.owners) for table in elements(value)]
        tables = tuple(table for table in dict.fromkeys(listed) if table != _table(look))
        draft.proof = replace(draft.proof, sni_tables=tables)
    default = settings.lineage(settings.mail_domain)
    asked: dict[str, str] = {}
    for name, lineage in asked_for(served(settings, look)).items():
        asked.setdefault(lineage.directory, name)
    for directory, name in asked.items():
        if directory != default and name not in dict(draft.proof.certificates):
            draft.proof = draft.proof.with_certificate(name, f"{directory}/fullchain.pem")
    if not in_use(look):
        return
    table = look.files[TABLE.key]
    reload_if_older(draft, table.changed, f"{table.path} is newer than the running configuration")
    for domain, lineage in look.certificates.items():
        chain = f"{lineage.directory}/fullchain.pem"
        # smtpd_tls_cert_file names the default certificate, too: then the step of that parameter adds the
        # reason.
        elsewhere = chain == look.parameters["smtpd_tls_cert_file"]
        if chain in (table.content or "") and not elsewhere:
            reload_if_older(
                draft, lineage.changed, f"the certificate of {domain} is newer than the running configuration"
            )


def _delete_table(draft: Draft) -> None:
    """Delete the table if it is ours and no setting of the owner names it."""
    path, one = draft.look.files[TABLE.key].path, draft.ledger.files.get(TABLE.key)
    if one is None or not one.is_ours or one.is_edited:
        return
    main_cf = replace(draft.look.main_cf, content=draft.main_cf)
    coming = replace(draft.look, files={**draft.look.files, MAIN_CF.key: main_cf})
    if one.before.sha256:
        draft.note(f"{path} stays, because its owner has edited it; the record has that version")
    elif not names_table(coming, draft.ledger):
        draft.remove(TABLE)


def desired(settings: Settings, look: Look) -> dict[str, str | None]:
    """The parameters to set, name to value; `None` comments a parameter out."""
    present = look.parameters.get("tls_server_sni_maps", "")
    if in_use(look) == bool(settings.additional_domains):
        return {}
    if settings.additional_domains:
        return {"tls_server_sni_maps": ", ".join(filter(None, [_table(look), present]))}
    return {"tls_server_sni_maps": _listed(look).sub("", present).strip(" ,") or None}


def in_use(look: Look) -> bool:
    """Whether Postfix reads our table."""
    return _listed(look).search(look.parameters.get("tls_server_sni_maps", "")) is not None


def desired_table(settings: Settings, look: Look) -> str:
    """The content of the table.

    Its lines are `NAME KEY CHAIN`. Postfix looks up a wildcard `*.example.jp` as `.example.jp` (postconf(5),
    tls_server_sni_maps).
    """
    return "# Which certificate a client gets for a name. Managed: changes are lost.\n" + "".join(
        f"{name.removeprefix('*')} {lineage.directory}/privkey.pem {lineage.directory}/fullchain.pem\n"
        for name, lineage in served(settings, look).items()
    )


def _parameters(_settings: Settings) -> tuple[str, ...]:
    return ("tls_server_sni_maps",)


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    if settings.additional_domains and "tls_server_sni_maps" not in look.parameters:
        yield (
            f"additional_domains: Postfix {look.postfix_version} has no SNI (3.4 and later have): "
            "upgrade it, or leave additional_domains []"
        )
    for service in look.submissions_services if settings.additional_domains else ():
        own = service.effective_options.get("tls_server_sni_maps")
        if own is not None and not _listed(look).search(own):
            yield (
                f"{service.name} on port 465 has tls_server_sni_maps = {own}, so it would not serve "
                f"additional_domains: add {_table(look)} to it in {look.master_cf.path}, or delete the option"
            )
    for domain in settings.additional_domains:
        yield from certificates.obstacles(settings, look, domain)


def _warnings(settings: Settings, look: Look) -> Iterator[str]:
    for table in look.stale_tables:
        yield (
            f"tls_server_sni_maps: {table} contains copies of certificates that are older than those on the "
            f"disk: run {command('postmap', '-F', table)} on the host, or list its domains in "
            "additional_domains, which works without copies"
        )
    for domain in settings.additional_domains:
        yield from certificates.warnings(settings, look, domain)


def _table(look: Look) -> str:
    return f"texthash:{look.files[TABLE.key].path}"


# A pattern, because an owner's `inline:{ … }` may contain white space and commas. A run of these is read from
# its beginning alone.
def _listed(look: Look) -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<![\s,])[\s,]+){re.escape(_table(look))}(?=$|[\s,])")


STEP = Step(
    name="Further domains",
    nothing_to_do="every domain's certificate is served",
    service=POSTFIX,
    edit=edit,
    parameters=_parameters,
    files=(TABLE,),
    obstacles=_obstacles,
    warnings=_warnings,
)
