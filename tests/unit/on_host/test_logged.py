"""What a failed change quotes of the services' log, to which any account may write."""

import os
import subprocess
from pathlib import Path

from smtp_auth.on_host.packing import packed

PROGRAM = r"""
package Tried;
sub logs_as { return "postfix" }
package main;
print SmtpAuth::Transaction::_logged({services => {tried => bless({}, "Tried")}}, 1);
print SmtpAuth::Files::content_of("/proc/self/status") =~ /^VmHWM:\s*(\d+)/m;
"""

# 400 MB in lines of strangers' before the services' own.
JOURNAL = """#!/bin/sh
test "$1" = --sync && exit
head -c 400000000 /dev/zero | tr '\\0' x
echo
echo "Nov 26 10:00:00 mail postfix/smtpd[7]: fatal: no such file"
"""


def test_a_flood_of_the_journal_does_not_fill_the_memory(tmp_path: Path) -> None:
    journalctl = tmp_path / "journalctl"
    journalctl.write_text(JOURNAL)
    journalctl.chmod(0o755)
    program = packed("SmtpAuth::Transaction").rpartition("exit ")[0] + PROGRAM
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = ("perl", "-e", program)
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert not done.stderr
    line, memory = done.stdout.rsplit("\n", 1)
    assert line.endswith("postfix/smtpd[7]: fatal: no such file")
    # In kilobytes.
    assert int(memory) < 100_000
