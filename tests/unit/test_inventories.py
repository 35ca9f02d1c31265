"""Any inventory that pyinfra reads is read the same: hosts, groups, data, configuration, choice of hosts.

Run as a program it prints in JSON what pyinfra's own command line, and ours, make of the same words. It is a
process of its own: pyinfra's command line replaces the standard library's sockets when it is imported. Each
case is a child of it, because Python keeps the modules that an inventory imports. No host is connected to.
"""

import argparse
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from gevent.monkey import get_original
from packaging.requirements import Requirement

from smtp_auth.settings import settings_from_data

ROOT = Path(__file__).resolve().parents[2]

# Of a virtual environment.
PACKAGES = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"

# Two repositories, and a folder in which there is nothing.
FILES = {
    "fleet/inventory.py": """
from names import NET

example_jp = [("mail1.example.jp", {"ssh_port": 2022}), "mail2.example.jp"]
example_net = (NET, {"ssh_user": "admin", "_sudo": True})
both = ["mail2.example.jp", *NET]
""",
    "fleet/names.py": 'NET = ["mail1.example.net"]',
    "fleet/group_data/all.py": "from pathlib import Path\nverify_seconds = 20\nhere = str(Path.cwd())\n",
    "fleet/group_data/example_jp.py": """
import subprocess
mail_domain = "example.jp"
_sudo_password = subprocess.run(["echo", "secret"], stdout=-1, text=True).stdout.strip()
""",
    "fleet/more/example_jp.py": 'mail_domain = "example.com"',
    "fleet/functions.py": """
listed = ["mail1.example.jp", ("mail2.example.jp", {"ssh_port": 1})]
tupled = "mail1.example.jp", "mail2.example.jp"

def hosts():
    names = [f"mail{number}.example.jp" for number in (9, 1, 5, 3, 7)]
    return {"example_jp": names, "example_net": (["mail1.example.net"], {"ssh_port": 1}), "set": {*names}}
""",
    # Its names are those of this program's own folder, too.
    "fleet/operations.py": 'from tests.hosts import hosts\nlisted = ["mail1.example.jp"]',
    "fleet/tests/__init__.py": "",
    "fleet/tests/hosts.py": 'def hosts():\n    return {"mail": ["mail1.example.jp"]}',
    "beside/dev.py": 'mail = ["mail1.example.com", "mail2.example.com"]',
    "beside/a,,b.py": "mail = ['a', 'b']",
    "beside/group_data/dev.py": 'mail_domain = "example.com"',
    "elsewhere/dev.py": 'mail = ["mail1.example.com", "mail2.example.com"]',
    "elsewhere/group_data/dev.py": 'mail_domain = "example.com"',
    "elsewhere/config.py": "from pyinfra import config\nconfig.PARALLEL = 3\nconfig.SUDO = True\n",
    "empty/nothing": "",
    "environment/inventory.py": "from an_inventory import hosts as mail\nprint('read')\n",
    f"environment/{PACKAGES}/an_inventory.py": 'hosts = ["a"]',
    "bin/pass": "#!/bin/sh\necho secret of $1\n",
    "bin/terraform": """#!/bin/sh
echo '{"pyinfra_inventory": {"value": {"mail": [{"name": "a", "ssh_hostname": "192.0.2.1"}, "192.0.2.2"]}}}'
""",
}

DATA = ["--data", "mail_domain=example.jp"]

# Folder and words.
SAME: Mapping[str, tuple[str, list[str]]] = {
    "a file": ("fleet", []),
    "a file elsewhere": ("empty", ["--inventory", "../beside/dev.py"]),
    "a file with group data here and there": ("fleet", ["--inventory", "../beside/dev.py"]),
    "further group data": ("fleet", ["--group-data", "more", "--group-data=../beside/group_data"]),
    "a file of group data": ("fleet", ["--group-data", "more/example_jp.py"]),
    "an account": ("fleet", ["--ssh-user", "root", "--sudo", "--parallel", "2"]),
    "limits": ("fleet", ["--limit", "example_net", "--limit", "mail1*", "--exclude", "*.net"]),
    "a group is excluded": ("fleet", ["--exclude", "example_jp"]),
    "names": ("empty", ["--inventory", "mail1.example.jp,mail2.example.jp", *DATA, "--limit", "mail2*"]),
    "names, with group data here": ("fleet", ["--inventory", "mail1.example.jp,b", "--ssh-user", "root"]),
    "one name": ("empty", ["--inventory", "mail1", "--data", "ssh_hostname=192.0.2.1", *DATA]),
    "an address": ("empty", ["--inventory", "192.0.2.1"]),
    "values": (
        "empty",
        ["--inventory=a,b", *(f"--data={word}" for word in ("a=True", "b=12", "c=[1, 2]", 'd={"e": null}'))],
    ),
    "further values": ("empty", ["--inventory=a,b", *(f"--data={word}" for word in ("a=", "b=c=d", "b=é"))]),
    "a function": ("fleet", ["--inventory", "functions.hosts", *DATA, "--exclude", "mail5*"]),
    "a file with a comma": ("beside", ["--inventory", "a,,b.py"]),
    "a function in a package": ("fleet", ["--inventory", "tests.hosts:hosts"]),
    "a function with one of our names": ("fleet", ["--inventory", "operations.hosts"]),
    "a list": ("fleet", ["--inventory", "functions:listed", "--sudo"]),
    "a tuple": ("fleet", ["--inventory", "functions.tupled", *DATA]),
    "a list of the file": ("fleet", ["--inventory", "names.NET"]),
    "this machine": ("empty", ["--inventory", "@local", *DATA]),
    "containers": ("empty", ["--inventory", "@docker/debian:12,@podman/debian:13,@local", "--limit=@docker"]),
    "the README's": ("readme", []),
    "packages of the active environment": ("environment", []),
    "Terraform": ("empty", ["--inventory", "@terraform", *DATA, "--limit", "mail"]),
}

# Folder, words, and the sentence.
MISTAKES: Mapping[str, tuple[str, list[str], str]] = {
    "no file": ("empty", [], "the inventory inventory.py does not exist"),
    "no host": ("fleet", ["--inventory", "nowhere.invalid"], "If it is a host, add --data ssh_hostname="),
    "no function": (
        "fleet",
        ["--inventory", "functions.nothing"],
        "functions.nothing is no inventory: there",
    ),
    "a broken module": ("fleet", ["--inventory", "broken.hosts"], "broken.py, line 2: ZeroDivisionError: d"),
    "a broken function": ("fleet", ["--inventory", "wrong.raises"], "wrong.py, line 4: KeyError: 'mail'"),
    "letters": ("fleet", ["--inventory", "wrong.letters"], "wrong.letters: mail is no list of hosts, as a"),
    "nothing": ("fleet", ["--inventory", "wrong.nothing"], "wrong.nothing: mail is no list of hosts, as a"),
    "a number": (
        "fleet",
        ["--inventory", "wrong.numbered"],
        "wrong.numbered: the name of a group is no text",
    ),
    "no groups": ("fleet", ["--inventory", "wrong.returns"], "wrong.returns returns no dictionary: let it"),
    "a text": ("fleet", ["--inventory", "wrong:text"], "wrong:text is no list of hosts: write one, such as"),
    "a host twice": ("fleet", ["--inventory", "wrong.twice"], "wrong.twice: the list names a twice: delete"),
    **{
        f"a password in {name}": (
            "fleet",
            ["--inventory", f"secret.{name}"],
            f"secret.{name}: element {number} of {of} is no host: write a name, or (name, dictionary of",
        )
        for name, number, of in (
            ("group", 1, "the list"),
            ("nested", 2, "the list"),
            ("pair", 1, "the list"),
            ("function", 1, "mail"),
            ("hidden", 1, "_mail"),
        )
    },
    **{
        f"a password in {name}": ("fleet", ["--inventory", f"secret.{name}"], f"secret.{name}{sentence}")
        for name, sentence in (
            ("keys", ": mail is no list of hosts, as a group has to be"),
            ("conf", " is no list of hosts: write one, such as"),
            ("data", ": mail is a tuple, but no group: write a list of hosts, or (list, dictionary)"),
        )
    },
    "an empty function": ("fleet", ["--inventory", "wrong.empty"], "the inventory wrong.empty has no host"),
    "a long list": (
        "empty",
        ["--inventory", ",".join(f"mail{number}.example.jp" for number in range(40))],
        "cannot be read: File name too long: write the names in a file",
    ),
    "a limit": ("fleet", ["--limit", "mail3*"], "--limit mail3*: no host or group of the inventory has this"),
    "an exclusion": ("fleet", ["--exclude", "nobody"], "--exclude nobody: no host or group of the inventory"),
    "nobody is left": ("fleet", ["--limit", "both", "--exclude", "*"], "--exclude leaves no host"),
    "no folder of data": (
        "fleet",
        ["--group-data", "less"],
        "--group-data less: there is no such folder, and",
    ),
    "no name of a folder": (
        "fleet",
        ["--group-data", ""],
        "--group-data is empty: give a folder, or a file of",
    ),
    "a file that pyinfra ignores": (
        "empty",
        ["--inventory=@local", "--group-data", "nothing"],
        "no such file that",
    ),
    "no word": (
        "fleet",
        ["--inventory", ""],
        "the word for the inventory is empty: give a file, or names with",
    ),
    "a space": (
        "empty",
        ["--inventory", "mail1.example.jp, b"],
        "' b' begins or ends with a space: delete it",
    ),
    "less than no host": ("fleet", ["--parallel", "-1"], "--parallel -1: give a number of hosts"),
    "no value": ("fleet", ["--data", "mail_domain"], "a word of --data is not KEY=VALUE"),
    "a configuration that raises": ("raises", [], "raises/config.py, line 2: NameError: name 'x' is not def"),
    "one that is no Python": ("syntax", [], "syntax/config.py, line 1: '(' was never closed"),
    "one that exits": ("exits", [], "exits/config.py, line 2: vault is locked"),
    "one without a word": ("ends", [], "ends/config.py, line 1: it ends the program"),
    "a function that exits": (
        "fleet",
        ["--inventory", "wrong.exits"],
        "wrong.py, line 22: vault is locked; s",
    ),
    "group data that exits": ("locked", [], "locked/group_data/all.py, line 1: vault is locked"),
    "group data in Latin-1": ("latin", [], "latin/group_data/all.py: it is not UTF-8"),
    "no connector's program": (
        "empty",
        ["--inventory", "@vagrant"],
        "cannot be read: Local command failed: vagrant status --machine-readable; /bin/sh: ",
    ),
    "no connector's host": (
        "empty",
        ["--inventory", "@terraform/web"],
        "No Terraform output with key: `web`, valid keys: - pyinfra_inventory",
    ),
    "one for another pyinfra": ("version", [], "pyinfra version requirement not met (requires <3, running"),
    "a truth": ("truth", [], "truth/config.py: PARALLEL = True: give a number of hosts"),
    "a number that is none": ("number", [], "number/config.py: PARALLEL = '8': give a number of hosts"),
}

PASSWORD = "s3cr3t"

BROKEN = {
    "fleet/secret.py": f"""
host = ("mail1.example.jp", {{"_sudo_password": "{PASSWORD}"}})
group = ([host], {{"_sudo_password": "{PASSWORD}"}})
nested = ["mail1.example.jp", [host]]
pair = [(*host, 1)]
conf = dict([host])

def function():
    return {{"mail": [[host]]}}

def hidden():
    return {{"_mail": [[host]]}}

def keys():
    return {{"mail": conf}}

def data():
    return {{"mail": (host, {{}})[::-1]}}
""",
    "fleet/broken.py": "\n1 / 0",
    "fleet/wrong.py": """
text, twice = "mail1.example.jp", ["a", "b", "a"]
def raises():
    return {}["mail"]

def letters():
    return {"mail": text}

def empty():
    return {}

def nothing():
    return {"mail": None}

def numbered():
    return {5: ["a"]}

def returns():
    return ["a"]

def exits():
    raise SystemExit("vault is locked\\nsay its word\\n")
""",
    **{
        f"{folder}/inventory.py": "mail = ['a']"
        for folder in ("raises", "syntax", "exits", "ends", "locked", "latin", "version", "number", "truth")
    },
    "raises/config.py": "\nx",
    "syntax/config.py": "x = (",
    "exits/config.py": "import sys\nsys.exit('vault is locked')",
    "ends/config.py": "raise SystemExit",
    "locked/group_data/all.py": "raise SystemExit('vault is locked')",
    "version/config.py": "from pyinfra import config\nconfig.REQUIRE_PYINFRA_VERSION = '<3'",
    "truth/config.py": "from pyinfra import config\nconfig.PARALLEL = True",
    "number/config.py": "from pyinfra import config\nconfig.PARALLEL = '8'",
}

# This program's own folder has a group `all`, and two with such hosts.
OURS: Mapping[str, tuple[str, list[str]]] = {
    "names": (str(ROOT), ["--inventory", "mail1.example.jp,mail2.example.jp", "--data", "ssh_port=1"]),
    "one name": (str(ROOT), ["--inventory", "mail1.example.jp", "--data", "ssh_hostname=192.0.2.1"]),
    "this machine": (str(ROOT), ["--inventory", "@local", *DATA]),
    "its configuration": (str(ROOT), ["--inventory", "{}/elsewhere/dev.py"]),
    "its configuration, from elsewhere": ("empty", ["--inventory", "../elsewhere/dev.py"]),
    "the configuration here comes first": ("config", ["--inventory", "../elsewhere/dev.py"]),
    "an option comes first": ("empty", ["--inventory", "../elsewhere/dev.py", "--parallel", "5"]),
    "our own": (str(ROOT), ["--limit", "example_jp"]),
    "our own, from elsewhere": ("empty", ["--inventory", f"{ROOT}/inventory.py", "--limit", "example_jp"]),
    "our group data, named": (str(ROOT), ["--inventory", "mail1.example.jp,b", "--group-data", "group_data"]),
}


def _files_of_the_readme() -> dict[str, str]:
    """The files of a repository in README.md, by their names: each begins with a comment."""
    text = (ROOT / "README.md").read_text()
    ((_, block),) = re.findall(r"((?:^ +# requirements\.txt\n))((?: {7}.+\n)+)", text, re.MULTILINE)
    parts = re.split(r"^ +# (\S+\.\S+)\n", "       # requirements.txt\n" + block, flags=re.MULTILINE)
    return {name: dedent(lines) for name, lines in zip(parts[1::2], parts[2::2], strict=True)}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two repositories, and those with mistakes."""
    made = tmp_path_factory.mktemp("repositories").resolve()
    _write(made, {**FILES, **BROKEN, "config/config.py": "from pyinfra import config\nconfig.PARALLEL = 9\n"})
    (made / "latin/group_data").mkdir()
    (made / "latin/group_data/all.py").write_bytes(b"owner = 'Andr\xe9'")
    _write(made / "readme", _files_of_the_readme())
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """What pyinfra's command line, and ours, make of each case."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.test_inventories", str(folder)],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(folder / "environment"),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", SAME)
def test_what_pyinfra_reads_is_read_the_same(found: dict[str, Any], name: str) -> None:
    ours, pyinfras = found["same"][name]
    assert ours.pop("said") == ""
    del pyinfras["said"]
    if "function" in name:
        # They are in no order in pyinfra.
        assert ours["hosts"] == sorted(pyinfras.pop("hosts"))
        del ours["hosts"]
    assert ours == pyinfras


def test_the_readmes_ten_lines_are_a_repository(found: dict[str, Any]) -> None:
    files = _files_of_the_readme()
    assert [*files] == ["requirements.txt", "inventory.py", "group_data/example_jp.py"]
    assert Requirement(files["requirements.txt"].strip()).name == "smtp-auth-fleet"
    assert len(files) + sum(text.count("\n") for text in files.values()) == 10
    read = found["same"]["the README's"][0]["data"]
    assert {data["_sudo_password"] for data in read.values()} == {"secret of mail/sudo"}
    for name, data in read.items():
        assert settings_from_data(name, data, also_known=("ssh_user",)).mail_domain == "example.jp"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(found: dict[str, Any], name: str) -> None:
    status, printed, complained = found["mistakes"][name]
    assert (status, printed) == (2, "")
    assert MISTAKES[name][2] in complained
    assert PASSWORD not in complained
    assert complained.count("\n") == 1


@pytest.mark.parametrize("name", ["names", "one name", "this machine", "its configuration"])
def test_our_own_group_data_stays_out_of_another_inventory(found: dict[str, Any], name: str) -> None:
    expected = {
        "names": {host: {"ssh_port": 1} for host in ("mail1.example.jp", "mail2.example.jp")},
        "one name": {"mail1.example.jp": {"ssh_hostname": "192.0.2.1"}},
        "this machine": {"@local": {"mail_domain": "example.jp"}},
        "its configuration": {
            host: {"mail_domain": "example.com"} for host in ("mail1.example.com", "mail2.example.com")
        },
    }
    assert found["ours"][name]["data"] == expected[name]


@pytest.mark.parametrize("name", ["our own", "our own, from elsewhere", "our group data, named"])
def test_it_is_read_where_it_belongs(found: dict[str, Any], name: str) -> None:
    read = found["ours"][name]["data"]
    assert all(data["letsencrypt_live"] == "/etc/letsencrypt/live" for data in read.values())
    domains = {data.get("mail_domain") for data in read.values()}
    assert domains == ({None} if "named" in name else {"example.jp", "example.net"})


def test_the_configuration_is_that_of_this_folder_or_of_the_inventory(found: dict[str, Any]) -> None:
    names = ("its configuration", "its configuration, from elsewhere", "the configuration here comes first")
    assert [found["ours"][name]["at once"] for name in (*names, "an option comes first")] == [3, 3, 9, 5]
    assert [found["ours"][name]["config"]["SUDO"] for name in names] == [True, True, False]
    # Ours is for pyinfra's runs.
    assert found["ours"]["our own"]["at once"] == 64
    assert found["ours"]["our own"]["interrupted"] == "smtp-auth's"


# -- the program --------------------------------------------------------------------------------------


def _seen(state: Any, said: str) -> dict[str, Any]:
    inventory = state.inventory
    return {
        "hosts": [host.name for host in inventory],
        "groups": {name: sorted(host.name for host in hosts) for name, hosts in inventory.groups.items()},
        "data": {host.name: host.data.dict() for host in inventory},
        "connectors": {host.name: host.connector_cls.__name__ for host in inventory},
        "chosen": sorted(host.name for host in inventory if state.is_host_in_limit(host)),
        "config": dict(state.config.get_current_state()),
        "said": said,
    }


def _by_pyinfra(words: list[str]) -> dict[str, Any]:
    from pyinfra.context import ctx_state
    from pyinfra_cli import cli

    # Its program has none of ours.
    for name in [name for name in sys.modules if name.partition(".")[0] in ("operations", "tests")]:
        del sys.modules[name]
    given = _arguments(words)
    rest = [word for word in words if word not in ("--inventory", given.inventory)]
    rest = [word for word in rest if not word.startswith("--inventory=")]
    shown = io.StringIO()
    with (
        contextlib.suppress(SystemExit),
        contextlib.redirect_stderr(shown),
        contextlib.redirect_stdout(shown),
    ):
        cli.cli.main([given.inventory, "debug-inventory", "-y", *rest], standalone_mode=False)
    return _seen(ctx_state.get(), "")


def _by_us(words: list[str]) -> dict[str, Any]:
    import signal

    from pyinfra.context import ctx_state

    from smtp_auth.fleet.inventory import chosen_hosts
    from smtp_auth.fleet.options import choice_of

    own = signal.signal(signal.SIGINT, lambda *_words: None)
    own = signal.getsignal(signal.SIGINT)
    path, modules = (
        sys.path[:],
        {name: sys.modules.get(name) for name in ("operations", "tests", "tests.unit")},
    )
    # What the inventory itself prints is no result.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()) as said:
        chosen = chosen_hosts(choice_of(_arguments(words)))
    assert path == sys.path
    assert modules == {name: sys.modules.get(name) for name in modules}
    found = _seen(ctx_state.get(), said.getvalue())
    assert found["chosen"] == sorted(host.name for host in chosen.hosts)
    return found | {
        "at once": chosen.at_once,
        "interrupted": "smtp-auth's" if signal.getsignal(signal.SIGINT) is own else "",
    }


def _same(words: list[str]) -> dict[str, Any]:
    found = _by_us(words)
    del found["at once"], found["interrupted"]
    return found


def _arguments(words: list[str]) -> argparse.Namespace:
    from smtp_auth.fleet.options import add_options

    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def _history(words: list[str]) -> tuple[int, str, str]:
    from smtp_auth.cli import main

    sys.argv = ["smtp-auth", "history", *words]
    said = io.BytesIO(), io.BytesIO()
    # As Python's own streams are.
    out, err = (io.TextIOWrapper(one, write_through=True) for one in said)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main()
    return status, said[0].getvalue().decode(), said[1].getvalue().decode()


def _in_a_child(top: Path, read: Callable[[list[str]], Any], where: str, words: list[str]) -> Any:
    """What a function returns in a child of this process."""
    reading, writing = os.pipe()
    # gevent's own one waits for threads that the child does not have.
    child = get_original("os", "fork")()
    if child:
        os.close(writing)
        with open(reading) as pipe:  # noqa: PTH123
            text = pipe.read()
        os.waitpid(child, 0)
        return json.loads(text)
    try:
        os.chdir(top / where)
        # As for a program that is installed.
        sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
        found = read([word.replace("{}", str(top)) for word in words])
    except BaseException as error:
        found = {"said": repr(error)}
    with open(writing, "w") as pipe:  # noqa: PTH123
        pipe.write(json.dumps(found, default=str))
    os._exit(0)


def _program(top: Path) -> None:
    from pyinfra_cli import cli

    from smtp_auth.fleet import inventory

    assert cli
    assert inventory
    found = {
        "same": {
            name: [_in_a_child(top, read, *case) for read in (_same, _by_pyinfra)]
            for name, case in SAME.items()
        },
        "mistakes": {name: _in_a_child(top, _history, *case[:2]) for name, case in MISTAKES.items()},
        "ours": {name: _in_a_child(top, _by_us, *case) for name, case in OURS.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    _program(Path(sys.argv[1]))
