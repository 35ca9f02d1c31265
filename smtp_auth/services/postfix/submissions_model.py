"""What a service on port 465 has of its model (login_rules.py): what people are told, and what is refused."""

from collections.abc import Iterator

from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look
from smtp_auth.plan.draft import Draft
from smtp_auth.postfix.lists import expanded, refers
from smtp_auth.postfix.restriction_lists import lets_only_certain_logins_send
from smtp_auth.services.postfix.guide_options import ASKS_DOVECOT, LISTS
from smtp_auth.services.postfix.login_rules import LoginRules, other_rules
from smtp_auth.services.postfix.submissions_lists import Origin, asked_for
from smtp_auth.services.postfix.submissions_options import ServiceOptions, lists_that_refuse_logins
from smtp_auth.settings import Settings

# Port 465 requires TLS and logins in any case.
_OF_EVERY_SERVICE = (
    "smtpd_enforce_tls",
    "smtpd_tls_auth_only",
    "smtpd_tls_security_level",
    "smtpd_use_tls",
)


def tell_of_the_model(draft: Draft, one: ServiceOptions) -> None:
    """Note what a service takes over from the one that its users have used so far, and what it does not."""
    for name in one.lists_from(Origin.BINDING):
        draft.note(f"{one.name} takes over what binds logins in main.cf ({name}): {one.value(name)}")
        _remember(draft, one, name, "main.cf")
    model = one.model if one.model and one.model.service != one.service else None
    if model:
        taken = {**{name: one.value(name) for name in one.lists_from(Origin.MODEL)}, **one.taken}
        verb, gone = ("takes over", "") if model.service else ("keeps", ", which offers no logins any more")
        for name, value in taken.items():
            draft.note(f"{one.name} {verb} {name} of {model.label}{gone}: {value or 'empty'}")
            _remember(draft, one, name, model.label)
        for name in one.lists_from(Origin.GATE):
            _remember(draft, one, name, model.label)
    for name in (*one.lists_from(Origin.MODEL), *one.lists_from(Origin.GUIDE)):
        key = LISTS[name] or ""
        if draft.owners.defined.get(key) and not refers(one.effective[name], key):
            draft.note(f"{one.name} does not use {key} of main.cf: {draft.owners.defined[key]}")
    for other in [*([model] if model else []), *other_rules(draft.owners, [one.model] if one.model else [])]:
        its_own = other.own if other is model else {}
        for name, value in {**other.limiting, **its_own}.items():
            if value and not _has(one, other, name, value):
                draft.note(f"{one.name} does not have {name} of {other.label}: {value}")


def _remember(draft: Draft, one: ServiceOptions, name: str, source: str) -> None:
    """Note on the ledger what is taken over: it stays when the other service offers no logins any more."""
    draft.take_over(MASTER_CF, f"{one.label}/{name}", source)
    key = LISTS.get(name)
    if key and key in one.mua:
        draft.take_over(MAIN_CF, key, source)


def _has(one: ServiceOptions, other: LoginRules, name: str, value: str) -> bool:
    """Whether a service on port 465 has what another service has, or does not need it."""
    if name in other.lists:
        return one.limits[name] == other.lists[name]
    if name in one.effective:
        return one.value(name) == expanded(value, one.definitions)
    return name in _OF_EVERY_SERVICE or ASKS_DOVECOT.get(name) == value


def _where(one: ServiceOptions, name: str) -> str:
    """Which service of the host has a list that port 465 would have."""
    if one.model and name in one.lists_from(Origin.MODEL):
        return f"{one.model.label}, where users log in so far,"
    return f"{one.name} on port 465"


def list_obstacles(settings: Settings, look: Look, one: ServiceOptions) -> Iterator[str]:
    """Why nobody could send, or why it is unknown which rules for logins must hold on port 465."""
    for name in lists_that_refuse_logins(one):
        yield (
            f"{_where(one, name)} has {name} = {one.value(name)}, which rejects even clients that "
            f"have logged in: set {_key_of(name)}, which replaces that list on port 465, or correct the "
            "list on the host"
        )
    models = one.models
    for other in models[1:]:
        names = dict.fromkeys((*models[0].limiting, *other.limiting))
        undecided = [name for name in names if not is_given(settings, name)]
        differing = [name for name in undecided if _differ(models[0], other, name)]
        if differing:
            yield (
                f"{models[0].label} and {other.label} limit logins in different ways, so it is not known "
                f"what must hold for {one.name} on port 465: set {', '.join(map(_key_of, differing))}"
            )
    model = one.model if one.model and one.model.service != one.service else None
    own = one.service.effective_options if one.service else {}
    for name, value in model.limiting.items() if model else ():
        is_owners = name in own and name not in one.options
        if is_owners and not is_given(settings, name) and model and not _has(one, model, name, value):
            yield (
                f"{one.name} on port 465 has {name} = {one.value(name) or 'empty'}, but {model.label}, where "
                f"users log in so far, has {value or 'it empty'}: set {_key_of(name)} to what must hold on "
                "port 465"
            )
    open_lists = [*one.lists_from(Origin.GUIDE), *one.lists_from(Origin.BINDING)]
    for name in open_lists if one.model is None else ():
        # Either list may say who relays.
        relaying = "smtpd_relay_restrictions" if name == "smtpd_recipient_restrictions" else name
        is_open = not (is_given(settings, name) or is_given(settings, relaying))
        if is_open and lets_only_certain_logins_send(look.parameters.get(name, ""), look.definitions):
            yield (
                f"main.cf lets only certain logins send ({name} = {look.parameters[name]}), and "
                f"{one.name} on port 465 would let all of them: set {_key_of(name)} to the list that must "
                "hold there"
            )


def _key_of(name: str) -> str:
    """Where the data can say what an option of the service is."""
    key = LISTS.get(name)
    in_options = f"{name} in submissions_options"
    # A data key takes no restriction classes.
    return f"{key} (or {in_options})" if key else in_options


def is_given(settings: Settings, name: str) -> bool:
    """Whether the data says what an option of the service is."""
    return name in settings.submissions_options or asked_for(settings, LISTS.get(name)) is not None


def _differ(one: LoginRules, other: LoginRules, name: str) -> bool:
    if name in one.lists:
        return one.lists[name] != other.lists[name]
    return one.options.get(name) != other.options.get(name)
