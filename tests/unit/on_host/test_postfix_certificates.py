"""Whether a certificate that an undo restores can be used, as the host's own openssl says."""

import os
import subprocess
from pathlib import Path

from smtp_auth.on_host.packing import packed
from tests.unit.issuing import issued


def _expired(path: Path, *, patience: int = 10, **environment: str) -> str:
    functions = packed("SmtpAuth::Postfix::Certificates").rpartition("exit ")[0]
    assert "$PATIENCE = 10;" in functions
    impatient = functions.replace("$PATIENCE = 10;", f"$PATIENCE = {patience};")
    program = impatient + 'print SmtpAuth::Postfix::Certificates::expired(@ARGV) // "good"'
    words = ("perl", "-e", program, str(path))
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    assert not done.stderr
    return done.stdout


def test_a_certificate_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fullchain.pem"
    unread = f"the certificate in {path} has expired, or cannot be read"
    assert _expired(path) == unread
    for text, found in ((issued("mail1.example.jp").chain, "good"), ("x", unread)):
        path.write_text(text)
        assert _expired(path) == found


def test_a_file_that_openssl_reads_for_ever_holds_up_no_change(tmp_path: Path) -> None:
    """As PKCS #12, it says how often something is hashed before anything can be read."""
    path = tmp_path / "fullchain.pem"
    path.touch()
    openssl = tmp_path / "openssl"
    openssl.write_text("#!/bin/sh\nexec sleep 30\n")
    openssl.chmod(0o755)
    assert "cannot be read" in _expired(path, patience=1, PATH=f"{tmp_path}:{os.environ['PATH']}")
