"""What cron starts, without the times before it."""

import pytest

from smtp_auth.services.certbot.clients import clients_in
from smtp_auth.verify.crontab import commands_of


@pytest.mark.parametrize(
    ("path", "line", "commands"),
    [
        ("/etc/crontab", "0 3 * * * root certbot renew", "certbot renew"),
        ("/etc/cron.d/x", "*/5 3 1-7 jan,feb Mon  root\tcertbot renew # x", "certbot renew "),
        ("/etc/cron.d/x", "@daily root certbot renew", "certbot renew"),
        ("/var/spool/cron/crontabs/root", " 0 3 * * * certbot renew", "certbot renew"),
        ("/var/spool/cron/crontabs/root", "@reboot certbot renew", "certbot renew"),
        ("/etc/anacrontab", "@monthly 5 certbot lego renew", "lego renew"),
        ("/etc/crontab", "MAILTO = 'certbot'", "MAILTO=certbot"),
        ("/etc/cron.daily/x", "exec a b c d e certbot", "exec a b c d e certbot"),
        ("/etc/crontab", "no crontab", ""),
    ],
)
def test_what_stands_before_a_command_is_none_of_it(path: str, line: str, commands: str) -> None:
    assert commands_of(path, f"{line}\n").strip() == commands.strip()


@pytest.mark.parametrize(
    "command", ["test -x /usr/bin/certbot && true", "echo remember certbot", "tar cf /x /opt/certbot"]
)
def test_a_mention_in_a_crontab_is_no_renewal(command: str) -> None:
    assert not clients_in(commands_of("/etc/crontab", f"0 3 * * * root {command}\n"))


def test_the_variables_of_a_crontab_are_those_of_its_commands() -> None:
    text = 'CERTBOT = "/opt/certbot/bin/certbot"\n0 3 * * * root $CERTBOT -q renew\n'
    assert clients_in(commands_of("/etc/crontab", text)) == {"certbot"}


def test_what_is_left_to_timers_is_one_line_of_a_crontab() -> None:
    left = "0 3 * * * root [ -d /run/systemd/system ] && exit 0; lego renew\n"
    assert clients_in(commands_of("/etc/cron.d/x", f"{left}0 4 * * * root certbot renew\n")) == {"certbot"}
