"""What the data keys accept: one function per kind of value.

Each takes a value of any type and returns it in the form that the program uses, or raises `ValueError` with a
sentence that says what is accepted.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from smtp_auth.postfix.parameters import is_yes
from smtp_auth.postfix.restriction_lists import LISTS_OF_A_MESSAGE, refuses_logins
from smtp_auth.postfix.restrictions import RESTRICTIONS

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def domain_name(value: object) -> str:
    """A DNS name of at least two labels, as its A-label (RFC 5890)."""
    hint = "give a domain name such as example.jp"
    if not isinstance(value, str) or not value:
        raise ValueError(hint)
    name = value.lower()
    if not name.isascii():
        import idna  # only here: its tables take longer to load than all our modules

        try:
            name = idna.encode(value, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"not a valid internationalised name ({error}); {hint}") from None
    labels = name.split(".")
    if len(labels) < 2 or len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(hint)
    if labels[-1].isdigit():
        raise ValueError(f"this is an IP address; {hint}")
    return name


def host_name(value: object) -> str:
    """The full name of a host, as its A-label."""
    try:
        return domain_name(value)
    except ValueError:
        raise ValueError(
            "give the full name that mail programs connect to, such as mail.example.jp"
        ) from None


def domain_names(value: object) -> tuple[str, ...]:
    """A list of different domain names."""
    names = tuple(domain_name(item) for item in _list(value, "a list of domain names"))
    if len(set(names)) != len(names):
        raise ValueError("lists a domain twice")
    return names


_PATH = re.compile(r"(/[A-Za-z0-9_@+.,=-]+)+")


def directory(value: object) -> str:
    """An absolute path that needs no quotes in main.cf and in shell scripts."""
    if (
        not isinstance(value, str)
        or not _PATH.fullmatch(value)
        or any(part in (".", "..") for part in value.split("/"))
    ):
        raise ValueError("give an absolute path without white space, special characters, '.' or '..'")
    return value


_LINEAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def lineage_name(value: object) -> str:
    """certbot's name of a lineage, which is the name of its directory."""
    if not isinstance(value, str) or not _LINEAGE.fullmatch(value):
        raise ValueError("give the name of a lineage, as `certbot certificates` shows it")
    return value


def lineage_names(value: object) -> str | dict[str, str] | None:
    """`None`, the name of a lineage, or a dictionary of domain to such names."""
    if isinstance(value, dict):
        return {domain_name(domain): lineage_name(name) for domain, name in value.items()}
    name: str | None = or_none(lineage_name)(value)
    return name


def one_of(*accepted: str) -> Callable[[object], str]:
    """One of these words."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in accepted:
            raise ValueError(f"give one of {', '.join(accepted)}")
        return value

    return check


def or_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`None`, or what another check accepts."""

    def checked(value: object) -> Any:
        try:
            return None if value is None else check(value)
        except ValueError as error:
            raise ValueError(f"{error}, or None") from None

    return checked


def boolean(value: object) -> bool:
    """`True` or `False`."""
    if not isinstance(value, bool):
        raise ValueError("give True or False")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"give {what}")
    return list(value)


# A map or an argument of a restriction. White space, commas and braces would end an element of a Postfix
# list, and '$' would be expanded; only printable ASCII is allowed.
_ARGUMENT = re.compile(r"[A-Za-z0-9_./:@=+*?\[\]-]+")


def restrictions(value: object) -> tuple[str, ...] | None:
    """A list of Postfix's access restrictions, each with its arguments; or `None`."""
    if value is None:
        return None
    found = tuple(_restriction(item) for item in _list(value, "None or a list of restrictions"))
    if refuses_logins(", ".join(found), {}):
        raise ValueError(_REFUSES_LOGINS)
    return found


_REFUSES_LOGINS = (
    "rejects even clients that have logged in, so nobody could send: put 'permit_sasl_authenticated' before "
    "the restriction that rejects them"
)


def _restriction(item: object) -> str:
    if not isinstance(item, str) or not item:
        raise ValueError("each restriction must be a text such as 'permit_sasl_authenticated'")
    name, *arguments = item.split(" ")
    if name not in RESTRICTIONS:
        near = get_close_matches(name, RESTRICTIONS, n=1)
        guess = f"; did you mean {near[0]}?" if near else "; see postconf(5)"
        raise ValueError(f"{name!r} is not a restriction of Postfix{guess}")
    wanted = RESTRICTIONS[name]
    if len(arguments) not in wanted:
        counts = " or ".join(str(count) for count in wanted)
        raise ValueError(f"{name} takes {counts} argument(s), separated by one space")
    for argument in arguments:
        if not _ARGUMENT.fullmatch(argument):
            raise ValueError(f"{argument!r} is not a map or argument that Postfix can read")
    return item


_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")
_VALUE = re.compile(r"[A-Za-z0-9_ ./:,@=+*?!%<>$(){}\[\]-]*")


# Options without which port 465 is not what this program is for.
_ALWAYS_YES = ("smtpd_sasl_auth_enable", "smtpd_tls_wrappermode")


def options(value: object) -> dict[str, str | None]:
    """A dictionary of Postfix parameter to value; the value `None` deletes the option."""
    if not isinstance(value, dict):
        raise ValueError("give a dictionary of parameter name to value (None deletes the option)")
    for name, text in value.items():
        if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
            raise ValueError(f"{name!r} is not a parameter name of Postfix")
        if text is None:
            continue
        if not isinstance(text, str) or not _VALUE.fullmatch(text) or text != text.strip():
            raise ValueError(
                f"{name}: give a text on one line, without quotes, ';', '|', '&', '#', "
                "backslashes, or white space at the start or end; or None to delete the option"
            )
        if name in _ALWAYS_YES and not is_yes(text):
            raise ValueError(
                f"{name}: port 465 begins with TLS and offers AUTH, and would not with this value: leave the "
                "option out"
            )
        if not _balanced(text):
            raise ValueError(f"{name}: its braces or parentheses do not match")
        # What a `$name` stands for, only the host knows.
        if name in LISTS_OF_A_MESSAGE and "$" not in text and refuses_logins(text, {}):
            raise ValueError(f"{name}: {_REFUSES_LOGINS}")
    # Postfix folds white space, too, when it reads an option of master.cf.
    return {name: text and " ".join(text.split()) for name, text in value.items()}


def _balanced(text: str) -> bool:
    opened = []
    for character in text:
        if character in "({":
            opened.append({"(": ")", "{": "}"}[character])
        elif character in ")}" and (not opened or opened.pop() != character):
            return False
    return not opened


_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]*")


def units(value: object) -> tuple[str, ...]:
    """A list of systemd units, without `.service`; it must contain Postfix."""
    listed = _list(value, "a list of systemd units such as ['postfix']")
    for unit in listed:
        if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
            raise ValueError(f"{unit!r} is not the name of a systemd unit")
    names = [unit.removesuffix(".service") for unit in listed]
    if len(set(names)) != len(names):
        raise ValueError("lists a unit twice")
    if "postfix" not in names:
        raise ValueError("must contain 'postfix', which serves the certificate on port 465")
    return tuple(names)


def sender_ownership(value: object) -> None:
    """Only `None` for now."""
    if value is not None:
        raise ValueError("not supported yet; leave it None")


def zone(value: object) -> str:
    """A short name of letters, digits, `.`, `_` and `-`."""
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", value, re.ASCII):
        raise ValueError("give a short name of letters, digits, '.', '_' and '-', such as 'tokyo'")
    return value


def share(value: object) -> float:
    """A share: at least 0, and less than 1."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError("give a share, at least 0 and less than 1, such as 0.1")
    return value


def seconds(value: object) -> float:
    """A number of seconds, more than 0."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise ValueError("give a number of seconds, more than 0")
    return value


def certificates_file(value: object) -> str | None:
    """A file on this machine with certificates in PEM; or `None` for the system's store."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and Path(value).is_file():
            return value
    except (ValueError, OSError):
        # A name that no file can have, for example with a zero byte, or too long.
        pass
    raise ValueError("give None or the path of a file with certificates in PEM")
