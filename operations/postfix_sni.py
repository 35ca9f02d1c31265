"""Several domains on one host: a client gets the certificate of the name that it asks for (SNI)."""

import re
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import Lineage, Look
from operations import certificates
from operations.changes import current, show_difference, staged
from operations.main_cf import stage_parameters
from settings import Settings

PARAMETERS = ("tls_server_sni_maps",)

# Of the names only, but nobody else's business either.
MODE = "0600"


@operation()
def domains() -> Generator[PyinfraCommand, None, None]:
    """
    Serve the lineages of `additional_domains`, on every port where Postfix speaks TLS.

    `tls_server_sni_maps` gets a table in front of those it has already. Ours is a `texthash:` table:
    it names the files of each lineage, and Postfix reads them itself, as root, whenever one of its
    processes starts. So there is no second copy of a private key, as an indexed table (`postmap -F`)
    would be one, and a renewed certificate is served after a reload. A lineage that vanished costs
    its own names alone: they get the default certificate.

    The default lineage is listed too, since Postfix logs a name that the table lacks. A client that
    names no domain, or an unknown one, gets the default certificate.

    **Example:**

    .. code:: python

        postfix_sni.domains(name="Certificates of further domains")
    """
    change = yield from current()
    if change is None:
        return
    settings, look = change.settings, change.look
    before = change.main_cf, change.sni
    change.sni = desired_table(settings, look)
    stage_parameters(change, desired(settings, look))
    if (change.main_cf, change.sni) == before:
        host.noop("every domain's certificate is served" if settings.additional_domains else "one domain")
        return
    if change.sni != before[1]:
        show_difference(look.sni.path, look.sni.content, change.sni or "")
    if change.main_cf != before[0]:
        show_difference(look.main_cf.path, before[0], change.main_cf)
    yield staged()


def desired(settings: Settings, look: Look) -> dict[str, str | None]:
    """Parameter to value; `None` where it is to be commented out."""
    present = look.parameters.get("tls_server_sni_maps", "")
    if in_use(look) == bool(settings.additional_domains):
        return {}
    if settings.additional_domains:
        return {"tls_server_sni_maps": ", ".join(filter(None, [_table(look), present]))}
    return {"tls_server_sni_maps": _listed(look).sub("", present).strip(" ,") or None}


def in_use(look: Look) -> bool:
    """Whether Postfix reads our table."""
    return _listed(look).search(look.parameters.get("tls_server_sni_maps", "")) is not None


def desired_table(settings: Settings, look: Look) -> str | None:
    """The table's content; as it is, or none, where there is but one domain.

    Its lines are `NAME KEY CHAIN`; a wildcard `*.example.jp` is looked up as `.example.jp`
    (postconf(5), tls_server_sni_maps).
    """
    if not settings.additional_domains:
        return look.sni.content
    return "# Which certificate a client gets for a name. Managed: changes are lost.\n" + "".join(
        f"{name.removeprefix('*')} {lineage.directory}/privkey.pem {lineage.directory}/fullchain.pem\n"
        for name, lineage in served(settings, look).items()
    )


def served(settings: Settings, look: Look) -> dict[str, Lineage]:
    """Each name that a client may ask for, to the lineage that it gets: the first that covers it."""
    names: dict[str, Lineage] = {}
    for domain in settings.domains:
        for name in certificates.names(look.certificates[domain]):
            names.setdefault(name, look.certificates[domain])
    return names


def _table(look: Look) -> str:
    return f"texthash:{look.sni.path}"


# Not split into words: an owner's `inline:{ … }` holds white space and commas.
def _listed(look: Look) -> re.Pattern[str]:
    return re.compile(rf"(?:^|[\s,]+){re.escape(_table(look))}(?=$|[\s,])")
