"""What the programs on a host print: lines "key TAB value" (`SmtpAuth::Lines`).

In a value, every byte outside printable ASCII and every "%" is written %XX.
"""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes


def decode(lines: Iterable[str]) -> dict[str, list[str]]:
    """Key to its values, in their order; a value holds bytes as latin-1 gives them."""
    found: dict[str, list[str]] = {}
    for line in lines:
        key, _, text = line.partition("\t")
        found.setdefault(key, []).append(unquote_to_bytes(text).decode("latin-1"))
    return found
