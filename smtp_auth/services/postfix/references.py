"""What settings of the owner refer to of what we have written in main.cf."""

import re
from collections.abc import Iterator

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services
from smtp_auth.services.postfix.sni import TABLE


def referred(look: Look, ledger: Ledger) -> dict[tuple[str, str], str]:
    """The definitions that must stay because a setting of the owner refers to them, with a note each.

    If there was a definition before us, restoring it deletes nothing, so it is not among them.

    + look: the host as it is
    + ledger: from `ledger_now`
    """
    values = [*_values_of_the_owner(look, ledger)]
    return {
        (MAIN_CF.key, name): f"{name} stays, because a setting of the owner refers to it"
        for name, one in ledger.ours(MAIN_CF.key).items()
        if one.before is None and any(_refers(value, name) for value in values)
    }


def names_table(look: Look, ledger: Ledger) -> bool:
    """Whether a setting of the owner names our SNI table. The arguments are those of `referred`."""
    known = {**look.parameters, **defined_parameters(look.main_cf.content or "")}
    path = look.files[TABLE.key].path
    return any(path in expanded(value, known) for value in _values_of_the_owner(look, ledger))


def _refers(value: str, name: str) -> bool:
    return re.search(rf"\$(?:{name}\b|[({{]{name}\b)", value) is not None


def _values_of_the_owner(look: Look, ledger: Ledger) -> Iterator[str]:
    parameters, options = ledger.ours(MAIN_CF.key), ledger.ours(MASTER_CF.key)
    defined = defined_parameters(look.main_cf.content or "")
    yield from (value for name, value in defined.items() if name not in parameters)
    for service in services(look.master_cf.content or ""):
        for name, value in service.effective_options.items():
            # A service that is ours is deleted with the options that its owner has added.
            if not {service.label, f"{service.label}/{name}"} & options.keys():
                yield value
