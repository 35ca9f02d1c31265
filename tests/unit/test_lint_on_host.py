"""The check of the Perl that is sent to hosts finds the errors that it is made for."""

from pathlib import Path

import pytest

from smtp_auth.on_host.packing import packages
from tests.lint_on_host import Script, main, package_findings, perl_programs, program_findings

GOOD = "package SmtpAuth::Tried;\n\nuse strict;\nuse warnings;\n\nsub one { return 1 }\n\n1;\n"

# As it is sent.
PART = f'BEGIN {{\n# line 1 "SmtpAuth/Tried.pm"\n{GOOD}}}\n'

BAD = {
    "what Perl does not understand": (("return 1", "return ("), "syntax error"),
    "what Perl warns of": (("return 1", "my $one = 1; my $one = 2; return $one"), '"my" variable $one masks'),
    "what nobody defines": (("use warnings;", "use warnings;\nuse SmtpAuth::Nothing;"), "Can't locate"),
    "what Perl::Critic has a rule for": (("return 1", "my $one = 1"), "[Subroutines::RequireFinalReturn]"),
    "a name that is not the file's": (
        ("SmtpAuth::Tried", "SmtpAuth::Other"),
        "RequireFilenameMatchesPackage",
    ),
}


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "Tried.pm"
    path.write_text(GOOD)
    assert [*package_findings({"SmtpAuth::Tried": path})] == []
    assert [*program_findings(Script("tried", f"{PART}exit SmtpAuth::Tried::one();\n"))] == []


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_with_a_package_is_found(what: str, tmp_path: Path) -> None:
    (good, bad), said = BAD[what]
    path = tmp_path / "Tried.pm"
    path.write_text(GOOD.replace(good, bad))
    assert any(said in line for line in package_findings({"SmtpAuth::Tried": path}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit SmtpAuth::Tried::one() +;\n", "syntax error"),
        ("exit SmtpAuth::Tried::one();\nuse SmtpAuth::Other;\n", "Can't locate"),
        ("exit eval 'SmtpAuth::Tried::one()';\n", "[BuiltinFunctions::ProhibitStringyEval]"),
    ],
)
def test_what_is_wrong_with_a_program_is_found(text: str, said: str) -> None:
    assert any(said in line for line in program_findings(Script("tried", PART + text)))


def test_every_package_is_sent_in_some_program() -> None:
    sent = "".join(program.text for program in perl_programs())
    assert [name for name in packages() if f"\npackage {name};\n" not in sent] == []


def test_a_missing_perl_critic_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main() == 1
    assert capsys.readouterr() == ("", "Perl::Critic is missing: apt-get install libperl-critic-perl\n")
