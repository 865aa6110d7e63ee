"""A database by URL: opened, brought up to date, written to in whole transactions, and its errors in plain words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from drivetrain.errors import StoreError
from drivetrain.experiments.store.schema import VERSION_TABLE

DEFAULT = "drivetrain.db"
VARIABLE = "DRIVETRAIN_STORE"
HEAD = "0004"
BUSY = 30.0  # seconds that a writer waits for another one


def url_of(place: str | Path | None) -> str:
    """The database URL of a place: a URL as it is, else a SQLite file; None asks $DRIVETRAIN_STORE first.

    Raises:
        StoreError: it is the address of a tracking server, which has no room for systems.
    """
    named = str(place) if place is not None else os.environ.get(VARIABLE) or DEFAULT
    if named.startswith(("http://", "https://")):
        raise StoreError(
            f"{named} is an MLflow server: over HTTP it keeps runs and models, but has no room for systems. Keep "
            f"the systems in a database and mirror the runs to the server: Experiment(name, "
            f'store="{DEFAULT}", mlflow="{named}"); a team shares store="postgresql://host/name"'
        )
    if "://" not in named:
        return f"sqlite:///{Path(named).expanduser()}"
    return named.replace("postgresql://", "postgresql+psycopg://", 1).replace("postgres://", "postgresql+psycopg://", 1)


class Database:
    """An engine whose writes are whole transactions.

    Attributes:
        url: as SQLAlchemy wants it.
        durable: whether what was written outlives a power failure too, not only a killed process.
        engine: made when it is first needed, anew in every process.
    """

    def __init__(self, url: str, durable: bool = False) -> None:
        self.url, self.durable = url, durable
        self._words: dict[str, str] = {}
        self._kept: list[Any] = []  # a connection for ``quick``: asking a pool costs a sixth of such a transaction
        self._engine: Engine | None = None
        self._process = os.getpid()

    @property
    def place(self) -> str:
        """Where it is, for people to see: a file, or a URL without its password."""
        return _shown(self.url)

    @property
    def engine(self) -> Engine:
        """The engine of this process; a forked one must not share its parent's connections."""
        if self._engine is None or self._process != os.getpid():
            if self._engine is not None:
                self._engine.dispose(close=False)
            with plain_errors(self.url):
                self._engine, self._process = _engine(self.url, self.durable), os.getpid()
                self._words, self._kept = {}, []
                _bring_up_to_date(self._engine, self.url)
        return self._engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database."""
        engine = self.engine
        with plain_errors(self.url), engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of it is there afterwards, or nothing."""
        engine = self.engine
        with plain_errors(self.url), engine.connect() as connection:
            writer = connection.execution_options(writes=True)
            with writer.begin():
                yield writer

    @contextmanager
    def quick(self, *, writes: bool = True) -> Iterator[Any]:
        """A transaction in the driver's own words, where every microsecond counts; yields the driver's cursor."""
        engine = self.engine
        refused = engine.dialect.loaded_dbapi.Error
        try:
            connection = self._taken(engine)
            try:
                cursor = connection.cursor()
                if engine.dialect.name == "sqlite":
                    cursor.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                yield cursor
                connection.commit()
            except BaseException:
                connection.rollback()
                connection.close()
                raise
            self._given_back(connection, engine)
        except refused as error:
            raise StoreError(f"{self.place}: {_reason(str(error).strip())}") from error

    def _taken(self, engine: Engine) -> Any:
        try:
            return self._kept.pop()
        except IndexError:
            return engine.raw_connection()

    def _given_back(self, connection: Any, engine: Engine) -> None:
        """Keep one connection to a file; a server's may go away meanwhile, which the pool finds out."""
        if self._kept or engine is not self._engine or not _is_file(engine):
            connection.close()
            return
        if not connection.is_detached:
            connection.detach()  # the pool may fill its place
        self._kept.append(connection)

    def words(self, sql: str) -> str:
        """A statement with ``:name`` for values as the driver of this database wants it, values being a dict."""
        if sql not in self._words:
            dialect: Any = type(self.engine.dialect)
            named = dialect(paramstyle="named" if dialect.name == "sqlite" else "pyformat")
            self._words[sql] = str(text(sql).compile(dialect=named))
        return self._words[sql]

    def close(self) -> None:
        """End the connections of this process."""
        if self._engine is not None and self._process == os.getpid():
            while self._kept:
                self._kept.pop().close()
            self._engine.dispose()
        self._engine = None

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "durable": self.durable}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


@contextmanager
def plain_errors(url: str) -> Iterator[None]:
    """Say what a database refused in words that name the place and what to do."""
    try:
        yield
    except IntegrityError:
        raise
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(f"{_shown(url)} cannot be opened: {_first_line(error)}; {_HOW}") from error
    except DBAPIError as error:
        raise StoreError(f"{_shown(url)}: {_reason(str(error.orig).strip())}") from error


def _shown(url: str) -> str:
    try:
        found = make_url(url)
    except ArgumentError:
        return url
    return found.database or url if url.startswith("sqlite") else found.render_as_string(hide_password=True)


_HOW = (
    'what fits: a file, "drivetrain.db", or a URL, "sqlite:///drivetrain.db", "postgresql://user@host/name" '
    "(pip install 'drivetrain[postgres]')"
)


_REASONS = {
    "database or disk is full": "the disk is full; what was recorded before is safe, what was being written is not "
    "there. Make room and run it again",
    "attempt to write a readonly database": "it can be read but not written; check who owns the file and its folder",
    "unable to open database file": "the file cannot be opened; its folder must exist and be writable",
    "file is not a database": "the file is no SQLite database; name another one",
    "database disk image is malformed": 'the file is damaged; `sqlite3 FILE ".recover"` saves what can be read',
    "database is locked": f"another process has been writing for {BUSY:.0f} s; one process writes to a file, many "
    f"writers share postgresql://",
}


def _reason(found: str) -> str:
    for known, words in _REASONS.items():
        if known in found:
            return f"{words} ({found})"
    return (found.splitlines() or ["failed"])[0]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _is_file(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:")


def _engine(url: str, durable: bool) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    file = make_url(url).database
    if file and file != ":memory:":
        try:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{file}: its folder is not there and cannot be made ({error.strerror})") from error
    engine = create_engine(url, connect_args={"timeout": BUSY}, poolclass=QueuePool)

    @event.listens_for(engine, "connect")
    def _open(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")
        connection.execute("PRAGMA foreign_keys = ON")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer; it stays in the file
        # What the log holds is copied into the file every 32 MB in place of every 4, which is what waits for the disk.
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        # Either way a killed process loses nothing and the file stays whole. NORMAL saves one wait for the disk a
        # transaction, and a power failure may then cost the last moments.
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer says so at once: a reader that wants to write later could not wait for another writer.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _bring_up_to_date(engine: Engine, url: str) -> None:
    with engine.connect() as connection:
        if engine.dialect.has_table(connection, VERSION_TABLE):
            found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
            if found == HEAD:
                return
            if found is not None and str(found) > HEAD:
                raise StoreError(
                    f"{url} was written by a newer Drivetrain (its tables are at {found}, this one knows {HEAD}); "
                    f"upgrade: pip install -U drivetrain"
                )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "drivetrain.experiments.store:migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        writer = connection.execution_options(writes=True)
        with writer.begin():
            if engine.dialect.name == "postgresql":  # two processes may open a new database at the same time
                writer.execute(text("SELECT pg_advisory_xact_lock(4620251)"))
            config.attributes["connection"] = writer
            command.upgrade(config, "head")


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, those left out that are there already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def count_alone(connection: Connection, table: Table) -> None:
    """Nobody else gives out the next number of this table until the transaction ends; on SQLite a writer is alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
