"""The restriction lists of a service on port 465: its owner's, the data's, its model's, or the guide's.

The guide's options refer to `$mua_…`. If another service refers to the same parameter, or the host defines it
in another way, the list itself is written into the option, so that nothing else changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from smtp_auth.facts.look import Look
from smtp_auth.postfix.lists import elements, expanded, refers
from smtp_auth.postfix.master_cf import Service, is_submissions, services
from smtp_auth.postfix.restriction_lists import asks_for_login, binding, for_logins, refuses_logins
from smtp_auth.services.postfix.guide_options import GUIDE_OPTIONS, LISTS, SAFE_RESTRICTIONS
from smtp_auth.services.postfix.login_rules import LoginRules
from smtp_auth.settings import Settings

# Restrictions that only say who may relay.
_RELAYING = {
    "permit",
    "permit_auth_destination",
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "defer_unauth_destination",
    "reject_unauth_destination",
    "reject",
}


class Origin(Enum):
    """Whose list a service on port 465 has."""

    DATA = "a mua_* key of the data"
    OPTIONS = "submissions_options"
    SERVICE = "the owner's option on the service"
    MAIN_CF = "the owner's in main.cf"
    BINDING = "what binds logins in main.cf"
    MODEL = "the model's"
    GATE = "the guide's or the model's, and it rejects clients without a login"
    GUIDE = "the guide's"


@dataclass(frozen=True)
class ListChoice:
    """What becomes of one restriction list of a service.

    + origin: whose list it is
    + option: the option's new value; `None` if it stays
    + mua: the value that the `mua_*` parameter of this list must have; `None` if it stays
    """

    origin: Origin
    option: str | None = None
    mua: str | None = None


def choice_of(
    settings: Settings,
    look: Look,
    service: Service | None,
    model: LoginRules | None,
    name: str,
) -> ListChoice:
    """What becomes of a list.

    + look: the host without what we have written
    + service: the one on port 465; `None` if we add it
    + model: the rules of its model; `None` if no service offers logins
    + name: one of `LISTS`
    """
    key = LISTS[name]
    asked = asked_for(settings, key)
    if name in settings.submissions_options:
        return ListChoice(Origin.OPTIONS)
    if key and asked is not None:
        return _by_name(look, key, ", ".join(asked), Origin.DATA)
    is_new = not service or service.label in look.own_services
    place = _owners_place(look, service, name) if service and not is_new else None
    if place == Origin.SERVICE:
        return ListChoice(place)
    if key in look.edited:
        return ListChoice(Origin.MAIN_CF, f"${key}")
    if service and not is_new:
        # Without logins so far, what it takes from main.cf was not meant for them.
        if place and (model is None or model.service == service):
            return ListChoice(place)
        if model and model.service == service and model.lists[name]:
            return ListChoice(Origin.SERVICE if name in service.effective_options else Origin.MAIN_CF)
    if model and model.lists[name]:
        return _taken_over(look, model, name)
    return _guides(look, name, model, binds=model is None and is_new)


def gated(
    look: Look, name: str, choice: ListChoice, present: str, known: Mapping[str, str]
) -> ListChoice | None:
    """The list, so that it rejects clients without a login, too; `None` if that would change it for others.

    + choice: what becomes of the list so far
    + present: its value so far; `known`: what a `$name` in it stands for
    """
    if choice.origin not in (Origin.GUIDE, Origin.MODEL, Origin.BINDING):
        return None
    text = choice.mua if choice.mua is not None else present
    gate = ", ".join(filter(None, (text, SAFE_RESTRICTIONS["mua_client_restrictions"])))
    if not asks_for_login(gate, known):
        return None
    key = LISTS[name]
    if not key or choice.mua is None:
        return ListChoice(Origin.GATE, gate)
    return _by_name(look, key, gate, Origin.GATE)


def unless_written(choice: ListChoice, written: str | None) -> ListChoice:
    """The choice; in words if another service on port 465 needs another value of the same `mua_*`."""
    if choice.mua is None or written in (None, choice.mua):
        return choice
    return ListChoice(choice.origin, choice.mua)


def asked_for(settings: Settings, key: str | None) -> tuple[str, ...] | None:
    """The value of a `mua_*` data key; `None` if it is not given."""
    found: tuple[str, ...] | None = getattr(settings, key) if key else None
    return found


def _guides(look: Look, name: str, model: LoginRules | None, *, binds: bool) -> ListChoice:
    key, defined = LISTS[name], look.defined
    if not key:
        return ListChoice(Origin.GUIDE, GUIDE_OPTIONS[name])
    rules = _rules_that_bind(look) if binds and name == "smtpd_sender_restrictions" else ""
    if key in defined:
        theirs = for_logins(f"${key}", look.definitions)
        if rules and not {*for_logins(rules, look.definitions)} <= {*theirs}:
            return ListChoice(Origin.BINDING, f"{rules}, ${key}")
        return ListChoice(Origin.GUIDE, f"${key}" if model is None or not theirs else SAFE_RESTRICTIONS[key])
    return _by_name(look, key, rules or SAFE_RESTRICTIONS[key], Origin.BINDING if rules else Origin.GUIDE)


def _taken_over(look: Look, model: LoginRules, name: str) -> ListChoice:
    key, text, defined = LISTS[name], model.texts[name], look.defined
    if key and key in defined and for_logins(f"${key}", look.definitions) == model.lists[name]:
        return ListChoice(Origin.MODEL, f"${key}")
    if not key or key in defined:
        return ListChoice(Origin.MODEL, text)
    return _by_name(look, key, text, Origin.MODEL)


def _by_name(look: Look, key: str, value: str, origin: Origin) -> ListChoice:
    """The list as `$mua_…`, if that changes nothing else; else in words."""
    present = look.defined.get(key)
    if present is not None and elements(present) == elements(value):
        return ListChoice(origin, f"${key}")
    # To Postfix, a parameter that is not defined is empty.
    changes = elements(present or "") != elements(value)
    if refers(value, key) or (changes and _is_referred_to_elsewhere(look, key)):
        return ListChoice(origin, value)
    return ListChoice(origin, f"${key}", value)


def _is_referred_to_elsewhere(look: Look, key: str) -> bool:
    """Whether another parameter, or a service on another port, refers to a `mua_*`."""
    defined = look.defined
    mua = {name: defined[name] for name in SAFE_RESTRICTIONS if name in defined and name != key}
    values = [value for name, value in defined.items() if name not in SAFE_RESTRICTIONS]
    for service in services(look.master_cf.content or ""):
        if not is_submissions(service):
            values += service.effective_options.values()
    return any(refers(expanded(value, mua), key) for value in values)


def _owners_place(look: Look, service: Service, name: str) -> Origin | None:
    """Where the owner's list is, if it stays: on the service or in main.cf."""
    own = service.effective_options.get(name)
    if own is not None:
        return Origin.SERVICE if elements(own) and own != GUIDE_OPTIONS[name] else None
    inherited = look.defined.get(name, "")
    # With such a list, nobody could send through the service: the owner wrote it for port 25.
    if refuses_logins(inherited, look.definitions_of(service)):
        return None
    return Origin.MAIN_CF if {word.lower() for word in elements(inherited)} - _RELAYING else None


def _rules_that_bind(look: Look) -> str:
    """What binds logins in main.cf, if no service has offered them yet. A new service needs it, too."""
    lists = [binding(for_logins(look.defined.get(name, ""), look.definitions)) for name in LISTS]
    found = [one for one in lists if one]
    # In one list, what one of several permits would not reach the others.
    words = [one.words for each in found for one in each if len(found) == 1 or not one.only_permits]
    return ", ".join(dict.fromkeys(words))
