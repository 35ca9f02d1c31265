"""The commands in the files that cron and anacron read."""

import re
import shlex

from smtp_auth.services.certbot.clients import reached

_TIMES = r"(?:@\w+|\S+(?:\s+\S+){4})\s+"
_USER, _JOB = r"\S+\s+", r"\S+\s+\S+\s+\S+\s+"
_SET = re.compile(r"\s*[\"']?(\w+)[\"']?\s*=(.*)")


def commands_of(path: str, text: str) -> str:
    """What cron reaches, without the times, users and names before it; each line of a crontab by itself.

    + path: of a crontab, or of a script that is started as it is
    """
    if re.match(r"/etc/cron\.\w+ly/", path):
        return reached(text)
    before = re.compile(rf"\s*{_before(path)}")
    lines: list[str] = []
    for line in text.splitlines():
        variable, times = _SET.fullmatch(line), before.match(line)
        if variable:
            value = shlex.quote(variable[2].strip("\"' \t"))
            lines.append(f"{variable[1]}={value}")
        elif times:
            lines.append(reached(line[times.end() :]))
    return "\n".join(lines)


def _before(path: str) -> str:
    if path == "/etc/anacrontab":
        return _JOB
    return _TIMES if path.startswith("/var/spool/") else _TIMES + _USER
