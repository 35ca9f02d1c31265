"""Checks the shell and Perl programs, above all those sent to hosts (`python -m tests.lint_on_host`).

Every Perl package is read alone and as a part of what is sent, by Perl and by Perl::Critic (perlcriticrc says
what that has to find). Programs and certbot's deploy hook are put together first, with a recorded host as
their example: only then can `perl -c` and shellcheck tell what is missing. Prints one line per finding; exit
status 1 where there is any, or where Perl::Critic is missing.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from operations import STEPS
from operations.certbot_hook import desired_content
from smtp_auth.facts.look import Look
from smtp_auth.on_host.origin import Origin
from smtp_auth.on_host.packing import packages
from smtp_auth.on_host.programs import (
    follow_program,
    history_program,
    holding_program,
    look_program,
    proof_program,
    rehearsal_program,
    shell_program,
    start_program,
)
from smtp_auth.plan.plan import plan_ignoring_obstacles
from smtp_auth.services import SERVICES
from smtp_auth.settings import Settings
from tests.unit.scenarios import stock, wanted

ROOT = Path(__file__).parents[1]
SHELLCHECK = Path(sysconfig.get_path("scripts"), "shellcheck")

# Checks that do not fit our scripts, and why.
NOT_HERE = {
    "SC2016": "a `$` in single quotes is Perl's or Postfix's, never a variable of the shell's",
}

# The same for one script.
NOT_THERE = {
    "the deploy hook": {"SC2043": "a host with one domain has one lineage to go over"},
}

PERLCRITIC = ("perlcritic", "--profile", str(ROOT / "tests/perlcriticrc"))

# Policies of Perl::Critic for a package's file that do not fit a packed program, and why.
NOT_AS_SENT = {
    "ProhibitMultiplePackages": "it is several packages in one text",
    "RequireExplicitPackage": "each is in a BEGIN block, which loads it before the next one is compiled",
    "RequireUseStrict": "every package has it",
    "RequireUseWarnings": "every package has it",
    "RequireLocalizedPunctuationVars": "%INC marks a package as loaded; each was checked alone",
    "ProhibitExcessComplexity": "a BEGIN block counts as one function; each function was checked alone",
    "RequireEndWithOne": "a program ends with its exit",
}


@dataclass(frozen=True)
class Script:
    """A complete program; findings contain its `name`."""

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
    for path in (*ROOT.glob("lab/no-services/*"), ROOT / ".ci/run", *ROOT.glob("bench/shell/*.sh")):
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
    """Every Perl program that is packages put together, as it is sent to hosts."""
    settings, look = _example()
    plan = plan_ignoring_obstacles(settings, look, STEPS)
    yield Script("the look", look_program())
    yield Script("the history", history_program())
    yield Script("a hold", holding_program([("record", "/x")]))
    yield Script("the rehearsal", rehearsal_program(plan, settings, look))
    yield Script("the start", start_program(Origin("id", "controller", "commit"), plan, settings, look))
    yield Script("the outcome", follow_program())
    yield Script("a command of the verification", shell_program())
    for service in SERVICES:
        if f"{service.package}::Proof" in packages():
            yield Script(f"{service.name}'s proof", proof_program(service))


def package_findings(sources: Mapping[str, Path]) -> Iterator[str]:
    """What Perl and Perl::Critic say of packages, each in a file of its own where `use` finds it.

    + sources: a package's name to its file
    """
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, path in sources.items():
            files.append(Path(folder, f"{name.replace('::', '/')}.pm"))
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            files[-1].write_text(path.read_text())
        for file in files:
            yield from (line.replace(f"{folder}/", "") for line in _perl_says(str(file), "-I", folder))
        yield from (line.replace(f"{folder}/", "") for line in _critic_says(*map(str, files)))


def program_findings(program: Script) -> Iterator[str]:
    """The same for a program as it is sent, which contains all packages that it uses."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "program.pl")
        file.write_text(program.text)
        excluded = (word for policy in NOT_AS_SENT for word in ("--exclude", f"::{policy}$"))
        for line in (*_perl_says(str(file)), *_critic_says(*excluded, str(file))):
            yield f"{program.name}: {line.replace(f'{folder}/', '')}"


def _perl_says(file: str, *options: str) -> list[str]:
    """What Perl prints about a file without running it; a warning counts."""
    done = subprocess.run(("perl", "-wc", *options, file), capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line != f"{file} syntax OK"]
    return said or ([f"{file}: perl -c ends with {done.returncode}"] if done.returncode else [])


def _critic_says(*words: str) -> list[str]:
    done = subprocess.run((*PERLCRITIC, "--quiet", *words), capture_output=True, text=True, check=False)
    # 2 where it has found something.
    if done.returncode not in (0, 2) or done.stderr:
        raise RuntimeError(f"perlcritic cannot check: {done.stderr}")
    return done.stdout.splitlines()


def findings() -> Iterator[str]:
    """Everything that is wrong with any of the programs."""
    for script in shell_scripts():
        yield from shell_findings(script)
    yield from package_findings({**packages(), "Fault": ROOT / "tests/faults/Fault.pm"})
    for program in perl_programs():
        yield from program_findings(program)


def _example() -> tuple[Settings, Look]:
    """A recorded host with neither a deploy hook nor a listener, and settings that change it."""
    settings = wanted(
        tls_minimum_version="TLSv1.3",
        submissions_options={"syslog_name": "postfix/smtps"},
        certbot_reload_services=["postfix", "dovecot"],
    )
    return settings, stock("3.10.5")


def main() -> int:
    """Print the findings; the exit status."""
    if not shutil.which(PERLCRITIC[0]):
        print("Perl::Critic is missing: apt-get install libperl-critic-perl", file=sys.stderr)
        return 1
    found = list(findings())
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
