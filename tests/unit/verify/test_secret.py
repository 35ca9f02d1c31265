"""The password is hidden in whatever form a server says it again, and nothing else is."""

import base64
import html
import json
import quopri
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator

import pytest

from smtp_auth.shown import shown
from smtp_auth.verify.secret import HIDDEN, forget_secrets, hide, without_secrets

PASSWORDS = [
    "hunter2",
    "pass $wildfowl\\",
    'it\'s & "<so>"',
    "p\xe4ss w\xf6rt",
    "\u4f60\u597d\u55ce",
    "~/+?>>?~",
    "abc",
    "tab\there",
    "smile \U0001f600",
]

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda one: one,
    "in capitals": str.upper,
    "repr": lambda one: repr({"PLAIN": f"535 {one}"}),
    "ascii": ascii,
    "bytes": lambda one: repr(one.encode()),
    "latin-1": lambda one: one.encode().decode("latin-1"),
    "JSON": json.dumps,
    "HTML": html.escape,
    "URL": urllib.parse.quote,
    "a form": urllib.parse.quote_plus,
    "each byte of a URL": lambda one: "".join(f"%{byte:02x}" for byte in one.encode()),
    "quoted-printable": lambda one: quopri.encodestring(one.encode(), quotetabs=True).decode(),
    "each byte quoted-printable": lambda one: "".join(f"={byte:02X}" for byte in one.encode()),
    "hex": lambda one: one.encode().hex(),
    "hex with colons": lambda one: one.encode().hex(":").upper(),
    "as it is shown": shown,
    "JSON of PHP": lambda one: json.dumps(one).replace("/", "\\/"),
    "a word of a shell": lambda one: re.sub(r"([!-/:-@[-`{-~ ])", r"\\\1", one),
    "xtext": lambda one: "".join(
        chr(byte) if 33 <= byte <= 126 and byte not in b"+=" else f"+{byte:02X}" for byte in one.encode()
    ),
    "XML": lambda one: one.encode("ascii", "xmlcharrefreplace").decode(),
    "each character of XML": lambda one: "".join(f"&#x{ord(character):X};" for character in one),
    "UTF-16": lambda one: one.encode("utf-16-le").decode("latin-1"),
    "UTF-16 in base64": lambda one: base64.b64encode(f"alice\0{one}".encode("utf-16-be")).decode(),
    "UTF-16 in hex": lambda one: one.encode("utf-16-le").hex(),
    "latin-1 in a URL": lambda one: urllib.parse.quote(one.encode("latin-1", "replace")),
    "latin-1 in base64": lambda one: base64.b64encode(one.encode("latin-1", "replace")).decode(),
    "base64 in a URL": lambda one: urllib.parse.quote(base64.b64encode(one.encode()).decode(), safe=""),
    "base64 in base64": lambda one: base64.b64encode(base64.b64encode(one.encode())).decode(),
    "base64 in hex": lambda one: base64.b64encode(b"\0alice\0" + one.encode()).hex(),
    "numbers": lambda one: str([*one.encode()]),
    "hex for C": lambda one: "".join(f"\\x{byte:02x}" for byte in one.encode()),
}


def is_latin1(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    forget_secrets()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("password", PASSWORDS)
def test_it_is_hidden_in_each_form(password: str, form: str) -> None:
    if form.startswith("latin-1 ") and not is_latin1(password):
        pytest.skip("it has other characters")
    hide(password)
    said = FORMS[form](password)
    found = without_secrets(f"535 5.7.8 {said} is wrong")
    assert HIDDEN in found
    assert said not in found
    assert found.endswith(" is wrong")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("before", [b"", b"\0alice\0", b"a", b"ab", b"alice\0alice\0"])
@pytest.mark.parametrize("behind", [b"", b"x", b"xy"])
def test_it_is_hidden_in_base64_at_any_place(password: str, before: bytes, behind: bytes) -> None:
    hide(password)
    secret = before + password.encode() + behind
    encoded = base64.b64encode(secret).decode()
    for said in (encoded, base64.urlsafe_b64encode(secret).decode(), encoded.rstrip("=")):
        assert without_secrets(f"535 {said} is wrong") == f"535 {HIDDEN} is wrong"
    wrapped = " / ".join(encoded[start : start + 5] for start in range(0, len(encoded), 5))
    assert HIDDEN in without_secrets(f"535 {wrapped} is wrong")


def test_nothing_else_is_hidden() -> None:
    text = "535 5.7.8 Error: authentication failed: /wEPDwUKLTY4Nw== dGhlIHNhbXBsZQ== 68756e746572"
    assert without_secrets(text) == text
    hide("hunter2")
    assert without_secrets(text) == text
    hide("")
    assert without_secrets(text) == text


@pytest.mark.parametrize("password", ["\\" * 20, "a" * 20, "\0" * 20, "+" * 20])
@pytest.mark.parametrize("said", ["\\", "a", "\0", "+", "61", "YWFh", "\\0", "97, ", "0x", "/ ", "&#0"])
def test_what_is_almost_a_password_costs_no_time(password: str, said: str) -> None:
    hide(password)
    began = time.process_time()
    without_secrets(said * 10_000)
    assert time.process_time() - began < 5
