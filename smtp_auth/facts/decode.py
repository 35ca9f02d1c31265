"""Decodes what our programs on a host print: lines of key, TAB and value (`SmtpAuth::Lines`).

In a value, every byte outside printable ASCII and every "%" is written as %XX.
"""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes


def decode(lines: Iterable[str]) -> dict[str, list[str]]:
    """Each key to its values, in their order. The bytes of a value are decoded as latin-1."""
    found: dict[str, list[str]] = {}
    for line in lines:
        key, _, text = line.partition("\t")
        is_plain = "%" not in text and text.isascii()
        found.setdefault(key, []).append(text if is_plain else unquote_to_bytes(text).decode("latin-1"))
    return found


def in_bytes(text: str) -> str:
    """A text as all text of hosts is kept: its bytes, decoded as latin-1."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
