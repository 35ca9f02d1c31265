"""The instructions of a change arrive as they were sent, and cannot be modified."""

import subprocess

import pytest

from smtp_auth.on_host.instructions import as_lines
from smtp_auth.on_host.packing import packed

HOSTILE = "a%b\tc\nd\x00\xe9 '\"\\"


def read(lines: str, code: str) -> tuple[str, str]:
    """Run Perl code on instructions, which are in `$read`. Returns its standard output and error."""
    packages = packed("SmtpAuth::Instructions")
    program = packages[: packages.rindex("exit ")]
    program += f"my $read = SmtpAuth::Instructions->read_from(\\*DATA);\n{code}\n__END__\n{lines}"
    done = subprocess.run(["perl", "-w", "-"], input=program.encode(), capture_output=True, check=False)
    return done.stdout.decode("latin-1"), done.stderr.decode()


def test_every_byte_arrives() -> None:
    lines = as_lines([("key", "first"), ("key", HOSTILE)])
    assert read(lines, "print join '|', $read->all('key');") == (f"first|{HOSTILE}", "")


@pytest.mark.parametrize(
    "code", ["$read->{began} = 1;", "$read->{values}{key} = [];", "delete $read->{values};"]
)
def test_nothing_can_be_written_into_them(code: str) -> None:
    assert read(as_lines([("other", "one")]), f"eval {{ {code} 1 }} and print 'written';") == ("", "")


def test_of_a_part_of_them_nothing_is_read() -> None:
    lines = as_lines([("key", "value")])
    said = read(lines.removesuffix("complete\t1\n"), "print 'read';")
    assert said == ("", "the instructions arrived incomplete\n")
