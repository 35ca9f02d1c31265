"""What commands do about certificates."""

import pytest

from smtp_auth.services.certbot.clients import (
    clients_in,
    is_forced,
    mentions_client,
    passes_over_hooks,
    reached,
    reloads,
)
from smtp_auth.services.certbot.options import hooks_in, renews

DEBIANS = r"0 */12 * * * root test -x /usr/bin/certbot -a \! -d /run/systemd/system && certbot -q renew"
LEFT_TO_A_TIMER = """
if [ -d /run/systemd/system ]; then
    # Skip in favour of systemd timer.
    exit 0
fi
certbot renew
"""
AS_A_LIST = 'subprocess.run(["certbot", "renew"], check=True)'


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("/usr/bin/certbot -q renew --no-random-sleep-on-renew", {"certbot"}),
        ("/usr/bin/snap run --timer=00:00 certbot.renew", {"certbot"}),
        ("docker run --rm -v /etc/letsencrypt:/etc/letsencrypt certbot/certbot renew", {"certbot"}),
        ("CERTBOT=/opt/certbot/bin/certbot\n$CERTBOT renew", {"certbot"}),
        ('7 3 * * * root "/root/.acme.sh"/acme.sh --cron --home /root/.acme.sh > /dev/null', {"acme.sh"}),
        ("dehydrated -c; lego --domains list.example.jp renew", {"dehydrated", "lego"}),
        (AS_A_LIST, {"certbot"}),
        ("if [ -x /usr/bin/certbot ]; then certbot renew; fi", {"certbot"}),
        # What renews nothing.
        ("certbot renew --dry-run", set()),
        ("certbot certificates | mail root", set()),
        ("#certbot renew", set()),
        ("true # certbot renew", set()),
        ("test -x /usr/bin/certbot && true", set()),
        ("systemctl stop certbot.timer", set()),
        ("/usr/bin/certbot-exporter --listen :9000", set()),
        (DEBIANS, set()),
        (LEFT_TO_A_TIMER, set()),
    ],
)
def test_which_clients_renew(script: str, found: set[str]) -> None:
    assert clients_in(reached(script)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("certbot.timer\n/bin/true", True), ("tls-lego.timer", True), ("logrotate.timer\nallegory", False)],
)
def test_a_name_may_tell_of_a_client(text: str, found: bool) -> None:
    assert mentions_client(text) == found


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        ("certbot renew --no-directory-hooks", True),
        ("certbot renew --no-dir -q", True),
        ("certbot revoke --no-delete-after-revoke", False),
        ("certbot renew", False),
    ],
)
def test_whether_hooks_are_passed_over(commands: str, found: bool) -> None:
    assert passes_over_hooks(commands) == found


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        ("certbot renew --deploy-hook 'systemctl reload postfix'", True),
        ("certbot renew && postfix reload", True),
        ("certbot renew && systemctl reload nginx", False),
        ("ssh other systemctl reload postfix", False),
        ("systemctl status postfix; systemctl reload nginx", False),
    ],
)
def test_whether_a_unit_is_reloaded(commands: str, found: bool) -> None:
    assert reloads(commands, "postfix") == found


def test_whether_renewals_are_forced() -> None:
    assert is_forced("certbot renew --force-renewal")
    assert not is_forced("certbot renew")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[renewalparams]\naccount = x\n", True),
        ("[renewalparams]\nautorenew = True\n", True),
        ("[renewalparams]\nautorenew = False\n", False),
        ("[renewalparams]\n autorenew='no'\n", False),
        ("[renewalparams]\n# autorenew = False\n", True),
        # certbot reads it in this section alone.
        ("autorenew = False\n[renewalparams]\n", True),
        ("[renewalparams]\n[[webroot_map]]\nx = y\n[other]\nautorenew = False\n", True),
        ("", True),
    ],
)
def test_whether_certbot_renews_by_itself(text: str, found: bool) -> None:
    assert renews(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[renewalparams]\nrenew_hook = systemctl reload postfix\n", "systemctl reload postfix"),
        ("deploy-hook = '/root/deploy.sh'\npost-hook true\n", "/root/deploy.sh\ntrue"),
        ("pre_hook = systemctl reload postfix\n# renew_hook = x\nrenew_hook =\nserver = y\n", ""),
    ],
)
def test_hooks_in_certbots_own_files(text: str, found: str) -> None:
    assert hooks_in(text) == found
