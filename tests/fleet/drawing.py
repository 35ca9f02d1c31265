"""Draws what an administrator's Postfix lets whom do: main.cf and master.cf with restrictions of all kinds.

Most of what is drawn is what people have: Debian's stanzas, its list for relaying, senders that belong to
logins, suspended logins. The rest is made of the same words in any order.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.fleet.answers import IN_MYNETWORKS
from tests.fleet.restrictions import CLASSES, MAIN_LISTS, MUA, OUR_SENDERS, OWN_LISTS, OWNERS, WORDS

AUTH = "smtpd_sasl_auth_enable"
LISTS = ("client", "helo", "sender", "relay", "recipient")

# Postfix dies if a service has none of these in the lists that decide who may relay.
_PROTECTION = {"reject", "reject_unauth_destination", "defer_unauth_destination"}

SASL = {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"}

_MUA_RELAY = "$mua_relay_restrictions"

Options = dict[str, str]


@dataclass(frozen=True, eq=False)
class Drawn:
    """One drawn configuration, as what it adds to a stock host. {user} and {domain} stand for the host's.

    + main: definitions of main.cf
    + services: service of master.cf to its options; that of port 25 is there already
    + data: the deploy's data
    """

    number: int
    main: Mapping[str, str]
    services: Mapping[str, Options]
    data: Mapping[str, bool]

    @property
    def binds(self) -> bool:
        """Whether a list of main.cf has words for certain logins."""
        names = [f"{prefix}_{key}_restrictions" for prefix in ("smtpd", "mua") for key in LISTS]
        text = " ".join(self.main.get(name, "") for name in names)
        while (more := re.sub(r"\$?\b(our_senders|reject_maybe|staff_only)\b", self._inside, text)) != text:
            text = more
        return "login_mismatch" in text or "check_sasl_access" in text

    @property
    def asks_for_addresses(self) -> bool:
        """Whether a table of clients may be what permits a login: only Postfix knows whether it does."""
        return f"{IN_MYNETWORKS}=OK" in str(self)

    def _inside(self, name: re.Match[str]) -> str:
        return self.main.get(name[1], "")

    def __str__(self) -> str:
        lines = [f"{name} = {value}" for name, value in self.main.items()]
        for name, options in self.services.items():
            lines += [name, *(f"  -o {option}={value}" for option, value in options.items())]
        return "\n".join([*lines, f"data: {dict(self.data)}"])


# -- drawing ------------------------------------------------------------------------------------------


def draw(number: int) -> Drawn:
    """The configuration of this number: always the same."""
    return _Draw(number).drawn()


class _Draw:
    def __init__(self, number: int) -> None:
        self.number = number
        self.random = Random(number)

    def drawn(self) -> Drawn:
        main = {
            "mynetworks": self._pick({"": 3, "127.0.0.9/32 192.0.2.0/24": 2}),
            AUTH: self._pick({"": 9, "yes": 5, "no": 2, "Yes": 1, "YES": 1, "No": 1}),
            "smtpd_tls_auth_only": self._pick({"": 4, "yes": 3, "no": 1}),
            "smtpd_delay_reject": self._pick({"": 15, "no": 1}),
            "smtpd_sender_login_maps": OWNERS,
            "our_senders": self._pick(OUR_SENDERS),
            "smtpd_restriction_classes": ", ".join(CLASSES),
            **{name: self._pick(values) for name, values in CLASSES.items()},
            **({} if self.random.random() < 0.35 else self._main_lists()),
            **{f"mua_{key}_restrictions": self._list(values) for key, values in MUA.items()},
        }
        services = {
            "smtp": self._port_25(),
            **self._maybe(self._pick({"": 7, "submission": 11, "587": 2}), self._submission),
            **self._maybe(self._pick({"": 13, "smtps": 4, "submissions": 2, "465": 1}), self._submissions),
            **self._maybe(self._pick({"": 3, "2525": 1}), self._another),
        }
        if self.random.random() < 0.8:
            main |= SASL
        else:
            for options in services.values():
                if (options.get(AUTH) or main[AUTH]).lower() == "yes":
                    options |= SASL
        if main["smtpd_delay_reject"]:
            # Else clients would be rejected before they can log in, or on port 25 before the greeting.
            main |= dict.fromkeys(("smtpd_client_restrictions", "smtpd_helo_restrictions"), "")
            for name in services.keys() - {"smtp"}:
                services[name]["smtpd_delay_reject"] = "yes"
        values = [value for options in services.values() for value in options.values()]
        referred = {value[1:] for value in values if value.startswith("$")}
        if _MUA_RELAY[1:] in referred and not main[_MUA_RELAY[1:]]:
            main[_MUA_RELAY[1:]] = "permit_sasl_authenticated,reject"
        for name in [name for name in main if name.startswith("mua_") and name not in referred]:
            # Else it is left over from a service that is not there any more.
            if self.random.random() < 0.9:
                del main[name]
        main = {name: value for name, value in main.items() if value not in ("", "=")}
        self._protect(main, services)
        data = self._pick_from([{}] * 6 + [{"smtp_auth_on_port_25": True}, {"smtp_auth_on_port_25": False}])
        return Drawn(self.number, main, services, data)

    def _pick(self, values: Mapping[str, int]) -> str:
        (value,) = self.random.choices([*values], [*values.values()])
        return value

    def _pick_from(self, values: list[dict[str, bool]]) -> dict[str, bool]:
        return self.random.choice(values)

    def _list(self, values: Mapping[str, int]) -> str:
        value = self._pick(values)
        if value != "?":
            return value
        return ", ".join(self.random.sample(WORDS, self.random.randrange(1, 5)))

    def _main_lists(self) -> Options:
        return {f"smtpd_{key}_restrictions": self._list(values) for key, values in MAIN_LISTS.items()}

    def _maybe(self, name: str, options: Callable[[], Options]) -> dict[str, Options]:
        return {name: options()} if name else {}

    def _port_25(self) -> Options:
        return _given(
            {
                AUTH: self._pick({"": 12, "yes": 4, "Yes": 1, "no": 2, "No": 1}),
                "smtpd_tls_auth_only": self._pick({"": 9, "no": 1}),
                "smtpd_sender_restrictions": self._list({"": 18, "reject_sender_login_mismatch": 1, "?": 1}),
            }
        )

    def _submission(self) -> Options:
        kinds = {self._debian_12: 6, self._debian_11: 4, self._with_own_lists: 6, self._inheriting: 3}
        (kind,) = self.random.choices([*kinds], [*kinds.values()])
        options = {"syslog_name": "postfix/submission", **kind()}
        if self.random.random() < 0.15:
            # For printers, which send without a login.
            options[AUTH] = "no"
        return options

    def _submissions(self) -> Options:
        kinds = {self._debian_12: 2, self._debian_11: 3, self._with_own_lists: 3, self._inheriting: 2}
        (kind,) = self.random.choices([*kinds], [*kinds.values()])
        options = {"syslog_name": "postfix/smtps", **kind(), "smtpd_tls_wrappermode": "yes"}
        options.pop("smtpd_tls_security_level", None)
        options.pop("smtpd_tls_auth_only", None)
        if self.random.random() < 0.4:
            options[AUTH] = "no"
        return options

    def _another(self) -> Options:
        kind = self.random.choice([self._with_own_lists, dict])
        return kind()

    def _debian_11(self) -> Options:
        return {
            "smtpd_tls_security_level": "encrypt",
            AUTH: "yes",
            "smtpd_tls_auth_only": "yes",
            "smtpd_reject_unlisted_recipient": "no",
            "smtpd_client_restrictions": "$mua_client_restrictions",
            "smtpd_helo_restrictions": "$mua_helo_restrictions",
            "smtpd_sender_restrictions": "$mua_sender_restrictions",
            "smtpd_recipient_restrictions": "",
            "smtpd_relay_restrictions": "permit_sasl_authenticated,reject",
            "milter_macro_daemon_name": "ORIGINATING",
        }

    def _debian_12(self) -> Options:
        return {
            **self._debian_11(),
            "local_header_rewrite_clients": "static:all",
            "smtpd_relay_restrictions": self._pick({"permit_sasl_authenticated,reject": 2, _MUA_RELAY: 1}),
        }

    def _with_own_lists(self) -> Options:
        return _given(
            {
                "smtpd_tls_security_level": self._pick({"encrypt": 3, "": 2}),
                AUTH: self._pick({"yes": 8, "Yes": 1, "": 2, "no": 2}),
                **{f"smtpd_{key}_restrictions": self._list(values) for key, values in OWN_LISTS.items()},
            }
        )

    def _inheriting(self) -> Options:
        return _given({AUTH: self._pick({"yes": 5, "YES": 1, "": 2})})

    def _protect(self, main: dict[str, str], services: dict[str, Options]) -> None:
        """Make every service one that Postfix runs."""
        deciding = [f"smtpd_{key}_restrictions" for key in ("relay", "recipient")]
        stock = {deciding[0]: "defer_unauth_destination"}
        for options in services.values():
            if not any(_protects({**stock, **main, **options}, name) for name in deciding):
                target = next((name for name in deciding if name in options), "")
                definitions = options if target else main
                name = target or deciding[0]
                words = [definitions.get(name, ""), "reject_unauth_destination"]
                definitions[name] = ", ".join(filter(None, words))


def _given(options: Options) -> Options:
    return {name: value for name, value in options.items() if value}


def _protects(parameters: Mapping[str, str], name: str) -> bool:
    text = re.sub(r"\$(\w+)", lambda found: parameters.get(found[1], ""), parameters.get(name, ""))
    return bool({*re.split(r"[,\s]+", re.sub(r"inline:\{.*?\}( \})?", "", text))} & _PROTECTION)
