"""Versions as plain values: a component's state, the pinned tuple of a system, and a number measured on one of them.

A version is called by its content. ``ComponentVersion`` is a model's weights and code wherever it stands, so that the
same model in two slots is one version. ``SystemVersion`` pins one component version per slot together with the glue
code: the same tuple is the same version, whoever registers it how often.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES = ("trained", "frozen", "initialised from")
"""How a version took part in the training of others: two that are *trained* together were co-trained."""

RELATIONS = ("same scenes", "derived labels", "split", "derived")
"""How data sets belong together: ``relate(validation, "split", whole)`` says validation is a split of the whole."""


@dataclass(frozen=True)
class ComponentVersion:
    """One state of one model.

    Attributes:
        digest: its identity, of weights and code.
        name: the component that it was first stored for.
        number: counts the versions of that name: 1, 2, ...; ``"camera 3"`` names it for people.
        kind: ``"torch"``, ``"keras"``, ``"sklearn"``, ...
        weights: the digest of the stored weights; None where only a fingerprint is known.
        code: the digest of the code that the weights are run by.
        parameters: how many numbers its weights hold.
        bytes: the size of the stored weights.
        facts: what else is worth showing: shapes, class, framework.
        created: seconds since 1970, UTC.
        run: the run that made it, if one of ours did.
    """

    digest: str
    name: str
    number: int
    kind: str
    code: str
    weights: str | None = None
    parameters: int = 0
    bytes: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    created: float = 0.0
    run: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


@dataclass(frozen=True)
class SystemVersion:
    """A system with one component version pinned in every slot.

    Attributes:
        system: the system's name.
        number: counts the versions of that system: 1, 2, ...; ``"race-car 7"`` names it for people.
        digest: its identity: of the sorted pairs of slot and component version, and of the glue code.
        pins: the digest of the component version in each slot, slots in order of execution.
        glue: the digest of the code between the models and of the diagram.
        created: seconds since 1970, UTC.
        run: the run that made it, if one of ours did.
    """

    system: str
    number: int
    digest: str
    pins: Mapping[str, str]
    glue: str
    created: float = 0.0
    run: str | None = None

    def __str__(self) -> str:
        return f"{self.system} {self.number}"


@dataclass(frozen=True)
class Evaluation:
    """A number that belongs to a combination, not to a model.

    Attributes:
        metric: what was measured: ``"f1"``, ``"latency"``, ``"bytes"``.
        value: the number.
        edge: where, if at one edge.
        low: lower end of the 95 % interval.
        high: upper end.
        n: independent units behind it.
        data: the digest of the data set.
        higher_is_better: which way is up.
        unit: of the value: ``"s"``, ``"bytes"``; empty for plain numbers.
        seed: what ruled chance, where components are not deterministic.
        seconds: what measuring took.
        created: seconds since 1970, UTC; filled in when it is recorded.
    """

    metric: str
    value: float
    edge: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    data: str = ""
    higher_is_better: bool = True
    unit: str = ""
    seed: int | None = None
    seconds: float | None = None
    created: float = 0.0


@dataclass(frozen=True)
class DataSet:
    """Data that something was trained or measured on.

    Attributes:
        digest: of its contents (of a sample of them where reading all would cost an epoch; ``facts["sampled"]``).
        name: what people call it; empty if nobody said.
        size: samples.
        facts: its fields with their shapes, labels by origin.
        created: when it was first seen, seconds since 1970, UTC.
    """

    digest: str
    name: str = ""
    size: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    created: float = 0.0


def component_digest(kind: str, weights: str, code: str) -> str:
    """The identity of a component version, from the digests of its weights and of its code."""
    return digest_of({"kind": kind, "weights": weights, "code": code})


def combination_digest(pins: Mapping[str, str], glue: str) -> str:
    """The identity of a system version: the order in which the slots are given does not matter."""
    return digest_of({"pins": sorted(pins.items()), "glue": glue})


def digest_of(value: Any) -> str:
    """The SHA-256 of plain data, keys sorted; 64 hexadecimal digits.

    Example:
        >>> digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
        True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
