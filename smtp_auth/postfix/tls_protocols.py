"""Lists of TLS versions, the values of smtpd_tls_mandatory_protocols (postconf(5)).

Postfix reads them in `tls_proto_mask_lims()` (src/tls/tls_misc.c) and ignores case. A list contains allowed
names, excluded names ("!TLSv1"), and since Postfix 3.6 a lowest and a highest version (">=TLSv1.2",
"<=0304"), by name or in hexadecimal. If a bound is given several times, the last one counts.
"""

import re

VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

# The protocol's own numbers (RFC 8446, section 4.2.1). SSLv2 cannot be a bound.
_NUMBERS = {"sslv3": 0x0300, "tlsv1": 0x0301, "tlsv1.1": 0x0302, "tlsv1.2": 0x0303, "tlsv1.3": 0x0304}


def allowed(protocols: str) -> set[str]:
    """The versions that a list allows; none if Postfix cannot read the list."""
    names = {version.lower(): version for version in VERSIONS}
    bounds = {">=": 0, "<=": 0}
    listed: set[str] = set()
    excluded: set[str] = set()
    for word in re.split(r"[\s,:]+", protocols.strip()):
        if word[:2] in bounds:
            number = _number(word[2:])
            if number is None:
                return set()
            bounds[word[:2]] = number
        elif word:
            name = names.get(word.removeprefix("!").lower())
            if name is None:
                return set()
            (excluded if word.startswith("!") else listed).add(name)
    lowest, highest = bounds[">="], bounds["<="] or 0xFFFF
    let_through = {v for v in VERSIONS if lowest <= _NUMBERS.get(v.lower(), 0) <= highest}
    return (let_through & listed if listed else let_through) - excluded


def meets(protocols: str, floor: str) -> bool:
    """Whether a list allows some version, and none below a minimum such as `TLSv1.2`."""
    present = allowed(protocols)
    return bool(present) and present <= set(VERSIONS[VERSIONS.index(floor) :])


def at_least(floor: str, release: tuple[int, int] | None) -> str:
    """A minimum version in the syntax of a Postfix release: `>=` exists since 3.6."""
    if release is not None and release >= (3, 6):
        return f">={floor}"
    return ", ".join(f"!{version}" for version in VERSIONS[: VERSIONS.index(floor)])


def _number(word: str) -> int | None:
    if word.lower() == "none":
        return 0
    known = _NUMBERS.get(word.lower())
    if known is not None:
        return known
    # As strtoul(3) reads hexadecimal.
    return int(word, 16) if re.fullmatch(r"(?:0[xX])?[0-9a-fA-F]+", word) else None
