"""What a start does not load or read, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _printed(program: str) -> str:
    words = [sys.executable, "-c", program]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_what_only_a_match_exec_needs_is_loaded_for_it() -> None:
    printed = _printed("""
import sys
from smtp_auth.runs.startup import begin_loading
begin_loading()
from paramiko import SSHConfig
print("invoke.context" in sys.modules)
config = SSHConfig.from_text('Match exec "test %h = a"\\n HostName x')
print(config.lookup("a")["hostname"], config.lookup("b")["hostname"], "invoke.context" in sys.modules)
print(config.lookup("a")["hostname"])
""")
    assert printed.splitlines() == ["False", "x b True", "x"]


def test_the_installed_packages_are_read_once() -> None:
    printed = _printed("""
from importlib import metadata
from smtp_auth.runs.pyinfra_internals import make_sockets_cooperative
read, found = metadata.distributions, []
metadata.distributions = lambda **words: found.append(words) or read(**words)
make_sockets_cooperative()
make_sockets_cooperative()
print(len(found), "pyinfra.connectors" in metadata.entry_points().groups)
""")
    assert printed.split() == ["1", "True"]


def test_nothing_is_collected_while_a_run_of_pyinfra_is_loaded() -> None:
    printed = _printed("""
import click, gc
from smtp_auth.runs.startup import end_when_interrupted, keep_what_is_loaded
with click.Context(click.Command("pyinfra")):
    end_when_interrupted()
    print(gc.isenabled())
    keep_what_is_loaded()
print(gc.isenabled(), gc.get_freeze_count() > 0)
""")
    assert printed.split() == ["False", "True", "True"]


def test_nothing_is_collected_until_all_is_loaded() -> None:
    printed = _printed("""
import gc
from smtp_auth.runs.startup import begin_loading, end_loading
begin_loading()
print(gc.isenabled())
end_loading()
print(gc.isenabled(), gc.get_freeze_count() > 0)
""")
    assert printed.split() == ["False", "True", "True"]


def test_what_writes_figures_is_loaded_for_it() -> None:
    printed = _printed("""
import sys
from argparse import Namespace
from smtp_auth import cli
from smtp_auth.runs.pyinfra_internals import make_sockets_cooperative
make_sockets_cooperative()
from smtp_auth.fleet import plan_command
from smtp_auth.verify import command, outputs
outputs.outputs_of(Namespace(json=None, html=None, since=None, prometheus=None))
print("prometheus_client" in sys.modules)
outputs.outputs_of(Namespace(json=None, html=None, since=None, prometheus="x.prom"))
print("prometheus_client" in sys.modules)
""")
    assert printed.split() == ["False", "True"]
