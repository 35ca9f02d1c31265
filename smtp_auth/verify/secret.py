"""Keeps the password of --mailbox out of everything that a verification prints or writes.

A server or a host may say again what it was sent: as it is, or in another encoding.
"""

import base64
import json
import re
import string
from collections.abc import Iterator
from itertools import chain

HIDDEN = "[password]"

# Encoded characters that are fewer than this say too little to be found in other text.
_FEWEST = 3

_BASE64 = frozenset("+/-_=" + string.ascii_letters + string.digits)

# By whether what is beside a match belongs to it, because it is the rest of a text in base64.
_hidden: dict[bool, list[re.Pattern[str]]] = {False: [], True: []}


def hide(secret: str) -> None:
    """Hide a secret from now on."""
    if secret:
        _hidden[False] += _patterns(secret.encode())
        _hidden[True] += _in_base64(secret.encode())


def without_secrets(text: str) -> str:
    """The text with `HIDDEN` in place of each secret."""
    for pattern in _hidden[False]:
        text = pattern.sub(HIDDEN, text)
    for pattern in _hidden[True]:
        text = "".join(_without_base64(pattern, text))
    return text


def forget_secrets() -> None:
    """Hide nothing any more."""
    for patterns in _hidden.values():
        patterns.clear()


def _without_base64(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    # No expression of its own reads what is beside a match: that would take the square of the text's length.
    done = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        if end <= done:
            continue
        while start > done and text[start - 1] in _BASE64:
            start -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        yield text[done:start] + HIDDEN
        done = end
    yield text[done:]


def _patterns(secret: bytes) -> Iterator[re.Pattern[str]]:
    # As it is, or each byte, or some, in the form of a URL, quoted-printable, C, Unicode, JSON or HTML.
    each = [
        rf"(?:{_literally(one)}|(?:[=%]|\\x|\\u00|&#x?0*)(?:{one:02x}|{one});?|\\{one:03o})" for one in secret
    ]
    yield re.compile(r"(?:=\r?\n)?".join(each), re.IGNORECASE)
    # In Python's text for bytes that were read as UTF-8.
    text = secret.decode()
    if not text.isascii():
        yield re.compile("".join(map(_in_text, text)), re.IGNORECASE)
    # In hexadecimal, with or without something between the bytes.
    yield re.compile(r"(?:[\s:,-]|0x|\\x)*".join(f"{one:02x}" for one in secret), re.IGNORECASE)


def _in_base64(secret: bytes) -> Iterator[re.Pattern[str]]:
    """At any place among other bytes, in any alphabet, and in several lines."""
    for core in _cores(secret):
        yield re.compile(r"(?:\s|/ )*".join(map(_in_any_alphabet, core)))


def _literally(byte: int) -> str:
    one = chr(byte)
    forms = [re.escape(one)] if one.isprintable() else []
    # Python and shells write a character before it; a URL has + for a space.
    forms += [re.escape("\\" + one)] if one in "\\'\"" else []
    forms += [r"\+"] if one == " " else []
    forms += {"&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], '"': ["&quot;"], "'": ["&apos;"]}.get(one, [])
    return "|".join(reversed(forms)) or "(?!)"


def _in_text(character: str) -> str:
    read_as_latin1 = character.encode().decode("latin-1")
    forms = (character, read_as_latin1)
    escaped = (ascii(form)[1:-1] for form in forms), (json.dumps(form)[1:-1] for form in forms)
    return f"(?:{'|'.join(map(re.escape, (*forms, *chain(*escaped))))})"


def _cores(secret: bytes) -> Iterator[str]:
    """The characters of base64 that say nothing but a part of the secret, for each place modulo three."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        core = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        if len(core) >= _FEWEST:
            yield core


def _in_any_alphabet(character: str) -> str:
    return {"+": "[+-]", "/": "[/_]"}.get(character, character)
