"""Training contexts: which models were trained together, on whose frozen answers, and from which versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import insert, select

from drivetrain.errors import StoreError, listed
from drivetrain.experiments.store.database import Database, insert_new
from drivetrain.experiments.store.schema import (
    component_versions,
    context_data,
    context_members,
    contexts,
    data_sets,
    runs,
    slots,
)
from drivetrain.experiments.versions.version import ROLES


class Member(NamedTuple):
    """Who took part in a training: the slot, the role there, and the digest of the component version."""

    slot: str
    role: str
    component: str


@dataclass(frozen=True)
class Context:
    """Models that learned from one loss on one stream of data, and who was there.

    Attributes:
        run: the key of the run.
        stage: of the run, from 0.
        track: what of the stage.
        pattern: of the stage.
        inputs: ``"system"``: models read what the others answered; ``"truth"``: the truth stood in for the others.
        members: everybody by slot and role.
        data: the digests of the data sets that it read, by what for: (digest, "training"), (digest, "validation").
    """

    run: str
    stage: int
    track: str
    pattern: str
    inputs: str
    members: tuple[Member, ...]
    data: tuple[tuple[str, str], ...] = ()


class Contexts:
    """Who was trained in whose context."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, context: Context) -> None:
        """Note who was trained in whose context.

        Raises:
            StoreError: there is no such role.
        """
        if strange := [member.role for member in context.members if member.role not in ROLES]:
            raise StoreError(f"no role {listed(strange)} in a training; roles are: {listed(ROLES)}")
        with self.database.write() as connection:
            run = connection.execute(select(runs.c.id).where(runs.c.key == context.run)).scalar_one()
            made = connection.execute(insert(contexts), {
                "run_id": run, "stage": context.stage, "track": context.track,
                "pattern": context.pattern, "inputs": context.inputs,
            })  # fmt: skip
            key = made.inserted_primary_key[0]  # type: ignore[index]
            ids = dict(connection.execute(
                select(slots.c.name, slots.c.id).join(runs, runs.c.system_id == slots.c.system_id)
                .where(runs.c.key == context.run)
            ).all())  # fmt: skip
            for slot, role, component in context.members:
                version = select(component_versions.c.id).where(component_versions.c.digest == component)
                row = {
                    "context_id": key, "slot_id": ids[slot], "role": role,
                    "component_version_id": connection.execute(version).scalar_one(),
                }  # fmt: skip
                insert_new(connection, context_members, [row])
            for digest, use in context.data:
                known = connection.execute(select(data_sets.c.id).where(data_sets.c.digest == digest)).scalar_one()
                insert_new(connection, context_data, [{"context_id": key, "data_set_id": known, "use": use}])

    def all(self, *, run: str | None = None, trained: str | None = None) -> list[Context]:
        """Who was trained in whose context: in a run, or wherever that component version (a digest) was trained."""
        query = (
            select(contexts.c.id, runs.c.key, contexts.c.stage, contexts.c.track, contexts.c.pattern, contexts.c.inputs,
                   slots.c.name, context_members.c.role, component_versions.c.digest)
            .select_from(
                context_members.join(contexts).join(runs).join(slots, slots.c.id == context_members.c.slot_id)
                .join(component_versions, component_versions.c.id == context_members.c.component_version_id)
            )
            .order_by(contexts.c.id, slots.c.position, context_members.c.role)
        )  # fmt: skip
        read = (
            select(context_data.c.context_id, data_sets.c.digest, context_data.c.use)
            .select_from(context_data.join(data_sets).join(contexts).join(runs)).order_by(data_sets.c.id)
        )  # fmt: skip
        if run is not None:
            query, read = query.where(runs.c.key == run), read.where(runs.c.key == run)
        if trained is not None:
            of = (
                select(context_members.c.context_id).join(component_versions)
                .where(component_versions.c.digest == trained, context_members.c.role == "trained")
            )  # fmt: skip
            query, read = query.where(contexts.c.id.in_(of)), read.where(contexts.c.id.in_(of))
        with self.database.read() as connection:
            rows = connection.execute(query).all()
            used = connection.execute(read).all()
        data: dict[int, list[tuple[str, str]]] = {}
        for context_id, digest, use in used:
            data.setdefault(context_id, []).append((digest, use))
        members: dict[tuple[Any, ...], list[Member]] = {}
        for *context, slot, role, component in rows:
            members.setdefault(tuple(context), []).append(Member(slot, role, component))
        return [
            Context(key, stage, track, pattern, inputs, tuple(those), tuple(data.get(number, ())))
            for (number, key, stage, track, pattern, inputs), those in members.items()
        ]

    def partners(self, component: str) -> list[tuple[Context, Member, str]]:
        """In whose context a version (a digest) was trained: the context, the other, and the other's role.

        Roles are *frozen*, *co-trained* and *initialised from*. Where truth stood in for the other models, there are
        none but the one that it started from.
        """
        found = []
        for context in self.all(trained=component):
            own = {member.slot for member in context.members if member == (member.slot, "trained", component)}
            for member in context.members:
                if member.role == "trained" and member.slot not in own and context.inputs == "system":
                    found.append((context, member, "co-trained"))
                elif member.role == "frozen" and context.inputs == "system":
                    found.append((context, member, "frozen"))
                elif member.role == "initialised from" and member.slot in own:
                    found.append((context, member, "initialised from"))
        return found
