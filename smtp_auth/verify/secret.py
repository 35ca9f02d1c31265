"""Keeps the password of --mailbox out of everything that a verification prints or writes.

A server or a host may say again what it was sent: as it is, or in another encoding. Those of texts, URLs and
mail are found; not what only hides a text, such as the reverse of it.
"""

import base64
import json
import re
import string
from collections.abc import Iterator
from contextlib import suppress

HIDDEN = "[password]"

# Encoded characters that are fewer than this say too little to be found in other text.
_FEWEST = 3

_BASE64 = frozenset("+/-_=" + string.ascii_letters + string.digits)

# By whether what is beside a match belongs to it, because it is the rest of a text in base64.
_hidden: dict[bool, list[re.Pattern[str]]] = {False: [], True: []}


def hide(secret: str) -> None:
    """Hide a secret from now on. Raises `UnicodeEncodeError` if it is not UTF-8."""
    if not secret:
        return
    _hidden[False].append(re.compile("".join(map(_in_text, secret)), re.IGNORECASE))
    for encoded in _as_bytes(secret):
        _hidden[False] += _patterns(encoded)
        _hidden[True] += _in_base64(encoded)


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


def _as_bytes(secret: str) -> list[bytes]:
    """The bytes of it, as somebody may have read and written them before they are encoded."""
    found = [secret.encode()]
    for encoding in ("latin-1", "utf-16-le", "utf-16-be"):
        with suppress(UnicodeEncodeError):
            found.append(secret.encode(encoding))
    return [*dict.fromkeys(found)]


def _patterns(secret: bytes) -> Iterator[re.Pattern[str]]:
    # As it is, or each byte, or some, as in a URL, quoted-printable, xtext, C, Unicode, JSON or HTML.
    each = [
        rf"(?:{_literally(one)}|(?:[=%+]|\\x|\\u00|&#x?0*)(?:{one:02x}|{one});?|\\{one:03o})"
        for one in secret
    ]
    yield re.compile(r"(?:=\r?\n)?".join(each), re.IGNORECASE)
    yield _in_hexadecimal(secret)
    if len(secret) >= _FEWEST:
        # A list of numbers.
        numbers = r"[^\w\[\]]{1,3}".join(map(str, secret))
        yield re.compile(rf"(?<!\d){numbers}(?!\d)")


def _in_hexadecimal(secret: bytes) -> re.Pattern[str]:
    """With or without something between the bytes."""
    return re.compile(r"(?:[\s:,-]|0x|\\x)*".join(f"{one:02x}" for one in secret), re.IGNORECASE)


def _in_base64(secret: bytes) -> Iterator[re.Pattern[str]]:
    """At any place among other bytes, in any alphabet, and in several lines; and that encoded once more."""
    for core in _cores(secret):
        yield _of_base64(core)
        yield _in_hexadecimal(core.encode())
        yield from map(_of_base64, _cores(core.encode()))


def _of_base64(core: str) -> re.Pattern[str]:
    return re.compile(r"(?:\s|/ )*".join(map(_in_any_alphabet, core)))


def _literally(byte: int) -> str:
    one = chr(byte)
    forms = [re.escape(one)]
    # Python, JSON and shells write a character before it, and again if they write it once more; a URL has +
    # for a space.
    forms += [r"\\{1,3}" + re.escape(one)] if not one.isalnum() else []
    forms += [re.escape(ascii(one)[1:-1])] if not one.isprintable() else []
    forms += [r"\+"] if one == " " else []
    forms += {"&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], '"': ["&quot;"], "'": ["&apos;"]}.get(one, [])
    return "|".join(reversed(forms))


def _in_text(character: str) -> str:
    read_as_latin1, number = character.encode().decode("latin-1"), ord(character)
    forms = [character, read_as_latin1, f"\\U{number:08x}", f"\\u{{{number:x}}}", f"&#{number};"]
    forms += [ascii(form)[1:-1] for form in forms[:2]] + [json.dumps(form)[1:-1] for form in forms[:2]]
    units = character.encode("utf-16-be").hex()
    forms += ["".join(mark + units[at : at + 4] for at in range(0, len(units), 4)) for mark in ("%u", "\\u")]
    others = f"|{_literally(number)}" if character.isascii() else ""
    return rf"(?:{'|'.join(map(re.escape, dict.fromkeys(forms)))}|&#x0*{number:x};?{others})"


def _cores(secret: bytes) -> Iterator[str]:
    """The characters of base64 that say nothing but a part of the secret, for each place modulo three."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        core = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        if len(core) >= _FEWEST:
            yield core


def _in_any_alphabet(character: str) -> str:
    """A character of base64, which a URL or JSON may encode once more."""
    return {"+": r"(?:[+-]|%2[Bb])", "/": r"(?:[/_]|\\/|%2[Ff])"}.get(character, character)
