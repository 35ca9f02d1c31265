"""What a host runs by itself: read out of what systemd, find and grep print."""

import pytest

from smtp_auth.verify.jobs import cron_jobs, lines_by_file, scripts_in, timers, units_in

SHOWN = """Unit=renew.service
NextElapseUSecRealtime=Fri 2026-11-27 12:00:00 UTC
NextElapseUSecMonotonic=infinity
Id=renew.timer
ActiveState=active
UnitFileState=enabled

Result=exit-code
ExecStart={ path=/bin/sh ; argv[]=/bin/sh -c a; b ; ignore_errors=no ; start_time=[n/a] ; code=(null) }
ExecStart={ path=/opt/c ; argv[]=/opt/c d ; ignore_errors=yes ; start_time=[n/a] ; code=(null) }
ExecStartPost={ path=/opt/e ; argv[]=/opt/e ; ignore_errors=no ; start_time=[n/a] ; code=(null) }
Id=renew.service
ActiveState=inactive


Id=cron.service
ActiveState=active

Id=anacron.timer
ActiveState=inactive
"""


def test_a_timer_has_all_that_its_service_runs() -> None:
    [job] = timers(units_in(SHOWN))
    assert job.commands == "/bin/sh -c a; b\n/opt/c d\n/opt/e"
    assert (job.name, job.runs, job.enabled) == ("renew.timer", True, True)
    assert job.failed == "renew.service failed with exit-code"


def test_a_unit_that_is_shown_twice_has_what_both_say() -> None:
    shown = "Id=cron.service\nSubState=running\n\n\nId=cron.service\nActiveState=active\n"
    assert units_in(shown)["cron.service"].keys() == {"Id", "SubState", "ActiveState"}


@pytest.mark.parametrize(
    ("before", "after", "runs", "enabled"),
    [
        ("UnitFileState=enabled", "UnitFileState=disabled", True, False),
        ("ActiveState=active\nUnit", "ActiveState=inactive\nUnit", False, True),
        ("Realtime=Fri 2026-11-27 12:00:00 UTC", "Realtime=", False, True),
    ],
)
def test_whether_a_timer_runs(before: str, after: str, runs: bool, enabled: bool) -> None:
    assert before in SHOWN
    [job] = timers(units_in(SHOWN.replace(before, after)))
    assert (job.runs, job.enabled) == (runs, enabled)


@pytest.mark.parametrize(
    ("path", "active", "runs"),
    [
        ("/etc/crontab", "cron.service", True),
        ("/etc/cron.d/renew", "cron.service", True),
        ("/etc/cron.monthly/renew", "cron.service", True),
        ("/etc/cron.monthly/renew", "anacron.timer", True),
        ("/etc/cron.hourly/renew", "anacron.timer", False),
        ("/etc/anacrontab", "anacron.timer", True),
        ("/etc/anacrontab", "cron.service", False),
        ("/var/spool/cron/crontabs/root", "cron.target", True),
        ("/var/spool/cron/crontabs/root", "anacron.timer", False),
        ("/etc/cron.d/renew", "atd.service", False),
    ],
)
def test_who_runs_a_cron_job(path: str, active: str, runs: bool) -> None:
    units = units_in(f"Id={active}\nActiveState=active\n")
    [job] = cron_jobs({path: "0 3 * * * root certbot renew\n"}, units)
    assert (job.name, job.runs) == (path, runs)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/cron.d/renew.bak",
        "/etc/cron.daily/renew.sh",
        "/etc/cron.daily/x/y",
        # Of `at`: it runs once.
        "/var/spool/cron/atjobs/a0001",
    ],
)
def test_what_cron_passes_over_is_no_job(path: str) -> None:
    assert not list(cron_jobs({path: "certbot renew\n"}, units_in(SHOWN)))


def test_files_are_told_apart() -> None:
    assert lines_by_file("/a:x: y\n/b:z\n/a:\n") == {"/a": "x: y\n\n", "/b": "z\n"}


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        ("/opt/renew --quiet", ["/opt/renew"]),
        ("0 3 * * * root flock -n /run/lock/x nice '/srv/a b/../c.sh'", ["/run/lock/x", "/srv/a"]),
        ("30 3 * * * root renew-all -q", ["/usr/local/sbin/renew-all"]),
        ('~/bin/renew; $HOME/a; "${HOME}"/b', ["/root/bin/renew", "/root/a", "/root/b"]),
        ("cd /opt/tls && ./renew.sh", ["/opt/tls/renew.sh"]),
        ("/usr/bin/certbot renew; curl https://example.jp/a/b >/dev/null", []),
    ],
)
def test_scripts_are_found_in_commands(commands: str, found: list[str]) -> None:
    assert scripts_in(commands, frozenset({"/usr/local/sbin/renew-all"})) == found
