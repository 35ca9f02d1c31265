"""Which SASL mechanisms a service of Postfix offers inside TLS.

If none is left, smtpd ends as soon as TLS is established ("fatal: no SASL authentication mechanisms"): on
port 25 at STARTTLS, on port 465 at each connection.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping

from smtp_auth.facts.look import Look
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.master_cf import Service
from smtp_auth.services.dovecot.mechanisms import is_excluded

OPTIONS, INSIDE_TLS = "smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"

FILTER = "smtpd_sasl_mechanism_filter"


def mechanism_obstacles(
    look: Look, name: str, options: Mapping[str, str], service: Service | None
) -> Iterator[str]:
    """Why a service that offers logins would not serve: no mechanism is left inside TLS.

    + name: that of the service, for people
    + options: its options in master.cf after the change, name to value
    + service: as it is now; `None` if it is new
    """
    if not look.mechanisms:
        return
    own = service.effective_options if service else {}
    definitions = ChainMap({**own, **options}, look.definitions)
    parameter = INSIDE_TLS
    if INSIDE_TLS not in options and INSIDE_TLS not in look.defined:
        # Its default is the value of this one.
        parameter = OPTIONS
    values = ChainMap({**options}, look.parameters)
    excluding = frozenset(map(str.lower, elements(expanded(values.get(parameter, ""), definitions))))
    left = [one for one in look.mechanisms if not is_excluded(one, excluding)]
    offered = ", ".join(look.mechanisms)
    if not left:
        yield (
            f"{parameter} = {values[parameter]} excludes every mechanism of Dovecot's ({offered}), so {name} "
            f"would end each connection inside TLS: set {INSIDE_TLS} to noanonymous"
        )
        return
    patterns = elements(expanded(values.get(FILTER, ""), definitions))
    if patterns and all(_is_filtered(one, patterns) for one in left):
        yield (
            f"{FILTER} = {values[FILTER]} leaves no mechanism of Dovecot's ({offered}), so {name} would end "
            f"each connection inside TLS: let it accept one of them"
        )


def _is_filtered(mechanism: str, patterns: list[str]) -> bool:
    """Whether a list of patterns surely excludes a mechanism: the first one that matches counts."""
    for pattern in patterns:
        word = pattern.lstrip("!").lower()
        if word.startswith("static:"):
            return pattern.startswith("!")
        if ":" in word or word.startswith("/"):
            # What a table says is not known.
            return False
        if word == mechanism:
            return pattern.startswith("!")
    return True
