"""The tables of the queue: procrastinate's, and ours beside them."""

from procrastinate.schema import SchemaManager

from smtp_auth.rollout.queue.database import Connection, Database, check_version, is_there, note_version, one
from smtp_auth.runs.mistakes import Mistake

# `seen`: when the worker last said that it is at work; `claim`: of whom a report is taken.
# `begins`, `not_after`: the maintenance window.
# The hosts' lines are in no table, and neither are the sentences of a report: they may quote a file.
_OURS = """
CREATE TABLE smtp_auth_queue (version text NOT NULL);

CREATE TABLE smtp_auth_rollouts (
    run text PRIMARY KEY,
    plan text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'stopped', 'done')),
    why text NOT NULL DEFAULT '',
    wave integer NOT NULL,
    put_in_by text NOT NULL,
    put_in timestamptz NOT NULL DEFAULT now(),
    begins timestamptz,
    not_after timestamptz
);

CREATE TABLE smtp_auth_waves (
    run text NOT NULL REFERENCES smtp_auth_rollouts ON DELETE CASCADE,
    wave integer NOT NULL,
    report text NOT NULL,
    PRIMARY KEY (run, wave)
);

CREATE TABLE smtp_auth_slices (
    run text NOT NULL REFERENCES smtp_auth_rollouts ON DELETE CASCADE,
    wave integer NOT NULL,
    zone text NOT NULL,
    shard integer NOT NULL,
    shards integer NOT NULL,
    hosts integer NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'under way', 'done', 'lost')),
    claim text,
    worker text,
    began timestamptz,
    seen timestamptz,
    ended timestamptz,
    without_report integer NOT NULL DEFAULT 0,
    said text NOT NULL DEFAULT '',
    report text,
    PRIMARY KEY (run, wave, zone, shard)
);

CREATE TABLE smtp_auth_checks (
    zone text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    worker text NOT NULL,
    states jsonb NOT NULL,
    said text NOT NULL
);
"""

# Any number that no other program takes for a lock.
_LOCK = 0x736D7470


def set_up(database: Database) -> bool:
    """Make the tables, unless they are there. Returns whether they were made.

    Raises `Mistake` if those that are there are of another version, or the database cannot have them.
    """
    with database.transaction() as connection:
        # A second one waits here, and then finds them.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if is_there(connection, "smtp_auth_queue"):
            check_version(connection)
            return False
        _make(connection)
    return True


def _make(connection: Connection) -> None:
    encoding = one(connection, "SHOW server_encoding")["server_encoding"]
    if encoding != "UTF8":
        raise Mistake(
            f"the database's encoding is {encoding}, and hosts have names in all scripts: make it with "
            "createdb --encoding UTF8 --template template0"
        )
    if not is_there(connection, "procrastinate_jobs"):
        connection.execute(SchemaManager.get_schema())
    connection.execute(_OURS)
    note_version(connection)
