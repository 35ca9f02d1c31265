"""Reads of a certificate what the plan has to know: its public key, its end, its DNS names.

The structure is RFC 5280's (section 4.1), in DER (X.690). Nothing is verified here: Postfix and the
proof of a change do that. The library that could do all of it, cryptography, takes longer to load than
all modules of this program together.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_EXTENSIONS = 0xA3
_UTC_TIME = 0x17
_DNS_NAME = 0x82
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")


@dataclass(frozen=True)
class Certificate:
    """A certificate.

    + public_key: SubjectPublicKeyInfo in DER
    + not_after: the end of its validity
    + dns_names: of its subjectAltName, in its order
    """

    public_key: bytes
    not_after: datetime
    dns_names: tuple[str, ...]


def first_certificate(pem: str) -> Certificate:
    """The first certificate of a file in PEM; ValueError where there is none."""
    try:
        ((_, certificate),) = _elements(_der(pem, "CERTIFICATE"))
        (_, signed), *_ = _elements(certificate)
        fields = [field for field in _elements(signed) if field[0] != 0xA0]  # the version may be missing
        _serial, _algorithm, _issuer, (_, validity), _subject, (_, key), *rest = fields
        _, not_after = _elements(validity)
        extensions = b"".join(content for tag, content in rest if tag == _EXTENSIONS)
        return Certificate(_sequence(key), _time(*not_after), tuple(_dns_names(extensions)))
    except (ValueError, IndexError) as error:
        raise ValueError("not a certificate in PEM") from error


def public_key(pem: str) -> bytes:
    """SubjectPublicKeyInfo in DER of a public key in PEM; ValueError where it is none."""
    return _der(pem, "PUBLIC KEY")


def _der(pem: str, label: str) -> bytes:
    found = re.search(rf"-----BEGIN {label}-----\s(.*?)-----END {label}-----", pem, re.DOTALL)
    if not found:
        raise ValueError(f"no {label.lower()} in PEM")
    return base64.b64decode("".join(found[1].split()), validate=True)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in a row; all tags here have one byte."""
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length >= 0x80:
            more = length - 0x80
            length = int.from_bytes(der[position : position + more], "big")
            position += more
        if position + length > len(der):
            raise ValueError("cut off")
        yield tag, der[position : position + length]
        position += length


def _sequence(content: bytes) -> bytes:
    """The whole element again whose content this is."""
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"\x30" + (bytes([size]) if size < 0x80 else bytes([0x80 + len(octets)]) + octets) + content


def _time(tag: int, content: bytes) -> datetime:
    # UTCTime has two digits of the year, and ends in 2049 (RFC 5280, section 4.1.2.5).
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", text)
    if not found:
        raise ValueError("not a time of RFC 5280")
    year, month, day, hour, minute, second = map(int, found.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _dns_names(extensions: bytes) -> Iterator[str]:
    for _, listed in _elements(extensions):
        for _, extension in _elements(listed):
            (_, identifier), *_, (_, value) = _elements(extension)
            if identifier != _SUBJECT_ALT_NAME:
                continue
            for _, names in _elements(value):
                yield from (name.decode("ascii") for tag, name in _elements(names) if tag == _DNS_NAME)
