"""Which certificate Postfix serves for the name that a client asks for (SNI)."""

from collections.abc import Mapping

from smtp_auth.facts.look import MAIN_CF, Lineage, Look, ManagedFile
from smtp_auth.postfix.lists import expanded
from smtp_auth.services.certbot import certificates
from smtp_auth.settings import Settings

TABLE = ManagedFile("sni", MAIN_CF.service, "smtp_auth_sni")


def served(settings: Settings, look: Look) -> dict[str, Lineage]:
    """Each name that a client may ask for, to the lineage that Postfix serves: the first that covers it."""
    names: dict[str, Lineage] = {}
    for domain in settings.domains:
        for name in certificates.names(look.certificates[domain]):
            names.setdefault(name, look.certificates[domain])
    return names


def asked_for(names: Mapping[str, Lineage]) -> dict[str, Lineage]:
    """The names of `served` as a client may ask for them."""
    return {_within(name, names) if name.startswith("*") else name: one for name, one in names.items()}


def _within(wildcard: str, names: Mapping[str, Lineage]) -> str:
    """A name that a wildcard covers and that no certificate lists."""
    labels = ("mail", *(f"mail{number}" for number in range(len(names))))
    return next(name for name in (wildcard.replace("*", label, 1) for label in labels) if name not in names)


def index_of(table: str) -> str:
    """What Postfix reads for an indexed table: `hash:/etc/postfix/sni.db` for `hash:/etc/postfix/sni`."""
    kind = table.partition(":")[0]
    return f"{table}.{'db' if kind in ('hash', 'btree') else kind}"


def tables_on_port_465(look: Look) -> list[str]:
    """The values of tls_server_sni_maps on port 465, expanded: of each service, or that of main.cf."""
    name = "tls_server_sni_maps"
    found = [look.value(service, name) for service in look.submissions_services]
    return found or [expanded(look.parameters.get(name, ""), look.definitions)]
