"""What settings of the owner refer to of what we have written in main.cf."""

from collections.abc import Mapping

from smtp_auth.facts.ledger import Ledger
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.postfix.lists import expanded, references
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services
from smtp_auth.services.postfix.sni import TABLE

NOTHING_SEEN: Mapping[str, str] = {}


def referred(
    look: Look, ledger: Ledger, first_seen: Mapping[str, str] = NOTHING_SEEN
) -> dict[tuple[str, str], str]:
    """The definitions that must stay because a setting of the owner refers to them, with a note each.

    If there was a definition before us, restoring it deletes nothing, so it is not among them. Nor is it if
    only settings from before us refer to it: they have been without it.

    + look: the host as it is
    + ledger: from `ledger_now`
    + first_seen: main.cf and master.cf as they were before us, by their keys
    """
    earlier = settings_in(first_seen.get(MAIN_CF.key, ""), first_seen.get(MASTER_CF.key, ""))
    settings = _of_the_owner(look, ledger)
    values = (value for name, value in settings.items() if earlier.get(name) != value)
    named = {name for value in values for name in references(value)}
    return {
        (MAIN_CF.key, name): f"{name} stays, because a setting of the owner refers to it"
        for name, one in ledger.ours(MAIN_CF.key).items()
        if one.before is None and name in named
    }


def names_table(look: Look, ledger: Ledger) -> bool:
    """Whether a setting of the owner names our SNI table. The arguments are those of `referred`."""
    known, path = look.definitions, look.files[TABLE.key].path
    return any(path in expanded(value, known) for value in _of_the_owner(look, ledger).values())


def settings_in(main_cf: str, master_cf: str) -> dict[str, str]:
    """The parameters and options of both files, name to value."""
    options = {
        f"{service.label}/{name}": value
        for service in services(master_cf)
        for name, value in service.effective_options.items()
    }
    return {**defined_parameters(main_cf), **options}


def _of_the_owner(look: Look, ledger: Ledger) -> dict[str, str]:
    """The settings of the owner, name to value."""
    ours = {*ledger.ours(MAIN_CF.key), *ledger.ours(MASTER_CF.key)}
    found = settings_in(look.main_cf.content or "", look.master_cf.content or "")
    # A service that is ours is deleted with the options that its owner has added.
    return {name: value for name, value in found.items() if not {name, name.rpartition("/")[0]} & ours}
