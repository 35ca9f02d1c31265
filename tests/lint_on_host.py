"""Checks the shell and Perl programs, above all those sent to hosts (`python -m tests.lint_on_host`).

The program of a change and certbot's deploy hook are put together first, with a recorded host as their
example: only then can `perl -c` and shellcheck tell what is missing. Prints one line per finding; exit status
1 where there is any.
"""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from operations import STEPS
from operations.certbot_hook import desired_content
from smtp_auth.facts.look import Look, parse
from smtp_auth.on_host.origin import Origin
from smtp_auth.on_host.programs import rehearsal_program, start_program
from smtp_auth.plan.plan import plan_regardless
from smtp_auth.settings import Settings
from tests.unit.scenarios import wanted

ROOT = Path(__file__).parents[1]
SHELLCHECK = Path(sysconfig.get_path("scripts"), "shellcheck")

# Not fit for any of our scripts, and why.
NOT_HERE = {
    "SC2016": "a `$` in single quotes is Perl's or Postfix's, never a variable of the shell's",
}

# The same for one script.
NOT_THERE = {
    "the deploy hook": {"SC2043": "a host with one domain has one lineage to go over"},
    "lab/install-requirements": {"SC2013": "packages.txt is read in words: a name cannot hold a space"},
}


@dataclass(frozen=True)
class Script:
    """A program, whole; `name` is what a finding calls it."""

    name: str
    text: str

    @property
    def dialect(self) -> str:
        """What runs it as a shell script: `bash` where its first line says so, else any POSIX shell."""
        return "bash" if self.text.startswith("#!") and "bash" in self.text.partition("\n")[0] else "sh"


def shell_scripts() -> Iterator[Script]:
    """Every shell script: the hook as it arrives on a host, and the plain files."""
    settings, _ = _example()
    yield Script("the deploy hook", desired_content(settings, None))
    for path in (ROOT / "lab/install-requirements", ROOT / ".ci/run", *ROOT.glob("bench/shell/*.sh")):
        yield Script(str(path.relative_to(ROOT)), path.read_text())


def shell_findings(script: Script) -> Iterator[str]:
    """What shellcheck says of a script, a line each, with the script's own line."""
    without = ",".join((*NOT_HERE, *NOT_THERE.get(script.name, ())))
    command = (str(SHELLCHECK), "-f", "json1", "-s", script.dialect, "-e", without, "-")
    done = subprocess.run(command, input=script.text, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"shellcheck cannot check {script.name}: {done.stderr}")
    lines = script.text.splitlines()
    for found in json.loads(done.stdout)["comments"]:
        number = found["line"]
        quoted = lines[number - 1].strip()[:80]
        yield f"{script.name}, line {number} (`{quoted}`): {found['message']} [SC{found['code']}]"


def perl_programs() -> Iterator[Script]:
    """Every Perl program, as it is sent to hosts."""
    settings, look = _example()
    plan = plan_regardless(settings, look, STEPS)
    yield Script("the change", rehearsal_program(plan, settings, look))
    yield Script("the start", start_program(Origin("id", "controller", "commit"), plan, settings, look))
    for path in (
        *(ROOT / "smtp_auth/on_host" / name for name in ("look.pl", "prove.pl")),
        ROOT / "tests/faults/Fault.pm",
    ):
        yield Script(str(path.relative_to(ROOT)), path.read_text())


def perl_findings(script: Script) -> Iterator[str]:
    """What Perl says of a program without running it, a line each; a warning counts."""
    perl = ("perl", "-wc", "-")
    done = subprocess.run(perl, input=script.text, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line != "- syntax OK"]
    if done.returncode and not said:
        said = [f"perl -c ends with {done.returncode}"]
    yield from (f"{script.name}: {line}" for line in said)


def findings() -> Iterator[str]:
    """Everything that is wrong with any of the programs."""
    for script in shell_scripts():
        yield from shell_findings(script)
    for program in perl_programs():
        yield from perl_findings(program)


def _example() -> tuple[Settings, Look]:
    """A recorded host, and settings that change it."""
    settings = wanted(
        tls_minimum_version="TLSv1.3",
        submissions_options={"syslog_name": "postfix/smtps"},
        certbot_reload_services=["postfix", "dovecot"],
    )
    recorded = (ROOT / "tests/unit/recorded/trixie/look.txt").read_text().splitlines()
    # As if there was neither a deploy hook nor a listener yet.
    absent = ("file.hook.content", "file.dropin.content", "dovecot_auth")
    look = parse(line for line in recorded if not line.startswith(absent))
    if look is None:
        raise AssertionError("the recorded look is not complete")
    return settings, look


def main() -> int:
    """Print the findings; the exit status."""
    found = list(findings())
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
