"""The modules of blackbox_exporter that are written, and their targets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from smtp_auth.settings import settings_from_data
from smtp_auth.verify.blackbox import Probe, config, names_of, probe, targets

SMTP_AUTH = str(Path(sys.executable).parent / "smtp-auth")


def _probe(host: str, address: str = "192.0.2.1", **data: Any) -> Probe:
    return probe(host, settings_from_data(host, {"mail_domain": "example.jp", **data}), address)


def test_hosts_with_equal_settings_share_a_module() -> None:
    probes = [_probe(f"mail{number}.example.jp") for number in range(200)]
    assert [*names_of(probes).values()] == ["smtp_auth_465"]
    slow = _probe("slow.example.jp", verify_seconds=7.25)
    names = names_of([*probes, slow])
    assert names[slow.module] == "smtp_auth_465_2"
    assert "    timeout: 7250ms" in [*config(names)]


def test_a_target_is_the_name_that_mail_programs_use() -> None:
    one = _probe("a.example", mail_hostname="mail.example.jp")
    assert targets([one], names_of([one])) == [
        {"targets": ["mail.example.jp:465"], "labels": {"host": "a.example", "module": "smtp_auth_465"}}
    ]
    # The exporter then compares the certificate with the target's own name.
    assert "server_name" not in "".join(config(names_of([one])))


def test_before_dns_names_a_host_its_address_is_the_target() -> None:
    one = _probe("a.example", "2001:db8::1", mail_hostname="mail.example.jp", verify_addresses="ssh")
    names = names_of([one])
    assert targets([one], names)[0]["targets"] == ["[2001:db8::1]:465"]
    assert '      tls_config: {"server_name": "mail.example.jp"}' in [*config(names)]


def _run(folder: Path, *words: str) -> tuple[int, str, str]:
    (folder / "inventory.py").write_text(
        "mail = [('a.example', {'mail_domain': 'example.jp'}), ('b.example', {'mail_domain': 1})]\n"
    )
    done = subprocess.run(
        [SMTP_AUTH, "verify", *words], cwd=folder, capture_output=True, text=True, check=False, umask=0o077
    )
    return done.returncode, done.stdout, done.stderr


def test_it_looks_at_no_host_and_leaves_out_wrong_data(tmp_path: Path) -> None:
    status, said, beside = _run(tmp_path, "--blackbox-config", "blackbox.yml")
    assert status == 1
    assert beside.startswith("b.example: mail_domain")
    assert [one["labels"]["host"] for one in json.loads(said)] == ["a.example"]
    # The exporter runs as another account.
    assert (tmp_path / "blackbox.yml").stat().st_mode & 0o777 == 0o644
    assert _run(tmp_path, "--blackbox-config", "blackbox.yml", "--limit", "a.example")[0] == 0


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    assert _run(tmp_path, "--blackbox-config", "-") == (
        2,
        "",
        "--blackbox-config -: standard output gets the targets: give a file\n",
    )
    assert _run(tmp_path, "--blackbox-config", "x", "--json", "y") == (
        2,
        "",
        "--json y: --blackbox-config x looks at no host: leave one of them out\n",
    )
