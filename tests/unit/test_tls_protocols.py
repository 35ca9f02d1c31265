"""Lists of TLS versions are read as Postfix reads them."""

import pytest

from smtp_auth.postfix.tls_protocols import allowed, meets


@pytest.mark.parametrize(
    ("protocols", "versions"),
    [
        ("", "SSLv2 SSLv3 TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
        (">=TLSv1.2", "TLSv1.2 TLSv1.3"),
        (">=tlsv1.3", "TLSv1.3"),
        ("tlsv1.3", "TLSv1.3"),
        (">=0304", "TLSv1.3"),
        (">=0x303", "TLSv1.2 TLSv1.3"),
        (">=TLSv1.1 <=TLSv1.2", "TLSv1.1 TLSv1.2"),
        (">=TLSv1, >=TLSv1.3", "TLSv1.3"),
        ("<=0302", "SSLv2 SSLv3 TLSv1 TLSv1.1"),
        (">=none", "SSLv2 SSLv3 TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
        ("!SSLv2:!sslv3 , !TLSV1", "TLSv1.1 TLSv1.2 TLSv1.3"),
        ("TLSv1.2, TLSv1.3, !TLSv1.3", "TLSv1.2"),
        (">=0400", ""),
        # Postfix cannot read these lists, and then does not offer TLS.
        (">=TLSv1.4", ""),
        ("TLS", ""),
        (">=03 04", ""),
    ],
)
def test_a_list_lets_versions_through(protocols: str, versions: str) -> None:
    assert allowed(protocols) == set(versions.split())


def test_a_floor_is_met_by_what_is_stricter_and_by_nothing_empty() -> None:
    assert meets(">=tlsv1.3", "TLSv1.2")
    assert not meets(">=TLSv1.1", "TLSv1.2")
    assert not meets("TLS", "TLSv1.2")
