"""Memoised outputs: what a component version answered on a data set, given what came in from upstream."""

from __future__ import annotations

import time

from sqlalchemy import delete, select

from drivetrain.experiments.store import contents as bytes_of
from drivetrain.experiments.store.contents import Contents
from drivetrain.experiments.store.database import Database, insert_new
from drivetrain.experiments.store.schema import outputs as table


class Outputs:
    """Answers by (component, data, upstream): three digests, of at most 64 characters each.

    Two component versions of the same outputs share their bytes. What the bytes mean is the business of who puts them.
    """

    def __init__(self, database: Database, contents: Contents) -> None:
        self.database, self.contents = database, contents

    def put(self, component: str, data: str, upstream: str, content: bytes, seconds: float = 0.0) -> str:
        """Keep an answer, unless there is one; answers the digest of the bytes, which names them for what follows."""
        with self.database.write() as connection:
            digest = bytes_of.put(connection, content)
            row = {
                "component": component, "data": data, "upstream": upstream, "content": digest, "seconds": seconds,
                "created": time.time(),
            }  # fmt: skip
            insert_new(connection, table, [row])
        return digest

    def find(self, component: str, data: str, upstream: str) -> str | None:
        """The digest of the bytes, without reading them; None where nothing is kept."""
        query = select(table.c.content).where(
            table.c.component == component, table.c.data == data, table.c.upstream == upstream
        )
        with self.database.read() as connection:
            return connection.execute(query).scalar()

    def get(self, component: str, data: str, upstream: str) -> bytes | None:
        """The answer; None where nothing is kept."""
        digest = self.find(component, data, upstream)
        return None if digest is None else self.contents.get(digest)

    def seconds(self) -> dict[tuple[str, str, str], float]:
        """What computing each of them took."""
        with self.database.read() as connection:
            rows = connection.execute(select(table.c.component, table.c.data, table.c.upstream, table.c.seconds))
            return {(component, data, upstream): seconds for component, data, upstream, seconds in rows}

    def forget(self, component: str | None = None) -> None:
        """Forget what is kept of a component version, or everything; ``store.contents.sweep()`` frees the space."""
        with self.database.write() as connection:
            connection.execute(
                delete(table) if component is None else delete(table).where(table.c.component == component)
            )
