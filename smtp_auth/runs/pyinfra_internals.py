"""Everything that this program uses of pyinfra beyond its documented interface.

Each function says why it is needed and what breaks if pyinfra changes. `tests/unit/test_pyinfra_internals.py`
fails if pyinfra does not have what a function uses. These functions decide nothing: other modules do, and
call them.

pyinfra's command line (`pyinfra_cli`) is imported in the functions that need it: see
`make_sockets_cooperative`.
"""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import logging
import socket
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from traceback import walk_tb
from types import ModuleType, SimpleNamespace
from typing import Any

import click
from paramiko import Channel, HostKeys, MissingHostKeyPolicy, PKey
from paramiko.channel import ChannelFile, ChannelStderrFile
from pyinfra.api import Config, Host, Inventory, QuoteString, State, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.connectors import get_execution_connectors
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors import ssh, util
from pyinfra.connectors.base import DataMeta, host_to_connector_data
from pyinfra.connectors.sshuserclient import client
from pyinfra.connectors.sshuserclient.client import SSHClient, get_ssh_config
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_config

# -- a run of pyinfra's command line -------------------------------------------------------------------


def after_inventory(state: State, then: Callable[[], None]) -> None:
    """Call a function after pyinfra has read the inventory and before it connects to any host.

    pyinfra reads config.py before the inventory, and deploy.py after it has connected. In between, its
    command line calls `state.init`: the only place for a check before the first connection. If pyinfra calls
    something else there, a host's data is checked only after the connection, and there is no report.
    """
    initialise = state.init

    def initialise_and_call(inventory: Inventory, config: Config | None, **options: Any) -> None:
        initialise(inventory, config, **options)
        then()

    state.init = initialise_and_call  # type: ignore[assignment,method-assign]


def after_planning(then: Callable[[], None]) -> None:
    """Call a function after all hosts have been planned, and before pyinfra asks, executes or exits.

    pyinfra runs deploy.py for all hosts, in parallel or in batches, and offers no place behind it. If its
    command line calls something else than `load_deploy_file`, the names of one machine are not compared.
    """
    from pyinfra_cli import cli

    load = cli.load_deploy_file

    def load_and_call(state: State, filename: str) -> None:
        load(state, filename)
        then()

    cli.load_deploy_file = load_and_call


def command_line() -> Mapping[str, Any]:
    """The parameters of pyinfra's command line, by their names; empty outside it.

    pyinfra does not tell config.py how it was called; click does. If pyinfra renames `operations`, `dry`,
    `yes`, `limit`, `exclude`, `data`, `group_data`, `inventory`, `parallel`, `fail_percent` or `debug`, a run
    of a deploy is not recognised, or options are not checked.
    """
    context = click.get_current_context(silent=True)
    return context.params if context else {}


def leave_out(state: State, hosts: Collection[Host]) -> None:
    """Make hosts count as failed before anything is connected, and leave them out of the run.

    `state.fail_hosts` is for connected hosts: before the first connection, it would stop the run. If pyinfra
    keeps failed or chosen hosts elsewhere, it connects to hosts with bad data, or the exit status is 0.
    """
    state.limit_hosts = [
        host for host in state.inventory if state.is_host_in_limit(host) and host not in hosts
    ]
    state.failed_hosts |= set(hosts)


def fail_late(state: State, host: Host) -> None:
    """Make a host count as failed whose operation has failed.

    With --no-wait, pyinfra itself does not do that, and its exit status is 0. If pyinfra keeps failed hosts
    elsewhere, the exit status is 0 again.
    """
    state.failed_hosts.add(host)


def ask(state: State, ask: Callable[[], bool]) -> None:
    """Let a function ask, once and before the first change, instead of pyinfra.

    pyinfra also asks at each host that fails, and after the pass that plans, whatever it has found. It takes
    an empty line for yes, also one that was typed before it asked. If `_do_confirm`, its words, or
    `FAIL_PERCENT` are elsewhere, it asks in its own way again.

    + ask: returns whether to continue; or raises pyinfra's `PyinfraError` to stop the run
    """
    from pyinfra_cli import cli

    state.should_raise_failed_hosts = None
    state.config.FAIL_PERCENT = command_line().get("fail_percent")
    cli._do_confirm = lambda _message: ask()


def tell_errors(tell: Callable[[BaseException], int]) -> None:
    """Let a function tell, instead of pyinfra, with which error a run ends. It returns the exit status.

    pyinfra shows a traceback, or the file and the line that raised the error, and always exits with 1. If its
    command line raises other exceptions than these, it does so again.
    """
    from pyinfra_cli import exceptions

    def show(error: click.ClickException, file: Any = None) -> None:
        # click has read the exception's own status by now.
        sys.exit(tell(error))

    for kind in (
        exceptions.CliError,
        exceptions.WrappedError,
        exceptions.UnexpectedExternalError,
        exceptions.UnexpectedInternalError,
    ):
        kind.show = show


def cause_and_file(error: BaseException) -> tuple[BaseException, str]:
    """The exception inside one of pyinfra's command line, and the file that pyinfra was executing, if any.

    Of what ends a program, and of a file that is no text, pyinfra makes no exception of its own. If pyinfra
    names them otherwise, only the outer exception is reported.
    """
    if not isinstance(error, click.ClickException):
        # Importing it would replace the sockets.
        code = getattr(getattr(sys.modules.get("pyinfra_cli.util"), "exec_file", None), "__code__", None)
        frames = [frame for frame, _ in walk_tb(error.__traceback__)]
        files = [frame.f_locals["filename"] for frame in frames if frame.f_code is code]
        return error, str(files[-1]) if files else ""
    inner = getattr(error, "exception", None) or PyinfraError(error.message)
    return inner, str(getattr(error, "filename", ""))


def read_inventory_with(read: Callable[[str, Callable[[], Inventory]], Inventory]) -> None:
    """Let a function read the inventory of a run: it is called with the word for it and pyinfra's function.

    If pyinfra's command line calls something else than `make_inventory`, an inventory without hosts is a
    success.
    """
    from pyinfra_cli import cli

    make = cli.make_inventory
    cli.make_inventory = lambda given, *words, **options: read(given, lambda: make(given, *words, **options))


def is_no_inventory_line(record: logging.LogRecord) -> bool:
    """Whether a log line says that the word for the inventory is none.

    Only its text identifies the line. If the text changes, it stands above our sentence, which says the same.
    """
    return " is neither an inventory file, " in record.getMessage()


@contextlib.contextmanager
def variables_checked(
    variable: Callable[[str, object], None],
    groups: Callable[[object], None],
    hosts: Callable[[object], None],
) -> Iterator[None]:
    """Inside the `with`, functions are called with what an inventory says, before pyinfra reads it.

    pyinfra ignores what is no group in a file, takes a text for a list of hosts, and shows what is no host:
    its data may be a password. If it finds groups in another way, nothing is checked.

    + variable: is called with the name and value of each variable of an inventory file
    + groups: is called with what a function returns
    + hosts: is called with what a module has under the name that was given

    The hosts of a function are in no order in pyinfra, and another one in each run. Here they are sorted.
    """
    from pyinfra_cli import inventory
    from pyinfra_cli import util as loading
    from pyinfra_cli.exceptions import UnexpectedExternalError

    is_group = inventory._is_inventory_group
    from_function, from_list = inventory.make_inventory_from_func, inventory.make_inventory_from_iterable

    def check_first(name: str, value: object) -> bool:
        variable(name, value)
        return bool(is_group(name, value))

    def call_first(function: Callable[[], Any], *words: Any) -> Inventory:
        try:
            found = function()
        except (Exception, SystemExit) as error:
            # As pyinfra does it for a file: so the line is named.
            raise UnexpectedExternalError(error, inspect.getsourcefile(inspect.unwrap(function))) from error
        groups(found)
        # pyinfra's messages name it.
        made: Inventory = from_function(functools.wraps(function)(lambda: found), *words)
        made.hosts = dict(sorted(made.hosts.items()))
        for members in made.groups.values():
            members.sort(key=lambda host: host.name)
        return made

    def check_list(listed: object, *words: Any) -> Inventory:
        hosts(listed)
        found: Inventory = from_list(listed, *words)
        return found

    def import_first(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            spec = importlib.util.find_spec(name)
            raise UnexpectedExternalError(error, spec and spec.origin) from error

    inventory._is_inventory_group = check_first
    inventory.make_inventory_from_func, inventory.make_inventory_from_iterable = call_first, check_list
    loading.import_module = import_first
    try:
        yield
    finally:
        loading.import_module = importlib.import_module
        inventory._is_inventory_group = is_group
        inventory.make_inventory_from_func, inventory.make_inventory_from_iterable = from_function, from_list


def show_no_output(state: State, *, commands: bool) -> None:
    """Do not show what commands print, whatever -v says: a look reads files that not everybody may read.

    + commands: whether the commands themselves are shown

    If pyinfra keeps the choice elsewhere, -vvv shows what they print again, and -vv the commands.
    """
    state.print_output = state.print_fact_output = False
    state.print_input = state.print_fact_input = commands


def is_ready_line(record: logging.LogRecord, host: Host) -> bool:
    """Whether a log line says that a host has been planned.

    pyinfra also writes this line for a host that failed while it was planned. Only its text identifies the
    line. If the text changes, a failed host is called "Ready".
    """
    return click.unstyle(record.getMessage()).startswith(click.unstyle(f"{host.print_prefix}Ready:"))


def is_success_line(record: logging.LogRecord, host: Host) -> bool:
    """Whether a log line says that an operation has made its change on a host.

    Only its text identifies the line. If the text changes, the steps whose part an earlier step has made are
    called as if each had changed the host.
    """
    return click.unstyle(record.getMessage()).startswith(click.unstyle(f"{host.print_prefix}Success"))


def leave_out_text(beginning: str) -> None:
    """Leave out a text that pyinfra's command line prints, by its beginning.

    "Detected changes may not include every change" is wrong for a plan that is carried out as it was shown.
    If pyinfra prints it in another way than with `click.echo`, it stands there again.
    """
    from pyinfra_cli import cli

    def echo(message: Any = None, **options: Any) -> None:
        if not str(message).strip().startswith(beginning):
            click.echo(message, **options)

    # Only what this module of pyinfra's calls click.
    cli.click = SimpleNamespace(**{**vars(click), "echo": echo})


def translate_output(translate: Callable[[str | bytes], str]) -> None:
    """Make a function translate each line that a command prints, before pyinfra keeps or shows it.

    pyinfra shows what hosts print without escaping it, and fails on bytes that are not UTF-8. All its
    connectors read through `read_buffer` of one module. If they no longer do, output is not escaped.
    """
    read = util.read_buffer

    def read_translated(name: str, io: Iterable[str | bytes], *rest: Any, **options: Any) -> None:
        read(name, map(translate, io), *rest, **options)

    util.read_buffer = read_translated


def read_lines_by(lines: Callable[[Iterator[bytes]], Iterable[str] | None], size: int) -> None:
    """Let a function make lines of what a command prints, while it is read; `None`: pyinfra makes them.

    + size: how many bytes are read at a time, at most

    pyinfra and paramiko read whole lines, in time that grows with their square, and keep any number of them.
    All connectors read through `read_output_buffers`, which two modules have. If they no longer do, a host
    that floods takes all memory. It puts each line into a queue for threads: a tenth of the work for a host.
    """
    read = util.read_output_buffers

    def pieces(file: Any) -> Iterator[bytes]:
        if isinstance(file, ChannelStderrFile):
            some = file.channel.recv_stderr
        else:
            some = file.channel.recv if isinstance(file, ChannelFile) else file.read1
        while piece := some(size):
            yield piece

    def in_a_list() -> SimpleNamespace:
        found: list[OutputLine] = []
        return SimpleNamespace(put=found.append, queue=found)

    def read_by(stdout: Any, stderr: Any, *rest: Any, **options: Any) -> CommandOutput:
        stdout, stderr = (lines(pieces(file)) or file for file in (stdout, stderr))
        return read(stdout, stderr, *rest, **options)

    util.read_output_buffers = ssh.read_output_buffers = read_by  # type: ignore[assignment]
    util.Queue = in_a_list  # type: ignore[assignment,misc]


def use_transports(factory: Callable[..., Any]) -> None:
    """Let a function make paramiko's transports, for hosts and their jump hosts.

    paramiko lets its caller do that, and pyinfra hands on any argument. If `SSHClient.connect` no longer
    does, a host may send any amount before it is logged in to, and between answers.
    """
    connect = SSHClient.connect

    def connect_with(client: SSHClient, hostname: str, **options: Any) -> None:
        connect(client, hostname, **{"transport_factory": factory, **options})

    SSHClient.connect = connect_with  # type: ignore[assignment,method-assign]


def register_file(path: Path) -> None:
    """Register a deploy file as the file of a module.

    pyinfra calls inspect.stack() to find the line that calls an operation, once per operation and host. For a
    file that belongs to no module, that searches every loaded module: two milliseconds each time. If pyinfra
    finds the line in another way, this is not needed.
    """
    module = sys.modules.setdefault(path.stem, ModuleType(path.stem))
    module.__file__ = str(path)


class OwnCommand(StringCommand):
    """A command of an operation that determines the host's outcome itself.

    pyinfra runs a command and looks at its exit status. A change has more outcomes, and continues if the
    connection is lost. pyinfra calls `execute` of each command. If it calls another method, the command is
    run without the program on its standard input, and every change fails.
    """

    def execute(self, state: State, host: Host, connector_arguments: Any) -> tuple[bool, CommandOutput]:
        """Run the command for pyinfra. Returns whether it succeeded, and what to show if not."""
        is_well, lines = self.carry_out(host, connector_arguments)
        return is_well, CommandOutput([OutputLine("stderr", line) for line in lines])

    def carry_out(self, host: Host, arguments: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Run the command. Returns whether it succeeded, and what to show if not.

        + arguments: how commands run on the host: `_sudo` and the like
        """
        raise NotImplementedError


# -- SSH ---------------------------------------------------------------------------------------------


def check_host_keys_with(
    policy: Callable[[str | None], MissingHostKeyPolicy],
    keys: Callable[[tuple[str, ...]], HostKeys],
    options: Callable[[Mapping[str, Any] | None], dict[str, Any]],
) -> None:
    """Let functions decide which host keys are accepted, and how hosts are connected to.

    pyinfra sets `accept-new` for each host, so that its own code for `StrictHostKeyChecking` is not reached.
    If it does not read the default of `ssh_strict_host_key_checking` or these functions any more, it does
    that again.

    + policy: is given what the host's data or the SSH configuration ask for; `None` if they say nothing
    + keys: is given the files of known keys; returns the keys in them: always the same object for the same
      files. pyinfra itself reads no line behind one that paramiko cannot read
    + options: is given the host's own `ssh_paramiko_connect_kwargs`; returns those that are used
    """
    key = "ssh_strict_host_key_checking"
    ssh.connector_data_meta[key] = DataMeta(ssh.connector_data_meta[key].description, None)
    client.get_missing_host_key_policy = policy
    own = "_pyinfra_ssh_paramiko_connect_kwargs"
    if client.get_host_keys is keys:
        return
    connect = client.SSHClient.connect

    def connect_with(self: Any, hostname: str, **words: Any) -> None:
        connect(self, hostname, **{**words, own: options(words.get(own))})

    client.get_host_keys, client.SSHClient.connect = keys, connect_with  # type: ignore


def store_host_key(connection: Any, hostname: str, key: PKey) -> str:
    """Store a host's key where pyinfra does. Returns the file; empty if there is none.

    If pyinfra stores it in another way, each run accepts each key.
    """
    file = str(connection._host_keys_filename or "")
    if file:
        Path(file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    client.append_hostkey(connection, hostname, key)
    # Other connections to this host, such as that of a jump host, use the keys that were read once.
    connection._host_keys.add(hostname, key.get_name(), key)
    return file


# -- one host ----------------------------------------------------------------------------------------


def connector_arguments(host: Host) -> dict[str, Any]:
    """How commands run on a host, from its data and pyinfra's configuration: `_sudo` and the like.

    pyinfra gives them only to operations and facts. If `pop_global_arguments` changes, commands may run as
    the wrong user.
    """
    found: Mapping[str, Any] = pop_global_arguments(host.state, host, {})[0]
    return {name: value for name, value in found.items() if name in CONNECTOR_ARGUMENT_KEYS}


def command_for_sudo(command: str, arguments: Mapping[str, Any], prompt: str) -> StringCommand:
    """A command as pyinfra would run it on a host, but for passwords.

    + arguments: how commands run: `_sudo` and the like, without passwords
    + prompt: with what sudo asks for a password, and reads it on standard input; empty: it must not ask

    pyinfra itself gives passwords to env(1), in whose arguments everybody on the host sees them, and writes a
    script to /tmp, which may be mounted noexec. So this takes pyinfra's command for no password. If that is
    put together in another way, sudo does not ask, and the host is refused.
    """
    given = dict(arguments)
    util.extract_control_arguments(given)  # type: ignore[arg-type]
    words = [*util.make_unix_command(StringCommand(command), **given).bits]
    if given.get("_sudo") and prompt:
        # -k: with the right password in its cache, sudo would not notice a wrong one.
        place = words.index("-n", words.index("sudo"))
        words[place : place + 1] = ["-S", "-k", "-p", QuoteString(prompt)]
    if given.get("_sudo") or given.get("_su_user"):
        # smtp_auth/on_host/causes.py knows their messages in English.
        words[:0] = ["env", "LC_ALL=C"]
    return StringCommand(*words)


class Dialogue:
    """A command's standard input over SSH that is not known before the command has said something."""

    def hold(self, channel: Channel) -> str:
        """Hold the dialogue with a command that has just been started. Returns what is written at its end."""
        raise NotImplementedError


def hold_dialogues() -> None:
    """Let a `Dialogue` be the `_stdin` of a command.

    pyinfra writes all of standard input before it reads anything. If its SSH connector writes it with
    something else than `write_stdin`, a command with a dialogue fails.
    """
    write = ssh.write_stdin

    def write_or_hold(stdin: Any, buffer: Any) -> None:
        told = stdin.hold(buffer.channel) if isinstance(stdin, Dialogue) else stdin
        if told:
            write(told, buffer)

    ssh.write_stdin = write_or_hold


def allow_unread_input() -> None:
    """Let a command end before it has read its standard input: what it has printed says why.

    pyinfra fails there, and reads nothing of it. All connectors write with `write_stdin`, which two modules
    have. If they no longer do, a host whose login shell ends at once has lost its connection, it seems.
    """

    def allowing(write: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def write_or_stop(stdin: Any, buffer: Any) -> None:
            try:
                write(stdin, buffer)
            except OSError as error:
                channel = getattr(buffer, "channel", None)
                if not (channel.eof_received if channel else isinstance(error, BrokenPipeError)):
                    raise
                # A pipe would be told the rest once more when pyinfra closes it.
                with contextlib.suppress(OSError):
                    buffer.close()

        return write_or_stop

    ssh.write_stdin, util.write_stdin = allowing(ssh.write_stdin), allowing(util.write_stdin)


def received(channel: Channel) -> tuple[bytes, bytes]:
    """What a command has printed so far on standard output and standard error; all of it can still be read.

    paramiko can only take it out. If it keeps it elsewhere, sudo's prompt is not seen.
    """
    found: list[bytes] = []
    pipe: Any
    for pipe in (channel.in_buffer, channel.in_stderr_buffer):
        with pipe._lock:
            found.append(pipe._buffer_tobytes())
    return found[0], found[1]


def connect_through(host: Host, connect: Callable[[Host, Callable[[], None]], None]) -> None:
    """Connect to a host through a function, whoever connects: pyinfra does before it reads deploy.py.

    + connect: is called with the host, and with the connector's own function

    `Host.connect` calls the connector's `connect`. If it calls something else, a host that hangs while it is
    connected to holds up all others for ever.
    """
    own = host.connector.connect
    host.connector.connect = lambda: connect(host, own)  # type: ignore[method-assign]


def connect_again(host: Host, reason: str) -> None:
    """Connect to a host whose connection was lost.

    pyinfra does not notice the loss: `connected` stays true, and then `connect` does nothing. If pyinfra
    keeps this elsewhere, the outcome of a change is not read after its connection was lost.

    Raises pyinfra's `ConnectError`.
    """
    host.connected = False
    host.connect(reason, raise_exceptions=True, show_errors=False)


def notice_silence(host: Host, seconds: int) -> None:
    """Make an SSH connection fail if the host has not responded for some seconds: tcp(7), TCP_USER_TIMEOUT.

    pyinfra does not set this. If it starts to, this is not needed.
    """
    transport = transport_of(host)
    if transport is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)


def transport_of(host: Host) -> Any:
    """paramiko's transport below an SSH connection; `None` if there is no such connection.

    If pyinfra's SSH connector keeps paramiko's client elsewhere, a host that has vanished is noticed late,
    and one that opens few sessions (MaxSessions) is said to have lost its connection.
    """
    connected = getattr(host.connector, "client", None)
    return connected.get_transport() if connected else None


# -- inventory and data ------------------------------------------------------------------------------


def connector_keys() -> frozenset[str]:
    """The keys that pyinfra's connectors read from a host's data, such as `ssh_user`.

    pyinfra lists them nowhere else. If a connector declares them in another way, its keys are refused as
    unknown.
    """
    declared = (
        key for connector in get_execution_connectors().values() for key in connector.data_cls.__annotations__
    )
    # The inventory connectors @dockerssh and @podmanssh set the last two without declaring them.
    return frozenset((*declared, "docker_image", "docker_container_id"))


def check_connector_data(host: Host) -> None:
    """Raise pyinfra's `ConnectorDataTypeError` if a host's data for its connector has a wrong type.

    pyinfra does that when a run begins, without the name of the host. If it does not call
    `host_to_connector_data` for it any more, this finds other mistakes than pyinfra.
    """
    connector = host.connector_cls
    host_to_connector_data(connector.data_cls, connector.data_meta, host.data)


def ssh_name(name: str, config_file: str | None) -> str:
    """The name or address that pyinfra connects to for a host, from the SSH configuration.

    + config_file: `ssh_config_file` of the host's data

    If pyinfra reads the configuration elsewhere, the verification may connect to another address than SSH
    does.
    """
    config = get_ssh_config(config_file)
    return str(config.lookup(name).get("hostname", name)) if config else name


def make_sockets_cooperative() -> None:
    """Let gevent replace the standard library's sockets: while one thread waits for a host, others can run.

    pyinfra's connectors need that, and importing its command line does it. It must happen before threads
    start. If pyinfra does it elsewhere, hosts are asked one after the other.

    gevent looks for plugins two dozen times, and reads all installed packages each time. Here they are read
    once: that saves half of the time.
    """
    if sys.modules.get("pyinfra_cli"):
        return
    read = metadata.entry_points
    found = read()
    metadata.entry_points = found.select
    try:
        importlib.import_module("pyinfra_cli")
    finally:
        metadata.entry_points = read


def find_active_packages() -> None:
    """Let Python find the packages of the virtual environment that is active, if it is another one.

    An inventory may import them. pyinfra's command line does it. If pyinfra does not have `init_virtualenv`,
    every command of `smtp-auth` and the verification fail with an exception.
    """
    from pyinfra_cli.virtualenv import init_virtualenv

    # It prints an empty line.
    with contextlib.redirect_stderr(io.StringIO()):
        init_virtualenv()


def read_config(file: Path | None) -> Config:
    """pyinfra's configuration, with a config.py, as its command line reads it.

    pyinfra's documented interface has no configuration in a file. If `exec_file` changes, every command of
    `smtp-auth` and the verification fail with an exception.
    """
    from pyinfra_cli.util import exec_file

    config = Config()
    ctx_config.set(config)
    if file:
        exec_file(str(file))
    return config


def read_inventory(
    given: str,
    data: Iterable[str] = (),
    ssh_user: str | None = None,
    group_data: Iterable[str] = (),
    left_out: Path | None = None,
) -> Inventory:
    """The inventory, with its data, as pyinfra's command line reads it.

    + given: what pyinfra takes as its first argument
    + data, ssh_user, group_data: as pyinfra's options of these names take them
    + left_out: a folder of group data that is not read: pyinfra reads that of the working directory for any
      inventory

    pyinfra's documented interface needs an inventory that was read already. If the functions of its command
    line change, every command of `smtp-auth` and the verification fail with an exception. `pyinfra_cli.cli`
    has more of them, but loads all operations: a sixth of a second.
    """
    from pyinfra_cli import inventory
    from pyinfra_cli.util import parse_cli_arg

    override = {key: parse_cli_arg(value) for key, _, value in (word.partition("=") for word in data)}
    if ssh_user:
        override["ssh_user"] = ssh_user
    read = inventory._get_group_data
    inventory._get_group_data = lambda folder: {} if Path(folder) == left_out else read(folder)
    try:
        found: Inventory = inventory.make_inventory(given, override, str(Path.cwd()), group_data)
    finally:
        inventory._get_group_data = read
    return found
