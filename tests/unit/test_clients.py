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

DEBIANS = r"test -x /usr/bin/certbot -a \! -d /run/systemd/system && certbot -q renew"
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
        ('"/root/.acme.sh"/acme.sh --cron --home /root/.acme.sh > /dev/null', {"acme.sh"}),
        ("dehydrated -c; lego --domains list.example.jp renew", {"dehydrated", "lego"}),
        (AS_A_LIST, {"certbot"}),
        ("if [ -x /usr/bin/certbot ]; then certbot renew; fi", {"certbot"}),
        # Behind what starts it, known or not.
        ("sudo -u root -n /usr/bin/certbot -q", {"certbot"}),
        ("flock -n /run/lock/certbot nice -n 10 ionice -c3 dehydrated -c", {"dehydrated"}),
        ("timeout -k 5 1h env X=1 chronic getssl -a", {"getssl"}),
        ("strange-wrapper --of=ours certbot renew", {"certbot"}),
        ("find /x -exec certbot certonly {} ;", {"certbot"}),
        ("bash -lc 'sleep 5; certbot -q renew'", {"certbot"}),
        ("flock /run/x -c 'certbot renew'", {"certbot"}),
        ("su - root -c 'dehydrated -c'", {"dehydrated"}),
        ("su root -c 'lego renew'", {"lego"}),
        ('"$(command -v certbot)" -q; `which lego`', {"certbot", "lego"}),
        ('"${CERTBOT:-/usr/bin/certbot}" -q', {"certbot"}),
        ("AS_ROOT=/usr/bin/sudo\n$AS_ROOT certbot -q", {"certbot"}),
        ("A='x = $A'\n$A; sh 'eval $A'; certbot renew", {"certbot"}),
        # So does systemd show commands.
        ("/bin/sh -c while :; do certbot renew; sleep 12h; done", {"certbot"}),
        ("/bin/sh -c echo it's time; certbot renew", {"certbot"}),
        ("/usr/bin/python3 /opt/certbot/bin/certbot", {"certbot"}),
        ("python -c 'import time; time.sleep(5)' && sudo certbot -q renew", {"certbot"}),
        ("X=1 certbot &>/dev/null", {"certbot"}),
        ('OUT="$(certbot renew 2>&1)"; echo `lego renew`', {"certbot", "lego"}),
        ("case $1 in\nx) certbot renew ;;\nesac", {"certbot"}),
        ("systemctl --no-block start certbot.service", {"certbot"}),
        ("docker run --rm -v /srv:/srv certbot/dns-rfc2136:latest", {"certbot"}),
        ("docker-compose -f /srv/x.yml run --rm certbot", {"certbot"}),
        ('os.system("certbot renew")', {"certbot"}),
        ('command = "certbot renew"', {"certbot"}),
        ("echo 'see #certbot' && certbot renew", {"certbot"}),
        # Words of hooks and paths are not certbot's.
        ("certbot renew -q --deploy-hook 'rsync -a /etc/letsencrypt/ list:/srv/certificates/'", {"certbot"}),
        ("certbot renew --config-dir /srv/certificates --deploy-hook 'apt list'", {"certbot"}),
        ("certbot --config-dir /srv/plugins -d list.example.jp", {"certbot"}),
        # What renews nothing.
        ("certbot renew --dry-run", set()),
        ("certbot certificates | mail root", set()),
        ("#certbot renew", set()),
        ("true # certbot renew", set()),
        ("test -x /usr/bin/certbot && true", set()),
        ("systemctl stop certbot.timer", set()),
        ("/usr/bin/certbot-exporter --listen :9000", set()),
        ("certbot revoke --cert-name renew", set()),
        ("certbot -q delete", set()),
        ("lego --path /srv list", set()),
        ("rsync -a /var/lib/certbot/ backup:", set()),
        ("sudo -u root tar czf x /opt/certbot", set()),
        ("rm -f /var/log/certbot.log", set()),
        ("grep certbot /var/log/syslog", set()),
        ("journalctl -u certbot", set()),
        ("service certbot stop", set()),
        ("mail -s 'certbot failed' root", set()),
        ("mail -s 'certbot renew failed' root", set()),
        ("flock /tmp/certbot.lock true", set()),
        ("logger certbot renew is done", set()),
        ("ssh other certbot renew", set()),
        ('if [ "$1" = certbot ]; then true; fi', set()),
        ("for one in certbot lego; do true; done", set()),
        ("systemctl start certbot.timer", set()),
        ("docker logs certbot", set()),
        ("docker run -v certbot:/etc/letsencrypt -v /srv/certbot/x:/x nginx", set()),
        ('print("certbot renew failed")', set()),
        ("SUBJECT='certbot renew failed'", set()),
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
        ("OPTIONS='--no-directory-hooks -q'\ncertbot renew $OPTIONS", True),
        ("sh -c 'certbot renew --no-directory-hooks'", True),
        # Not what renews.
        ("certbot renew --dry-run --no-directory-hooks; certbot renew", False),
        ("certbot renew; logger certbot --no-directory-hooks", False),
        ("certbot renew --deploy-hook 'x --no-directory-hooks'", False),
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
    assert not is_forced("certbot renew --dry-run --force-renewal\ncertbot renew")
    assert not is_forced("certbot renew; acme.sh --cron --force-renewal")


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
