"""pyinfra's side of each function of `runs/pyinfra_internals.py`: what must be there.

Run as a program it prints in JSON, for each function, what is wrong with pyinfra as it is, and with pyinfra
after the part that the function needs was taken away. It is a process of its own: pyinfra's command line
replaces the standard library's sockets when it is imported.
"""

import contextlib
import inspect
import json
import logging
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.exceptions import PyinfraError

from smtp_auth.runs import pyinfra_internals

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Side:
    """pyinfra's side of one function.

    + check: fails if it is missing
    + take_away: takes it away
    """

    check: Callable[[], None]
    take_away: Break


def without(target: str) -> Break:
    """Delete an attribute, `module.name` or `module.class.name`."""
    return lambda patch: patch.delattr(target)


def instead(target: str, value: object) -> Break:
    """Replace an attribute."""
    return lambda patch: patch.setattr(target, value)


def _state(*names: str, **data: Any) -> State:
    return State(Inventory((list(names or ("@local",)), data)), Config())


def _host(**data: Any) -> Host:
    return next(iter(_state(**data).inventory))


def _after_inventory() -> None:
    from pyinfra_cli import cli

    state, called = State(), []
    pyinfra_internals.after_inventory(state, lambda: called.append(state.initialised))
    state.init(Inventory((["a"], {})), Config(), initial_limit=None)
    assert called == [True]
    source = inspect.getsource(cli._main)
    assert "state.init(" in source.partition("connect_all(")[0], (
        "it is not called before a connection is made"
    )


def _after_planning() -> None:
    """It is called before pyinfra shows what it has found, and before it executes anything."""
    from pyinfra_cli import cli

    load, called = cli.load_deploy_file, []
    try:
        cli.load_deploy_file = lambda _state, filename: called.append(filename)
        pyinfra_internals.after_planning(lambda: called.append("then"))
        cli._prepare_deploy_operations(State(), Config(), ["deploy.py"])
    finally:
        cli.load_deploy_file = load
    assert called == ["deploy.py", "then"]


def _command_line() -> None:
    import click
    from pyinfra_cli.cli import cli

    with click.Context(cli, info_name="pyinfra") as context:
        cli.parse_args(context, ["inventory.py", "deploy.py", "--dry", "--limit", "a"])
        given = pyinfra_internals.command_line()
    assert given["operations"] == ("deploy.py",)
    assert given["dry"] is True
    assert given["yes"] in (False, None)
    assert [*given["limit"]] == ["a"]
    assert given["inventory"] == "inventory.py"
    others = ("exclude", "data", "group_data", "fail_percent", "parallel", "debug")
    assert not any(given[name] for name in others)
    assert pyinfra_internals.command_line() == {}


def _leave_out() -> None:
    state = _state("a", "b")
    first, second = state.inventory
    pyinfra_internals.leave_out(state, {first})
    assert [state.is_host_in_limit(host) for host in (first, second)] == [False, True]
    assert state.failed_hosts == {first}
    assert [*state.inventory.iter_activated_hosts()] == []
    _exits_with_failure(state)


def _fail_late() -> None:
    state = _state("a", "b")
    pyinfra_internals.fail_late(state, next(iter(state.inventory)))
    _exits_with_failure(state)


def _exits_with_failure(state: State) -> None:
    """Whether pyinfra's command line gives the exit status 1."""
    from pyinfra.context import ctx_state
    from pyinfra_cli import cli

    with ctx_state.use(state), pytest.raises(SystemExit) as ended:
        cli._exit()
    assert ended.value.code == 1


def _ask() -> None:
    from pyinfra_cli import cli

    state = _state("a", "b")
    for host in state.inventory:
        state.activate_host(host)
    answers = [True, False]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_do_confirm", cli._do_confirm)
        cli._set_fail_prompts(state, state.config)
        pyinfra_internals.ask(state, lambda: answers.pop(0))
        # Not at a host that fails.
        state.fail_hosts({next(iter(state.inventory))})
        assert [cli._do_confirm("pyinfra's words") for _ in range(2)] == [True, False]
        assert "if not _do_confirm(" in inspect.getsource(cli._main)


def _tell_errors() -> None:
    """Whatever ends pyinfra's command line is told by the function, which determines the exit status."""
    from pyinfra_cli import cli, exceptions

    told = []
    kinds = [one for one in vars(exceptions).values() if isinstance(one, type) and hasattr(one, "show")]
    assert len(kinds) == 4
    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds:
            patch.setattr(kind, "show", kind.show)
        pyinfra_internals.tell_errors(lambda error: told.append(error) or 7)  # type: ignore[func-returns-value]
        for raised in (PyinfraError("a"), exceptions.CliError("b"), KeyError("c")):
            patch.setattr(cli, "_main", MagicMock(side_effect=raised))
            with pytest.raises(SystemExit) as ended:
                cli.cli(["inventory.py", "deploy.py"])
            assert ended.value.code == 7
    assert [type(error).__name__ for error in told] == ["WrappedError", "CliError", "UnexpectedInternalError"]


def _cause_and_file() -> None:
    from pyinfra.context import ctx_state
    from pyinfra_cli import exceptions
    from pyinfra_cli.util import exec_file

    error = KeyError("a")
    assert pyinfra_internals.cause_and_file(error) == (error, "")
    assert pyinfra_internals.cause_and_file(exceptions.WrappedError(error)) == (error, "")
    outside = exceptions.UnexpectedExternalError(error, "inventory.py")
    assert pyinfra_internals.cause_and_file(outside) == (error, "inventory.py")
    assert str(pyinfra_internals.cause_and_file(exceptions.CliError("words"))[0]) == "words"
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write("raise SystemExit")
        file.flush()
        with ctx_state.use(State()), pytest.raises(SystemExit) as ended:
            exec_file(file.name)
    assert pyinfra_internals.cause_and_file(ended.value) == (ended.value, file.name)


def _read_inventory_with() -> None:
    from pyinfra_cli import cli

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "make_inventory", lambda given, **options: (given, options))
        pyinfra_internals.read_inventory_with(lambda given, make: [given, make()])  # type: ignore
        assert cli.make_inventory("a", cwd="b") == ["a", ("a", {"cwd": "b"})]
    assert "= make_inventory(" in inspect.getsource(cli._main)


def _variables_checked() -> None:
    from pyinfra.context import ctx_state
    from pyinfra_cli.inventory import make_inventory

    found: dict[str, object] = {}
    groups: list[object] = []
    lists: list[object] = []
    checks = (found.__setitem__, groups.append, lists.append)
    module = ModuleType("a_module")
    module.__dict__.update(function=lambda: {"mail": ["b", "c", "a"]}, hosts=["a"])
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file, pytest.MonkeyPatch.context() as patch:
        file.write("mail = ['a']\nodd = 1\n")
        file.flush()
        patch.setitem(sys.modules, "a_module", module)
        module.__spec__ = ModuleSpec("a_module", None)
        with ctx_state.use(State()), pyinfra_internals.variables_checked(*checks):
            make_inventory(file.name)
            made = make_inventory("a_module.function")
            make_inventory("a_module:hosts")
    assert (found["mail"], found["odd"]) == (["a"], 1)
    assert (groups, lists) == ([{"mail": ["b", "c", "a"]}], [["a"]])
    assert [host.name for host in made] == [host.name for host in made.get_group("mail")] == ["a", "b", "c"]


def _show_no_output() -> None:
    from pyinfra_cli.cli import _set_verbosity

    state = _set_verbosity(_state(), 3)
    assert state.print_output
    assert state.print_fact_output
    before = set(vars(State))
    pyinfra_internals.show_no_output(state, commands=False)
    shown = ("print_output", "print_fact_output", "print_input", "print_fact_input")
    assert not any(getattr(state, name) for name in shown)
    assert {*shown} <= before
    pyinfra_internals.show_no_output(state, commands=True)
    assert [getattr(state, name) for name in shown] == [False, False, True, True]


@contextlib.contextmanager
def _judged(is_it: Callable[[logging.LogRecord], bool]) -> Iterator[list[bool]]:
    """Inside the `with`, what a function says of each line of pyinfra's log, which is not shown."""
    found: list[bool] = []
    logger = logging.getLogger("pyinfra")
    level = logger.level
    logger.setLevel(logging.INFO)

    def keep(record: logging.LogRecord) -> bool:
        found.append(is_it(record))
        return False

    logger.addFilter(keep)
    try:
        yield found
    finally:
        logger.removeFilter(keep)
        logger.setLevel(level)


def _is_ready_line() -> None:
    from pyinfra.context import ctx_state
    from pyinfra_cli.util import _parallel_load_hosts

    state = _state("@local", "a-longer-name")
    state.init(state.inventory, Config())
    host = next(iter(state.inventory))
    state.activate_host(host)
    with _judged(partial(pyinfra_internals.is_ready_line, host=host)) as found, ctx_state.use(state):
        _parallel_load_hosts(state, lambda: host.log("is it Ready:"), "deploy.py")
    assert found == [False, True]


def _is_no_inventory_line() -> None:
    from pyinfra.context import ctx_state
    from pyinfra_cli.inventory import make_inventory

    with _judged(pyinfra_internals.is_no_inventory_line) as found, ctx_state.use(State()):
        make_inventory("nowhere.invalid")
    assert found == [True]


def _is_success_line() -> None:
    from pyinfra.api import operation
    from pyinfra.api.operation import add_op
    from pyinfra.api.operations import run_ops
    from pyinfra.context import ctx_state

    class Command(pyinfra_internals.OwnCommand):
        def carry_out(self, host: Host, arguments: Any) -> tuple[bool, list[str]]:
            return True, []

    @operation()
    def own() -> Any:
        yield Command("no-such-program")

    state = _state("@local", "a-longer-name")
    state.init(state.inventory, Config())
    host = next(iter(state.inventory))
    host.connected = True
    state.activate_host(host)
    with (
        _judged(lambda record: pyinfra_internals.is_success_line(record, host)) as found,
        ctx_state.use(state),
    ):
        add_op(state, own)
        state.is_executing = True
        run_ops(state)
    assert found.count(True) == 1


def _leave_out_text() -> None:
    from pyinfra_cli import cli

    source = inspect.getsource(cli._main)
    assert re.search(r'click\.echo\(\s*"{3}\s*Detected changes may not include every change', source)
    said: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "click", cli.click)
        patch.setattr("click.echo", lambda message, **_options: said.append(message))
        pyinfra_internals.leave_out_text("Detected")
        cli.click.echo("\n    Detected changes may not", err=True)
        cli.click.echo("Others", err=True)
    assert said == ["Others"]


def _translate_output() -> None:
    from pyinfra.connectors import util

    before = util.read_buffer
    try:
        pyinfra_internals.translate_output(lambda line: f"<{line!r}>")
        output = util.read_output_buffers([b"\xff\n"], ["b\n"], None, False, "")
    finally:
        util.read_buffer = before
    assert (output.stdout_lines, output.stderr_lines) == (["<b'\\xff\\n'>"], ["<'b\\n'>"])


def _read_lines_by() -> None:
    """Both of pyinfra's ways to a host read through it, from paramiko's files and from a subprocess's."""
    from paramiko.channel import ChannelFile, ChannelStderrFile
    from pyinfra.connectors import ssh, util

    before = (util.read_output_buffers, ssh.read_output_buffers)
    channel = MagicMock()
    channel.recv.side_effect, channel.recv_stderr.side_effect = [b"a", b"b", b""], [b"c", b""]
    try:
        pyinfra_internals.read_lines_by(lambda pieces: [f"<{piece.decode()}>" for piece in pieces], 9)
        files = (ChannelFile(channel), ChannelStderrFile(channel))
        output = ssh.read_output_buffers(*files, timeout=None, print_output=False, print_prefix="")
        status, local = util.run_local_process("echo d; exit 3")
    finally:
        util.read_output_buffers, ssh.read_output_buffers = before
    assert (output.stdout_lines, output.stderr_lines) == (["<a>", "<b>"], ["<c>"])
    assert (status, local.stdout_lines) == (3, ["<d\n>"])


def _use_transports() -> None:
    """A client gets the transport, and hands it on to its jump hosts."""
    from pyinfra.connectors.sshuserclient.client import SSHClient

    connect, made = SSHClient.connect, []

    def factory(sock: Any, **_options: Any) -> Any:
        made.append(sock)
        raise EOFError

    with tempfile.NamedTemporaryFile("w") as file, pytest.MonkeyPatch.context() as patch:
        file.write("Host a\n    ProxyJump b\nHost b\n    HostName 192.0.2.1\n")
        file.flush()
        patch.setattr("paramiko.client.socket.socket", MagicMock())
        addresses = [(socket.AF_INET, ("192.0.2.1", 22))]
        patch.setattr("paramiko.client.SSHClient._families_and_addresses", lambda *_words: addresses)
        try:
            pyinfra_internals.use_transports(factory)
            for name in ("a", "c"):
                with pytest.raises(EOFError):
                    SSHClient().connect(name, _pyinfra_ssh_config_file=file.name, username="root")
        finally:
            SSHClient.connect = connect  # type: ignore[method-assign]
    assert len(made) == 2


def _connect_through() -> None:
    host, called = _host(), []
    own = host.connector.connect = MagicMock()  # type: ignore[method-assign]
    pyinfra_internals.connect_through(host, lambda one, connect: called.append((one, connect)))
    host.connect()
    assert called == [(host, own)]
    own.assert_not_called()


def _register_file() -> None:
    from pyinfra.api import util

    assert util.stack is inspect.stack
    with tempfile.NamedTemporaryFile(suffix=".py", prefix="registered_") as file:
        path = Path(file.name)
        pyinfra_internals.register_file(path)
        space: dict[str, Any] = {}
        exec(compile("def function(): pass", path, "exec"), space)
        module = inspect.getmodule(space["function"].__code__)
    assert module is sys.modules.pop(path.stem)


def _own_command() -> None:
    """An operation's command is executed by its own method, and pyinfra uses the outcome that it returns."""
    from pyinfra.api import operation
    from pyinfra.api.operation import add_op
    from pyinfra.api.operations import run_ops
    from pyinfra.context import ctx_state

    carried_out = []

    class Command(pyinfra_internals.OwnCommand):
        def carry_out(self, host: Host, arguments: Any) -> tuple[bool, list[str]]:
            carried_out.append((host.name, arguments["_sudo"]))
            return True, []

    @operation()
    def own() -> Any:
        yield Command("no-such-program")

    state = _state()
    state.init(state.inventory, Config())
    host = next(iter(state.inventory))
    host.connected = True
    state.activate_host(host)
    with ctx_state.use(state):
        add_op(state, own)
        state.is_executing = True
        run_ops(state)
    assert carried_out == [("@local", False)]
    assert not state.failed_hosts


def _connector_arguments() -> None:
    host = _host(_sudo=True, _sudo_user="mail", mail_domain="example.jp")
    found = pyinfra_internals.connector_arguments(host)
    assert (found["_sudo"], found["_sudo_user"], found["_su_user"]) == (True, "mail", None)
    assert "mail_domain" not in found


def _command_for_sudo() -> None:
    def line(prompt: str = "", **arguments: Any) -> str:
        given = {**pyinfra_internals.connector_arguments(_host()), **arguments}
        command = pyinfra_internals.command_for_sudo("echo 'a'", given, prompt)
        return str(command.get_raw_value())

    quoted = """sh -c 'echo '"'"'a'"'"''"""
    assert line() == quoted
    assert line(_sudo=True) == f"env LC_ALL=C sudo -H -n {quoted}"
    with_password = line("ask: ", _sudo=True, _sudo_user="mail")
    assert with_password == f"env LC_ALL=C sudo -H -S -k -p 'ask: ' -u mail {quoted}"
    assert line(_su_user="root").startswith("env LC_ALL=C su root -c 'sh -c ")


def _dialogue() -> None:
    """A dialogue is held when pyinfra would write standard input, and it writes what is returned."""
    from pyinfra.connectors import ssh

    class Talk(pyinfra_internals.Dialogue):
        def hold(self, channel: Any) -> str:
            held.append(channel)
            return "the rest\n"

    held: list[Any] = []
    host = next(iter(_state("a").inventory))
    client = host.connector.client = MagicMock()  # type: ignore[attr-defined]
    stdin, stdout = MagicMock(), MagicMock()
    stdout.__iter__.return_value = iter(())
    stdout.channel.recv_exit_status.return_value = 0
    client.exec_command.return_value = (stdin, stdout, MagicMock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssh, "write_stdin", ssh.write_stdin)
        pyinfra_internals.hold_dialogues()
        host.run_shell_command("a", _stdin=Talk())
    assert held == [stdin.channel]
    stdin.write.assert_called_once_with(b"the rest\n")


def _allow_unread_input() -> None:
    """What a command has printed is read, though it ended before it read anything."""
    from pyinfra.connectors import ssh, util

    large = "x" * (1 << 20)
    with pytest.MonkeyPatch.context() as patch:
        for module in (ssh, util):
            patch.setattr(module, "write_stdin", module.write_stdin)
        pyinfra_internals.allow_unread_input()
        status, said = util.run_local_process("exec <&-; echo why", stdin=large)
        assert (status, said.stdout) == (0, "why")
        for has_ended in (True, False):
            buffer = MagicMock(**{"channel.eof_received": has_ended, "write.side_effect": OSError("closed")})
            with contextlib.nullcontext() if has_ended else pytest.raises(OSError, match="closed"):
                ssh.write_stdin(large, buffer)


def _received() -> None:
    from paramiko import Channel

    channel = Channel(1)
    channel.in_buffer.feed(b"printed")
    channel.in_stderr_buffer.feed(b"complained")
    assert pyinfra_internals.received(channel) == (b"printed", b"complained")
    assert channel.recv_stderr(99) == b"complained" if channel.recv_stderr_ready() else False


def _check_host_keys_with() -> None:
    """Each connection asks them: with what the SSH configuration says, and with a host's own arguments."""
    import paramiko
    from pyinfra.connectors import ssh
    from pyinfra.connectors.sshuserclient import client

    asked: list[object] = []

    def policy(value: str | None) -> paramiko.MissingHostKeyPolicy:
        asked.append(value)
        return paramiko.RejectPolicy()

    def keys(files: Iterable[str]) -> paramiko.HostKeys:
        asked.append(files)
        return paramiko.HostKeys()

    with pytest.MonkeyPatch.context() as patch, tempfile.NamedTemporaryFile("w") as file:
        file.write("Host a\n    StrictHostKeyChecking yes\n    UserKnownHostsFile /nowhere\n")
        file.flush()
        for name in ("get_missing_host_key_policy", "get_host_keys"):
            patch.setattr(client, name, getattr(client, name))
        patch.setattr(client.SSHClient, "connect", client.SSHClient.connect)
        meta = ssh.connector_data_meta["ssh_strict_host_key_checking"]
        patch.setitem(ssh.connector_data_meta, "ssh_strict_host_key_checking", meta)
        connect = MagicMock()
        patch.setattr(paramiko.SSHClient, "connect", connect)
        pyinfra_internals.check_host_keys_with(policy, keys, lambda own: {**(own or {}), "banner_timeout": 7})
        host = next(
            iter(_state("a", ssh_config_file=file.name, ssh_paramiko_connect_kwargs={"x": 1}).inventory)
        )
        host.connect(raise_exceptions=True)
    assert asked == [None, "yes", ("/nowhere",)]
    assert connect.call_args.kwargs["banner_timeout"] == 7
    assert connect.call_args.kwargs["x"] == 1


def _store_host_key() -> None:
    from paramiko import ECDSAKey, HostKeys
    from pyinfra.connectors.sshuserclient import client

    key = ECDSAKey.generate()
    with tempfile.TemporaryDirectory() as folder:
        connection = client.SSHClient()
        connection._host_keys_filename = f"{folder}/ssh/known_hosts"
        connection._host_keys = HostKeys()
        assert pyinfra_internals.store_host_key(connection, "a", key) == f"{folder}/ssh/known_hosts"
        assert HostKeys(f"{folder}/ssh/known_hosts").check("a", key)
        assert connection._host_keys.check("a", key)


def _transport_of() -> None:
    from paramiko import SSHClient
    from pyinfra.connectors.ssh import SSHConnector

    assert pyinfra_internals.transport_of(_host()) is None
    assert SSHConnector.client is None
    host = next(iter(_state("a").inventory))
    client = host.connector.client = MagicMock(spec=SSHClient)  # type: ignore[attr-defined]
    assert pyinfra_internals.transport_of(host) is client.get_transport.return_value


def _connect_again() -> None:
    host = _host()
    host.connect()
    connect = host.connector.connect = MagicMock()  # type: ignore[method-assign]
    host.connect()
    connect.assert_not_called()
    pyinfra_internals.connect_again(host, "to try")
    connect.assert_called_once()
    assert host.connected


def _notice_silence() -> None:
    from paramiko import SSHClient, Transport
    from pyinfra.connectors.ssh import SSHConnector

    assert SSHConnector.client is None
    assert issubclass(inspect.get_annotations(SSHConnector, eval_str=True)["client"].__args__[0], SSHClient)
    host = next(iter(_state("a").inventory))
    client = host.connector.client = MagicMock(spec=SSHClient)  # type: ignore[attr-defined]
    transport = client.get_transport.return_value = MagicMock(spec=Transport)
    transport.sock = MagicMock()
    pyinfra_internals.notice_silence(host, 30)
    transport.sock.setsockopt.assert_called_once()
    assert "self.sock = " in inspect.getsource(Transport.__init__)


def _connector_keys() -> None:
    expected = {"ssh_user", "ssh_hostname", "ssh_key", "ssh_config_file", "docker_image"}
    assert expected <= pyinfra_internals.connector_keys()


def _check_connector_data() -> None:
    host = Inventory((["a"], {"ssh_port": "22"})).get_host("a")
    with pytest.raises(PyinfraError, match="ssh_port"):
        pyinfra_internals.check_connector_data(host)


def _ssh_name() -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("Host a\n    HostName 192.0.2.1\n")
        file.flush()
        assert pyinfra_internals.ssh_name("a", file.name) == "192.0.2.1"
        assert pyinfra_internals.ssh_name("b", file.name) == "b"
    assert pyinfra_internals.ssh_name("a", "/nonexistent") == "a"


def _make_sockets_cooperative() -> None:
    pyinfra_internals.make_sockets_cooperative()
    assert socket.socket.__module__.startswith("gevent.")


def _inventory() -> Inventory:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inventory.py"
        file.write_text('first = [("a", {"one": 1})]\nsecond = ["b"]\n')
        group_data = Path(folder) / "group_data"
        group_data.mkdir()
        (group_data / "all.py").write_text("two = 2\n")
        more = Path(folder) / "more"
        more.mkdir()
        (more / "second.py").write_text("five = 5\n")
        from pyinfra.context import ctx_state

        with contextlib.chdir(folder), ctx_state.use(State()):
            return pyinfra_internals.read_inventory(str(file), ["three=3", "four=true"], "admin", ["more"])


def _read_inventory() -> None:
    found = {host.name: host.data.dict() for host in _inventory()}
    common = {"two": 2, "three": 3, "four": True, "ssh_user": "admin"}
    assert found == {"a": {"one": 1, **common}, "b": {"five": 5, **common}}, found


def _find_active_packages() -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIRTUAL_ENV", folder)
        patch.setattr(sys, "path", sys.path[:])
        pyinfra_internals.find_active_packages()
        assert any(entry.startswith(folder) for entry in sys.path)


def _read_config() -> None:
    from pyinfra.context import ctx_state

    with tempfile.NamedTemporaryFile("w", suffix=".py") as file, ctx_state.use(State()):
        file.write("from pyinfra import config\nconfig.PARALLEL = 3\n")
        file.flush()
        assert pyinfra_internals.read_config(Path(file.name)).PARALLEL == 3
        assert not pyinfra_internals.read_config(None).PARALLEL


def _without_command_line(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "pyinfra_cli", None)


SIDES: dict[str, Side] = {
    "after_inventory": Side(_after_inventory, without("pyinfra.api.state.State.init")),
    "after_planning": Side(_after_planning, without("pyinfra_cli.cli.load_deploy_file")),
    "command_line": Side(_command_line, instead("pyinfra_cli.cli.cli.params", [])),
    "leave_out": Side(
        _leave_out, instead("pyinfra.api.state.State.is_host_in_limit", lambda _state, _host: True)
    ),
    "fail_late": Side(_fail_late, instead("pyinfra_cli.cli._exit", lambda: sys.exit(0))),
    "ask": Side(_ask, without("pyinfra_cli.cli._do_confirm")),
    "tell_errors": Side(_tell_errors, without("pyinfra_cli.exceptions.WrappedError")),
    "cause_and_file": Side(_cause_and_file, without("pyinfra_cli.exceptions.UnexpectedExternalError")),
    "read_inventory_with": Side(_read_inventory_with, without("pyinfra_cli.cli.make_inventory")),
    "variables_checked": Side(_variables_checked, without("pyinfra_cli.inventory._is_inventory_group")),
    "show_no_output": Side(_show_no_output, without("pyinfra.api.state.State.print_fact_output")),
    "is_ready_line": Side(
        _is_ready_line, instead("pyinfra_cli.util._parallel_load_hosts", lambda *_words: None)
    ),
    "is_no_inventory_line": Side(
        _is_no_inventory_line, instead("pyinfra_cli.inventory.logger.warning", lambda _line: None)
    ),
    "is_success_line": Side(
        _is_success_line, instead("pyinfra.api.operations.logger.info", lambda _line: None)
    ),
    "leave_out_text": Side(_leave_out_text, instead("pyinfra_cli.cli._main", lambda: None)),
    "translate_output": Side(_translate_output, without("pyinfra.connectors.util.read_buffer")),
    "read_lines_by": Side(_read_lines_by, without("pyinfra.connectors.ssh.read_output_buffers")),
    "use_transports": Side(
        _use_transports,
        instead(
            "pyinfra.connectors.sshuserclient.client.SSHClient.connect", lambda *_words, **_options: None
        ),
    ),
    "connect_through": Side(_connect_through, instead("pyinfra.api.host.Host.connect", lambda _host: None)),
    "register_file": Side(_register_file, without("pyinfra.api.util.stack")),
    "OwnCommand": Side(_own_command, instead("pyinfra.api.operations.PyinfraCommand", Host)),
    "connector_arguments": Side(
        _connector_arguments,
        instead("smtp_auth.runs.pyinfra_internals.pop_global_arguments", lambda _state, _host: ({}, [])),
    ),
    "command_for_sudo": Side(_command_for_sudo, without("pyinfra.connectors.util.make_unix_command")),
    "Dialogue": Side(_dialogue, without("pyinfra.connectors.ssh.write_stdin")),
    "hold_dialogues": Side(_dialogue, without("pyinfra.connectors.ssh.write_stdin")),
    "allow_unread_input": Side(_allow_unread_input, without("pyinfra.connectors.util.write_stdin")),
    "received": Side(_received, without("paramiko.buffered_pipe.BufferedPipe._buffer_tobytes")),
    "check_host_keys_with": Side(
        _check_host_keys_with,
        without("pyinfra.connectors.sshuserclient.client.get_missing_host_key_policy"),
    ),
    "store_host_key": Side(
        _store_host_key, without("pyinfra.connectors.sshuserclient.client.append_hostkey")
    ),
    "transport_of": Side(_transport_of, without("pyinfra.connectors.ssh.SSHConnector.client")),
    "connect_again": Side(_connect_again, without("pyinfra.api.host.Host.connect")),
    "notice_silence": Side(_notice_silence, without("pyinfra.connectors.ssh.SSHConnector.client")),
    "connector_keys": Side(_connector_keys, without("pyinfra.connectors.ssh.SSHConnector.data_cls")),
    "check_connector_data": Side(
        _check_connector_data, without("pyinfra.connectors.ssh.SSHConnector.data_cls")
    ),
    "ssh_name": Side(_ssh_name, instead("smtp_auth.runs.pyinfra_internals.get_ssh_config", lambda: None)),
    "make_sockets_cooperative": Side(_make_sockets_cooperative, _without_command_line),
    "find_active_packages": Side(_find_active_packages, without("pyinfra_cli.virtualenv.init_virtualenv")),
    "read_config": Side(_read_config, without("pyinfra_cli.util.exec_file")),
    "read_inventory": Side(_read_inventory, without("pyinfra_cli.inventory._get_group_data")),
}


def _trouble(check: Callable[[], None]) -> str:
    try:
        check()
    except (Exception, pytest.fail.Exception) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    """Check each side, as it is and after it was deleted."""
    pyinfra_internals.make_sockets_cooperative()
    found = {}
    for name, side in SIDES.items():
        there = _trouble(side.check)
        with pytest.MonkeyPatch.context() as patch:
            side.take_away(patch)
            found[name] = (there, _trouble(side.check))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
