"""Bytes called by their digest, each stored once: weights that combinations share, and memoised outputs."""

from __future__ import annotations

import hashlib
import time

from sqlalchemy import Connection, delete, func, select

from drivetrain.errors import StoreError
from drivetrain.experiments.store.database import Database, insert_new
from drivetrain.experiments.store.schema import chunks, component_versions, contents, outputs

CHUNK = 16 * 2**20  # bytes; databases refuse values of a gigabyte and hold a value in memory several times


class Contents:
    """The bytes of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, content: bytes) -> str:
        """Store bytes, unless they are there already; answers their SHA-256."""
        with self.database.write() as connection:
            return put(connection, content)

    def get(self, digest: str) -> bytes:
        """The bytes of that digest, checked.

        Raises:
            StoreError: they are not there, or what is there is not what was stored.
        """
        with self.database.read() as connection:
            parts = connection.execute(select(chunks.c.data).where(chunks.c.digest == digest).order_by(chunks.c.part))
            content = b"".join(part for (part,) in parts)
        if hashlib.sha256(content).hexdigest() == digest:
            return content
        if not content and digest not in self:
            raise StoreError(f"no content {digest[:12]} in {self.database.url}; it was never stored, or swept away")
        raise StoreError(f"the content {digest[:12]} in {self.database.url} is damaged: its digest is another one now")

    def __contains__(self, digest: str) -> bool:
        with self.database.read() as connection:
            return connection.execute(select(contents.c.size).where(contents.c.digest == digest)).first() is not None

    def bytes(self) -> int:
        """What all of it takes."""
        with self.database.read() as connection:
            return int(connection.execute(select(func.coalesce(func.sum(contents.c.size), 0))).scalar_one())

    def sweep(self) -> int:
        """Delete what no version and no memoised output holds; answers the bytes that are free now."""
        held = select(component_versions.c.weights).where(component_versions.c.weights.is_not(None))
        unheld = contents.c.digest.not_in(held.union(select(outputs.c.content)))
        with self.database.write() as connection:
            freed = connection.execute(select(func.coalesce(func.sum(contents.c.size), 0)).where(unheld)).scalar_one()
            connection.execute(delete(contents).where(unheld))
        return int(freed)


def put(connection: Connection, content: bytes) -> str:
    """Store bytes as part of a transaction."""
    digest = hashlib.sha256(content).hexdigest()
    if connection.execute(select(contents.c.size).where(contents.c.digest == digest)).first() is None:
        insert_new(connection, contents, [{"digest": digest, "size": len(content), "created": time.time()}])
        for part, start in enumerate(range(0, len(content), CHUNK)):
            row = {"digest": digest, "part": part, "data": content[start : start + CHUNK]}
            insert_new(connection, chunks, [row])
    return digest
