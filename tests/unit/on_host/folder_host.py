"""A folder that stands for a host's file system, and a service that is two files.

systemd's part is played here: a change that was killed is followed by `put-back`.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smtp_auth.facts.decode import decode
from smtp_auth.facts.look import File
from smtp_auth.on_host.instructions import file_instructions, service_instructions
from smtp_auth.on_host.programs import change_program
from smtp_auth.plan.plan import PlannedFile
from smtp_auth.plan.service import Service
from smtp_auth.services.instruction import Instruction

FAULTS = Path(__file__).parents[2] / "faults"

# The service is a copy of the two files, which `reload` makes; it serves unless "dies" is in it. It refuses a
# new file with "refused" in it.
TRIED = Service("tried", "The service", "SmtpAuth::Tried")
SERVICE = r"""
package SmtpAuth::Tried::Change;
our @ISA = qw(SmtpAuth::Service);

sub can_run { return 1 }
sub running { return 1 }

sub before { return }

sub refused {
    my ($self) = @_;
    my $instructions = $self->instructions;
    return map { "it will not" } grep { /refused/ } map { $instructions->of_file($_, "content") // "" }
        $instructions->files;
}

sub unserved { return }

sub reload {
    my ($self) = @_;
    my $runs = $self->one("runs");
    for my $path (map { $self->instructions->path_of($_) } $self->instructions->files) {
        my ($name) = $path =~ m{([^/]*)$};
        system "sh", "-c", 'rm -f -- "$1"; test ! -e "$0" || cp -- "$0" "$1"', $path, "$runs/$name";
    }
}

sub prove {
    my ($self) = @_;
    my ($status) = SmtpAuth::Programs::run("grep", "-rl", "dies", $self->one("runs"));
    die "it dies\n" if $status == 0;
    return "it serves";
}

sub present_state {
    my ($self) = @_;
    my @paths = map { $self->instructions->path_of($_) } $self->instructions->files;
    return join "|", map { SmtpAuth::Files::content_of($_) // "" } @paths;
}

sub bring_back { my ($self) = @_; return $self->reload }
sub prove_old { my ($self) = @_; return $self->prove }

package main;
"""

FIRST, SECOND = "main file.cf", "second.cf"
ID = "2026-11-22T10:15:00Z-3f2a"
LEDGER = '{"version": 1}\n'


@dataclass
class Host:
    """A folder that stands for a host's file system."""

    folder: Path
    effects: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        for name in ("etc dir", "runs", "scratch", "run", "units", "faults"):
            (self.folder / name).mkdir(parents=True)

    @property
    def etc(self) -> Path:
        return self.folder / "etc dir"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def record(self) -> Path:
        return self.folder / "var" / "smtp-auth"

    def files(self) -> dict[str, str]:
        """Name to content of all files, hidden ones included."""
        return {path.name: path.read_text() for path in self.etc.iterdir()}

    def served(self) -> dict[str, str]:
        """The service's files, without leftovers."""
        return {name: text for name, text in self.files().items() if name in (FIRST, SECOND)}

    def runs(self) -> dict[str, str]:
        """What the service has read."""
        return {path.name: path.read_text() for path in (self.folder / "runs").iterdir()}

    def is_clean(self) -> bool:
        """Whether a change has left only the files and the record."""
        return self.files().keys() <= {FIRST, SECOND} and not any((self.folder / "run").iterdir())

    def boot(self) -> str:
        """What systemd does with the unit of an interrupted change, if there is one; what it prints."""
        units = self.folder / "units"
        name = "smtp-auth-recovery.service"
        unit, link = units / name, units / "multi-user.target.wants" / name
        if not link.exists():
            return ""
        (start,) = re.findall(r'^ExecStart=/bin/sh -c "(.*)"$', unit.read_text(), re.MULTILINE)
        # As systemd.syntax(7) says.
        script = re.sub(r"\\(.)", r"\1", start).replace("$$", "$").replace("%%", "%")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert not done.stderr
        return done.stdout

    def is_at_rest(self) -> bool:
        """Whether no program of a change is left, and no unit that systemd would start."""
        links = [*(self.folder / "units").glob("*.wants/*")]
        return not links and not [*self.record.glob("changes/[!.]*/change.pl")]

    def manifest(self, change: str = ID) -> dict[str, object]:
        """What the record says of a change."""
        found: dict[str, object] = json.loads(
            (self.record / "changes" / change / "manifest.json").read_text()
        )
        return found

    def instructions(
        self, wanted: Mapping[str, str | None], seen: Mapping[str, str], change: str
    ) -> Iterator[Instruction]:
        yield from {
            "id": change,
            "controller": "somebody@somewhere",
            "ssh_user": "admin",
            "lock": str(self.lock),
            "record": str(self.record),
            "run": str(self.folder / "run"),
            "scratch": str(self.folder / "scratch"),
            "units": str(self.folder / "units"),
            "tried.runs": str(self.folder / "runs"),
            "manifest": f'{{\n"id": "{change}"\n}}',
            "ledger": LEDGER,
            "service": TRIED.key,
            "reload": TRIED.key,
        }.items()
        yield from service_instructions(TRIED)
        for name in (FIRST, SECOND):
            path = str(self.etc / name)
            file = File(path, seen.get(name), path, *(("0644", "root", "root") if name in seen else ()))
            if name in seen:
                yield "baseline", name
            coming = wanted.get(name, seen.get(name))
            planned = PlannedFile(file, TRIED, coming, "0644" if coming is not None else "")
            yield from file_instructions(name, file, TRIED, planned if coming != seen.get(name) else None)

    def program(
        self,
        wanted: Mapping[str, str | None],
        seen: Mapping[str, str] | None = None,
        service: str = SERVICE,
        change: str = ID,
    ) -> str:
        """The instructions: each file that differs from what was seen is written; `None`: it is deleted."""
        found = self.served() if seen is None else seen
        return service + change_program(self.instructions(wanted, found, change), ())

    def run(self, program: str, fault: str = "0 nothing any") -> subprocess.CompletedProcess[str]:
        """Run a program as systemd would on the host; `effects` is how many it had.

        + fault: the number of an effect, and what happens there, as for Fault.pm
        """
        folder, faults = self.folder / "run" / "smtp-auth", self.folder / "faults"
        folder.mkdir()
        (folder / "change.pl").write_text(program)
        (faults / "at").write_text(fault)
        (faults / "count").write_text("")
        environment = {"PATH": os.environ["PATH"], "FAULT_FOLDER": str(faults), "PERL5LIB": str(FAULTS)}
        done = None
        for what in ("change", "put-back"):
            if not (folder / "change.pl").exists():
                break
            done = subprocess.run(
                ["perl", "-MFault", str(folder / "change.pl"), what],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
                env=environment,
            )
        assert done is not None
        # Perl's own warnings and errors.
        assert not done.stderr
        shutil.rmtree(folder, ignore_errors=True)
        self.effects = len((faults / "count").read_text())
        return done

    def deploy(self, wanted: Mapping[str, str | None]) -> subprocess.CompletedProcess[str] | None:
        """What the program does: nothing if the files are as wanted, read and without leftovers."""
        if self.served() == there(wanted) == self.runs() and self.is_clean():
            return None
        return self.run(self.program(wanted, change="2026-11-22T11:00:00Z-0001"))


def there(wanted: Mapping[str, str | None]) -> dict[str, str]:
    """The files that exist."""
    return {name: content for name, content in wanted.items() if content is not None}


def said(done: "subprocess.CompletedProcess[str]") -> str:
    """The sentences about the outcome."""
    return decode(done.stdout.splitlines())["said"][-1]
