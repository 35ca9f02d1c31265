"""The queue's database: libpq finds it, by `PGHOST`, `PGSERVICE` and the like, or by `--database`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from smtp_auth.runs.mistakes import Mistake
from smtp_auth.shown import shown, shown_words

try:
    import procrastinate
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.rows import DictRow, dict_row
except ImportError as error:
    if error.name in ("procrastinate", "psycopg"):
        raise Mistake(
            "smtp-auth queue needs procrastinate, which is not installed: "
            "pip install 'smtp-auth-fleet[queue]'"
        ) from None
    # psycopg says which ways to load libpq it has tried.
    raise Mistake(
        "smtp-auth queue needs PostgreSQL's libpq, which is not installed: Debian's libpq5"
    ) from None

# That of our tables, and of procrastinate's, whose own may be others in its next version.
_VERSION = f"1, procrastinate {'.'.join(procrastinate.__version__.split('.')[:2])}"

# So that an attempt ends where a network answers nothing: seconds and, at the last one, milliseconds.
_OURS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "application_name": "smtp-auth queue",
    # Whatever the environment says: hosts' names have letters of all scripts.
    "client_encoding": "utf8",
}

Connection = psycopg.Connection[DictRow]

# With which work in the database fails. procrastinate raises its own for that of psycopg.
Failed = (psycopg.Error, procrastinate.exceptions.ConnectorException)

# With which an attempt fails while the database is not there. It may be later.
Unreached = (psycopg.OperationalError, psycopg.InterfaceError, procrastinate.exceptions.ConnectorException)


class Database:
    """Where it is.

    + given: what `--database` says, in libpq's words or as its URI; empty: only the environment says it

    Raises `Mistake` if that cannot be read, or has a password.
    """

    def __init__(self, given: str) -> None:
        # psycopg reads times in this form alone. libpq then asks for it, whatever a role or a database has.
        os.environ["PGDATESTYLE"] = "ISO"
        try:
            words = conninfo_to_dict(given)
        except (psycopg.Error, UnicodeError):
            # libpq's message quotes it, and with it a password.
            raise Mistake(
                "--database is neither a URI of PostgreSQL nor words of libpq's: give it as in "
                "'host=db.example.jp dbname=mail'"
            ) from None
        secret = next((word for word in ("password", "sslpassword") if words.get(word)), None)
        if secret:
            raise Mistake(
                f"--database has a {secret}, which everybody on this machine can read there: give it in "
                "~/.pgpass, or with service= in a service file"
            )
        self.conninfo = make_conninfo(
            given, **{name: value for name, value in _OURS.items() if name not in words}
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection, in a transaction that is committed at the end of the `with`."""
        with psycopg.connect(self.conninfo, row_factory=dict_row) as connection:
            yield connection

    def now(self) -> datetime:
        """The time by its clock."""
        with self.transaction() as connection:
            found: datetime = one(connection, "SELECT now() AS now")["now"]
        return found

    def require_tables(self) -> None:
        """Raise `Mistake` if `set_up` has not made the tables that this version uses."""
        with self.transaction() as connection:
            if not is_there(connection, "smtp_auth_queue"):
                raise Mistake("the database has no tables of ours: give smtp-auth queue setup once")
            check_version(connection)


def is_there(connection: Connection, table: str) -> bool:
    """Whether the database has a table of this name."""
    return one(connection, "SELECT to_regclass(%(name)s) AS found", name=table)["found"] is not None


def check_version(connection: Connection) -> None:
    """Raise `Mistake` if the tables are those of another version."""
    found = one(connection, "SELECT version FROM smtp_auth_queue")["version"]
    if found != _VERSION:
        raise Mistake(
            f"the database's tables are of version {shown(found)}, and this program uses {_VERSION}: once no "
            "rollout is under way, drop and make the database, and give smtp-auth queue setup"
        )


def note_version(connection: Connection) -> None:
    """Keep of which version the tables are."""
    connection.execute("INSERT INTO smtp_auth_queue VALUES (%s)", [_VERSION])


def one(connection: Connection, query: str, **values: Any) -> Mapping[str, Any]:
    """The only row of an answer."""
    (found,) = rows(connection, query, **values)
    return found


def rows(connection: Connection, query: str, **values: Any) -> list[DictRow]:
    """The rows of an answer. + query: a literal text; values are sent beside it, and never part of it"""
    return connection.execute(query, values).fetchall()


def sentence_of(error: BaseException) -> str:
    """Why the database is not reached, on one line."""
    cause = error.__cause__ or error
    return shown_words("; ".join(line.strip() for line in str(cause).splitlines() if line.strip()))
