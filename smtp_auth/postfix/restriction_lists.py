"""What a list of access restrictions permits and rejects.

What a table, a policy service or an unknown word answers is not known here, so it may permit or reject.

Source: SMTPD_ACCESS_README; postconf(5), smtpd_delay_reject, smtpd_restriction_classes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from smtp_auth.postfix.lists import elements, expanded, reference
from smtp_auth.postfix.parameters import came_with
from smtp_auth.postfix.restrictions import FORMER_RESTRICTIONS, RESTRICTIONS

# The lists that Postfix applies to a message. It has one more, for ETRN.
LISTS_OF_A_MESSAGE = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)

# These permit clients with a login, whatever else is true of them.
_PERMIT_LOGINS = {"permit", "permit_sasl_authenticated"}

# Postfix ignores these for a client that has not logged in.
_NEEDS_LOGIN = {"permit_sasl_authenticated", "check_sasl_access"}

# Restrictions whose names do not begin with "reject". These never permit a client that has not logged in.
_PERMIT_NOBODY_ELSE = {
    *_NEEDS_LOGIN,
    "defer",
    "defer_if_permit",
    "defer_if_reject",
    "defer_unauth_destination",
    "sleep",
}

# These permit nobody at all.
_PERMIT_NOBODY = _PERMIT_NOBODY_ELSE - _NEEDS_LOGIN

_REJECT_ALL = {"reject", "defer"}

# These reject mail to other domains, unless a restriction before them has permitted it.
_END_RELAYING = {*_REJECT_ALL, "reject_unauth_destination", "defer_unauth_destination"}

# Tables of clients and recipients. Lists for port 25 have them, too, before they end relaying.
_NOT_OF_LOGINS = ("check_client_", "check_helo_", "check_recipient_", "check_reverse_", "check_sender_")

# These are about clients without a login or without TLS.
_IGNORES_LOGINS = {"reject_unauthenticated_sender_login_mismatch", "reject_plaintext_session"}

_REJECTS_SENDERS = {
    # For a client with a login, both are the same.
    "reject_sender_login_mismatch": "reject_authenticated_sender_login_mismatch",
}

# These bind a login: to senders (smtpd_sender_login_maps), or to what a table says of it.
_BINDS_LOGINS = {
    "check_sasl_access",
    "reject_authenticated_sender_login_mismatch",
    "reject_known_sender_login_mismatch",
}

# Postfix ignores these without SASL, and then applies them to clients without a login, too.
_REJECTS_STRANGERS_WITH_SASL = {
    "reject_known_sender_login_mismatch",
    "reject_sender_login_mismatch",
    "reject_unauthenticated_sender_login_mismatch",
}

# A policy service is told the login.
_DEPENDS_ON_LOGIN = {
    *_NEEDS_LOGIN,
    *_BINDS_LOGINS,
    *_REJECTS_STRANGERS_WITH_SASL,
    "check_policy_service",
}

# These reject a login for a sender that nobody owns.
_REJECTS_WITHOUT_OWNER = {
    "reject_authenticated_sender_login_mismatch",
    "reject_sender_login_mismatch",
}

# Postfix ignores these as long as the client has not logged in, or the sender or the recipient is not known.
_COMES_LATER = {
    *_NEEDS_LOGIN,
    *(_END_RELAYING - _REJECT_ALL),
    *_BINDS_LOGINS,
    *_REJECTS_STRANGERS_WITH_SASL,
}


@dataclass(frozen=True)
class Restriction:
    """One restriction of a list.

    + name: in lower case if it is one of Postfix's own
    + arguments: what follows it
    + only_warns: whether `warn_if_reject` is before it
    + written: its name in the list, if `name` is another one that means the same
    """

    name: str
    arguments: tuple[str, ...] = ()
    only_warns: bool = False
    written: str = field(default="", compare=False)

    @property
    def words(self) -> str:
        """The restriction as it is written in a list."""
        warning = ("warn_if_reject",) if self.only_warns else ()
        return " ".join((*warning, self.written or self.name, *self.arguments))

    @property
    def is_known(self) -> bool:
        """Whether it is one of Postfix's own."""
        return _is_known(self.name)

    @property
    def only_rejects(self) -> bool:
        """Whether it permits nobody."""
        return self.is_known and (self.name.startswith("reject") or self.name in _PERMIT_NOBODY)

    @property
    def only_permits(self) -> bool:
        """Whether it rejects nobody."""
        return self.name in RESTRICTIONS and self.name.startswith("permit")

    @property
    def rejects_all(self) -> bool:
        """Whether nothing behind it is ever used."""
        return self.name in _REJECT_ALL and not self.only_warns


def restrictions_in(value: str, definitions: Mapping[str, str]) -> tuple[Restriction, ...]:
    """The restrictions of a list, with each `$name` and each restriction class replaced by what it contains.

    + definitions: the values for each `$name`, and for each class that `smtpd_restriction_classes` names
    """
    classes = {*elements(expanded(definitions.get("smtpd_restriction_classes", ""), definitions))}
    return tuple(_read(value, _Reading(definitions, classes), only_warns=False))


def refuses_logins(value: str, definitions: Mapping[str, str], *, before_login: bool = False) -> bool:
    """Whether a list of restrictions certainly rejects mail to other domains from every client with a login.

    `permit_mynetworks, reject` does: it permits clients by their network. The other arguments are those of
    `restrictions_in`.

    + before_login: whether Postfix applies the list before a client can log in (smtpd_delay_reject = no)
    """
    others = False
    nobody_owns = definitions.get("smtpd_sender_login_maps", "unknown").strip() == ""
    for one in restrictions_in(value, definitions):
        if before_login and one.name in _COMES_LATER:
            continue
        if one.name in _PERMIT_LOGINS:
            return False
        if nobody_owns and one.name in _REJECTS_WITHOUT_OWNER and not one.only_warns:
            return True
        if one.name in _END_RELAYING and not one.only_warns:
            return not (others and one.name in _REJECT_ALL)
        if not (one.only_rejects or one.only_permits):
            if not one.name.startswith(_NOT_OF_LOGINS):
                return False
            others = True
    return False


def lets_only_certain_logins_send(value: str, definitions: Mapping[str, str]) -> bool:
    """Whether a list asks a table which logins may send, at least to other domains, and rejects the rest.

    The arguments are those of `restrictions_in`.
    """
    found = for_logins(value, definitions)
    asked = [index for index, one in enumerate(found) if one.name == "check_sasl_access"]
    return any(one.name in _END_RELAYING for one in (found[asked[0] :] if asked else ()))


def asks_for_login(value: str, definitions: Mapping[str, str]) -> bool:
    """Whether a list of restrictions certainly rejects every client that has not logged in.

    It does if it contains `reject` or `defer`, and no restriction before that can permit such a client. The
    arguments are those of `restrictions_in`.
    """
    for one in restrictions_in(value, definitions):
        if one.rejects_all:
            return True
        if not (one.only_rejects or one.name in _PERMIT_NOBODY_ELSE):
            return False
    return False


def for_logins(
    value: str, definitions: Mapping[str, str], *, before_login: bool = False
) -> tuple[Restriction, ...]:
    """What a list does with clients that have logged in, reduced to the restrictions that matter for them.

    It is empty if the list permits all of them. Two lists with the same result treat every login in the same
    way. The other arguments are those of `restrictions_in`.

    + before_login: whether Postfix applies the list before a client can log in (smtpd_delay_reject = no)
    """
    found: list[Restriction] = []
    for one in restrictions_in(value, definitions):
        if before_login and one.name in _COMES_LATER:
            continue
        if one.name in _PERMIT_LOGINS:
            break
        if one.name in _IGNORES_LOGINS or (one.only_rejects and one.only_warns):
            continue
        found.append(replace(one, name=_REJECTS_SENDERS.get(one.name, one.name), written=one.name))
        if one.rejects_all:
            break
    return _without_last_permits(found)


def binding(restrictions: tuple[Restriction, ...]) -> tuple[Restriction, ...]:
    """Those that bind a login to its senders, or to what a table says of it, and what permits others before.

    Empty if none of them binds a login.

    + restrictions: from `for_logins`
    """
    found = [one for one in restrictions if one.name in _BINDS_LOGINS or one.only_permits]
    return _without_last_permits(found)


def rejects_strangers_with_sasl(value: str, definitions: Mapping[str, str]) -> bool:
    """Whether a list begins to reject clients without a login once SASL is switched on.

    The arguments are those of `restrictions_in`.
    """
    return any(
        one.name in _REJECTS_STRANGERS_WITH_SASL and not one.only_warns
        for one in restrictions_in(value, definitions)
    )


def depends_on_login(value: str, definitions: Mapping[str, str]) -> bool:
    """Whether a list may treat a client with a login in another way than one without.

    The arguments are those of `restrictions_in`.
    """
    return any(
        one.name in _DEPENDS_ON_LOGIN or not one.is_known for one in restrictions_in(value, definitions)
    )


def _is_known(name: str) -> bool:
    return name in RESTRICTIONS or name in FORMER_RESTRICTIONS


def _without_last_permits(found: list[Restriction]) -> tuple[Restriction, ...]:
    """The restrictions without those at the end that only permit: the end of a list does so, too."""
    while found and found[-1].only_permits:
        found.pop()
    return tuple(found)


# How many classes are within one another, as in Postfix at most; and how many characters of them are read for
# one list. A class that names another twice, which names a third twice, and so on, has no end.
_DEPTH, _LONGEST = 100, 20_000


@dataclass
class _Reading:
    """What is needed to read a list.

    + definitions, classes: the values for each `$name` and class, and the names of all classes
    + within: the classes that are being read
    + rest: how many characters of classes may still be read
    """

    definitions: Mapping[str, str]
    classes: set[str]
    within: set[str] = field(default_factory=set)
    rest: int = _LONGEST

    def begins(self, word: str) -> bool:
        """Whether a word is a class that can be read now. A class within itself is not read again."""
        if word not in self.classes or word in self.within or word not in self.definitions:
            return False
        if len(self.within) >= _DEPTH or len(self.definitions[word]) >= self.rest:
            return False
        self.rest -= len(self.definitions[word]) + 1
        return True


def _read(value: str, reading: _Reading, *, only_warns: bool) -> Iterator[Restriction]:
    warns_next = only_warns
    definitions = reading.definitions
    words = iter(elements(expanded(value, definitions)))
    for word in words:
        name = word.lower()
        undefined = reference(word)
        if undefined and undefined not in definitions and came_with(undefined) is None:
            # To Postfix, a parameter that nobody has defined is empty.
            continue
        if name == "warn_if_reject":
            warns_next = True
            continue
        if _is_known(name):
            arguments = [next(words, "") for _ in range(max(RESTRICTIONS.get(name, (0,))))]
            yield Restriction(name, tuple(arguments), warns_next)
        elif reading.begins(word):
            reading.within.add(word)
            yield from _read(definitions[word], reading, only_warns=warns_next)
            reading.within.remove(word)
        else:
            yield Restriction(word, only_warns=warns_next)
        warns_next = only_warns
