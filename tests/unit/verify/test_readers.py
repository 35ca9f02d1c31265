"""Who can read a private key: its own mode and those of the directories above it."""

import pytest

from smtp_auth.verify.inside import Owner, readers

OPEN = Owner("/etc", 0o755, "root", "root")
CLOSED = Owner("/etc/letsencrypt/archive", 0o700, "root", "root")


def key(mode: int, user: str = "root", group: str = "root") -> Owner:
    """A private key."""
    return Owner("/etc/letsencrypt/archive/example.jp/privkey1.pem", mode, user, group)


@pytest.mark.parametrize(
    ("owners", "found"),
    [
        ((key(0o600), OPEN), ()),
        ((key(0o644), CLOSED, OPEN), ()),
        ((key(0o644), OPEN), ("everybody",)),
        ((key(0o640, group="ssl-cert"), OPEN), ("group ssl-cert",)),
        ((key(0o640), OPEN), ()),
        ((key(0o600, user="www-data"), OPEN), ("user www-data",)),
    ],
)
def test_readers(owners: tuple[Owner, ...], found: tuple[str, ...]) -> None:
    assert readers(owners) == found
