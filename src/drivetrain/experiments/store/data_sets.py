"""Data sets by their digest, and how they belong together: the same scenes, derived labels, splits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import select

from drivetrain.errors import StoreError, UnknownVersionError, listed
from drivetrain.experiments.store.database import Database, insert_new
from drivetrain.experiments.store.schema import data_relations
from drivetrain.experiments.store.schema import data_sets as table
from drivetrain.experiments.versions.version import RELATIONS, DataSet


class Relation(NamedTuple):
    """``data`` is a ``relation`` of ``other``: validation is a *split* of the whole."""

    data: str
    relation: str
    other: str
    facts: Mapping[str, Any]


class DataSets:
    """The data sets of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, data: DataSet) -> DataSet:
        """Make a data set known; one that is known gets the name, if it had none."""
        row = {"digest": data.digest, "name": data.name, "size": data.size, "facts": dict(data.facts),
               "created": time.time()}  # fmt: skip
        with self.database.write() as connection:
            insert_new(connection, table, [row])
            if data.name:
                unnamed = (table.c.digest == data.digest) & (table.c.name == "")
                connection.execute(table.update().where(unnamed).values(name=data.name))
        return self.get(data.digest)

    def get(self, name: str) -> DataSet:
        """A data set by its digest, the beginning of one, or its name (the newest of that name).

        Raises:
            UnknownVersionError: there is none; the message lists what there is.
        """
        meanings = [table.c.digest == name, table.c.name == name]
        if len(name) >= 6 and all(letter in "0123456789abcdef" for letter in name):
            meanings.append(table.c.digest.startswith(name))
        with self.database.read() as connection:
            for condition in meanings if name else []:
                row = connection.execute(_query.where(condition).order_by(table.c.id.desc())).first()
                if row is not None:
                    return DataSet(*row)
        there = listed((each.name or each.digest[:12] for each in self.all()), "none yet")
        raise UnknownVersionError(f"no data set '{name}' in {self.database.url}; it has: {there}")

    def all(self) -> list[DataSet]:
        """Every data set, the oldest first."""
        with self.database.read() as connection:
            return [DataSet(*row) for row in connection.execute(_query.order_by(table.c.id))]

    def relate(self, data: str, relation: str, other: str, **facts: Any) -> None:
        """Say that a data set belongs to another: ``relate(validation, "split", whole)``; both by digest.

        Raises:
            StoreError: there is no such relation, or a data set is not known.
        """
        if relation not in RELATIONS:
            raise StoreError(f"no relation '{relation}' between data sets; there are: {listed(RELATIONS)}")
        with self.database.write() as connection:
            ids = dict(
                connection.execute(select(table.c.digest, table.c.id).where(table.c.digest.in_([data, other]))).all()
            )
            if unknown := [digest[:12] for digest in (data, other) if digest not in ids]:
                raise UnknownVersionError(f"no data set {listed(unknown)} in {self.database.url}; add it first")
            row = {"data_set_id": ids[data], "relation": relation, "other_id": ids[other], "facts": facts}
            insert_new(connection, data_relations, [row])

    def relations(self, digest: str | None = None) -> list[Relation]:
        """How data sets belong together: all of it, or what concerns one of them."""
        other = table.alias()
        query = (
            select(table.c.digest, data_relations.c.relation, other.c.digest, data_relations.c.facts)
            .select_from(data_relations).join(table, table.c.id == data_relations.c.data_set_id)
            .join(other, other.c.id == data_relations.c.other_id)
        )  # fmt: skip
        if digest is not None:
            query = query.where((table.c.digest == digest) | (other.c.digest == digest))
        with self.database.read() as connection:
            return [Relation(*row) for row in connection.execute(query)]


_query = select(table.c.digest, table.c.name, table.c.size, table.c.facts, table.c.created)
