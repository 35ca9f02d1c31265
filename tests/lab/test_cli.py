"""The command line: what it says if no lab can run here, and what it shows."""

import json
import os
import platform
import shutil
from pathlib import Path

import pytest

from lab import cli
from lab.cli import main
from lab.fleet import HostSpec
from lab.process import Process
from lab.state import HostState, LabState


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_only_root_may(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["up"]) == 1
    assert "run it as root" in complaint(capsys)


def test_only_on_linux(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert main(["up"]) == 1
    assert "needs a Linux machine" in complaint(capsys)


def test_missing_programs_are_named_by_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    there = {
        "unshare",
        "ip",
        "nsenter",
        "setpriv",
        "mount",
        "openssl",
        "ssh-keygen",
        "rsync",
        "mmdebstrap",
    }
    monkeypatch.setattr(shutil, "which", lambda name, **_: name if name in there else None)
    assert main(["up"]) == 1
    assert complaint(capsys).endswith("apt-get install pebble systemd-container\n")


def test_a_host_outside_the_fleet_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    assert main(["up", "mail9.example.jp"]) == 1
    assert "no such host in the fleet: mail9.example.jp" in complaint(capsys)


@pytest.mark.parametrize("boot", ["this", "earlier"])
def test_status_tells_each_hosts_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], boot: str
) -> None:
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    state = LabState(tmp_path, 3)
    if boot == "earlier":
        state.boot = boot
    me = Process.of(os.getpid())
    gone = Process(me.pid, me.start - 1)
    cases = (("up", me, True), ("off", gone, True), ("unfinished", me, False))
    for index, (name, process, ready) in enumerate(cases, 10):
        spec = HostSpec(f"{name}.example.jp", "trixie", "example.jp")
        state.hosts[spec.name] = HostState(spec, "secret", index, process, ready)
    state.write()

    assert main(["status", "--json"]) == 0
    text = capsys.readouterr().out
    assert "secret" not in text
    words = [row["state"] for row in json.loads(text)]
    assert words == (["up", "off", "unfinished"] if boot == "this" else ["stale"] * 3)

    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len({line.index("trixie") for line in lines}) == 1


def test_status_without_a_lab(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    assert main(["status"]) == 0
    assert capsys.readouterr().out.split() == ["lab", "down"]
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
