"""What a look prints becomes a `Look`, with any bytes in the host's files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.facts.look import File, Socket, parse
from tests.unit.scenarios import RELEASES, look_lines, stock

VERSIONS = {"3.7.11": "2.3.19.1", "3.8.6": "2.3.19.1", "3.10.5": "2.4.1-4"}


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_host_is_read(version: str) -> None:
    look = stock(version)
    assert look.postfix_version == version
    assert (VERSIONS[version] or "").startswith(look.dovecot_version or "none")
    assert look.queue_directory == "/var/spool/postfix"
    assert look.main_cf.mode == "0644"
    assert "smtpd_tls_cert_file" in (look.main_cf.content or "")
    for key, path in (
        ("dropin", "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf"),
        ("hook", "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"),
    ):
        assert look.files[key] == File(path, real_path=path)
    assert (look.listener, look.socket) == (None, None)
    assert (look.postfix_reloaded, look.dovecot_running) == (1000.5, True)
    assert look.listening == {25}
    assert look.lineages == ("example.jp",)
    assert look.certificates["example.jp"].chain
    assert look.leftovers == ()


def test_a_look_that_was_cut_off_is_none() -> None:
    lines = list(look_lines("3.10.5"))
    assert parse(lines[:-1]) is None
    assert parse([]) is None


def parsed(*extra: str) -> File:
    look = parse([*look_lines("3.10.5"), *extra])
    assert look is not None
    return look.main_cf


@given(st.binary(max_size=60))
def test_every_byte_of_a_file_comes_back(content: bytes) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in content)
    assert (parsed(f"file.main_cf.content\t{encoded}").content or "").encode("latin-1") == content


def test_an_empty_file_is_not_a_missing_one() -> None:
    assert parsed("file.main_cf.content\t").content == ""
    assert parsed("file.main_cf.content\t").digest != ""
    assert File("/x").digest == ""


AUTH = """\
service auth {
  unix_listener auth-userdb {
    mode = 0666
  }
  unix_listener /var/spool/postfix/private/auth {
%s  }
}
"""


@pytest.mark.parametrize(
    ("block", "listener"),
    [
        ("    group = postfix\n    mode = 0660\n    user = postfix\n", Socket("0660", "postfix", "postfix")),
        # doveconf -n does not print a setting with its default.
        ("    user = postfix\n", Socket("0600", "postfix", "")),
        ("", Socket("0600", "", "")),
        ("    group = \n    mode=0600\n", Socket("0600", "", "")),
    ],
)
def test_dovecots_listener_is_read(block: str, listener: Socket) -> None:
    encoded = (AUTH % block).replace("%", "%25").replace("\n", "%0A")
    look = parse([*look_lines("3.10.5"), f"dovecot_auth\t{encoded}"])
    assert look is not None
    assert look.listener == listener


def test_lists_grow_by_repetition() -> None:
    extra = ["listening\t465", "leftover\t/etc/postfix/.a~", "leftover\t/etc/postfix/.b~", "lineage\tx%0Ay"]
    look = parse([*look_lines("3.10.5"), *extra])
    assert look is not None
    assert look.listening == {25, 465}
    assert look.leftovers == ("/etc/postfix/.a~", "/etc/postfix/.b~")
    assert look.lineages == ("example.jp", "x\ny")
