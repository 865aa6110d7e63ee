"""The noun of a selection: a system, and for some of its components the versions that may stand there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from math import prod
from typing import Any

from drivetrain.components import component
from drivetrain.errors import DeclarationError, listed
from drivetrain.experiments.versions.fingerprint import component_fingerprint
from drivetrain.graph import Component, Node, System

Combination = tuple[int, ...]
"""For each slot the place of the chosen version among its versions."""

Fact = Callable[[Component], float]


class Candidates:
    """A system whose slots may each be filled by one of several versions.

    Args:
        system: the system; components that are not named stay as they are.
        versions: by component, what may stand there: a list, or a dict by label. Each is a component, or a model or
            function that takes and answers what the component does. What stands there now counts only if it is named.
        facts: what is known of single versions, lower being better, by fact, component and label:
            ``{"labels": {"camera": {"1": 1200, "2": 4800}}}``.

    Example:
        >>> import torch
        >>> from drivetrain import component, system
        >>> camera = component("camera", torch.nn.Linear(4, 2), "image -> boxes")
        >>> @system
        ... def perception(image):
        ...     return camera(image)
        >>> candidates = Candidates(perception, {"camera": [torch.nn.Linear(4, 2), torch.nn.Linear(4, 2)]})
        >>> candidates.sizes, candidates.labels((1,))
        ((2,), {'camera': '2'})

    Raises:
        UnknownNameError: the system has no such component.
        SignatureError: a version does not fit its place.
        DeclarationError: a component is given no versions, or one twice.
    """

    def __init__(
        self,
        system: System,
        versions: Mapping[str, Sequence[Any] | Mapping[str, Any]],
        *,
        facts: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    ) -> None:
        if not isinstance(system, System):
            raise DeclarationError(f"Candidates takes a system first, found {type(system).__name__}")
        if not versions:
            names = listed(call.name for call in system.graph.calls)
            raise DeclarationError(
                f'no versions are given; write Candidates({system.name}, {{"NAME": [...]}}) of: {names}'
            )
        for name in versions:
            system.component(name)
        order = [node.name for node in system.nodes]
        self.system = system
        self.slots = tuple(sorted(versions, key=lambda name: _place(order, name)))
        self.versions = {slot: _labelled(system, slot, versions[slot]) for slot in self.slots}
        self.facts = facts or {}
        _check_facts(self)

    def __repr__(self) -> str:
        """How many combinations there are, and what may stand in each slot."""
        wide = max(map(len, self.slots))
        lines = [f"{slot:<{wide}}  {', '.join(self.versions[slot])}" for slot in self.slots]
        return "\n  ".join([f"candidates of {self.system.name}, {self.count:,} combinations:", *lines])

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many versions each slot has, slots in order of execution."""
        return tuple(len(self.versions[slot]) for slot in self.slots)

    @property
    def count(self) -> int:
        """How many combinations there are."""
        return prod(self.sizes)

    def labels(self, combination: Combination) -> dict[str, str]:
        """The labels of the chosen versions by slot."""
        return {slot: list(self.versions[slot])[i] for slot, i in zip(self.slots, combination, strict=True)}

    def combination(self, labels: Mapping[str, str]) -> Combination:
        """The combination of these labels."""
        return tuple(list(self.versions[slot]).index(labels[slot]) for slot in self.slots)

    def component(self, slot: str, place: int) -> Component:
        """The version at a place of a slot."""
        return list(self.versions[slot].values())[place]

    def build(self, combination: Combination | Mapping[str, str]) -> System:
        """The system with the chosen versions in their slots; weights are shared with the versions."""
        labels = combination if isinstance(combination, Mapping) else self.labels(combination)
        return self.system.replace(**{slot: self.versions[slot][labels[slot]] for slot in self.slots})

    @cached_property
    def digests(self) -> dict[str, tuple[str, ...]]:
        """The digest of each version, by slot."""
        return {slot: tuple(map(component_fingerprint, self.versions[slot].values())) for slot in self.slots}

    @cached_property
    def glue(self) -> dict[str, str]:
        """The digests of the components that are no slot."""
        return {
            node.name: component_fingerprint(node.component) for node in self.system.nodes if not self.slot_of(node)
        }

    def slot_of(self, node: Node) -> str:
        """The slot that a node belongs to, which may be a sub-system; empty for glue."""
        names = [slot for slot in self.slots if node.name == slot or node.name.startswith(f"{slot}.")]
        return names[0] if names else ""

    @cached_property
    def links(self) -> tuple[tuple[int, int], ...]:
        """Pairs of slots of which one reads the other's output, or whose outputs meet, with only glue in between."""
        origin: dict[str, frozenset[int]] = {edge: frozenset() for edge in self.system.inputs}
        found: set[tuple[int, int]] = set()
        for node in self.system.nodes:
            sources = frozenset[int]().union(*(origin[edge] for edge in node.inputs))
            slot = self.slot_of(node)
            here = frozenset({self.slots.index(slot)}) if slot else sources
            together = sources | here
            found.update((a, b) for a, b in combinations(sorted(together), 2))
            origin.update(dict.fromkeys(node.makes, here))
        return tuple(sorted(found))


def _labelled(system: System, slot: str, versions: Sequence[Any] | Mapping[str, Any]) -> dict[str, Component]:
    if isinstance(versions, Mapping):
        named = {str(label): thing for label, thing in versions.items()}
    elif isinstance(versions, Sequence) and not isinstance(versions, str):
        named = {str(number): thing for number, thing in enumerate(versions, 1)}
    else:
        raise DeclarationError(
            f"the versions of '{slot}' are {type(versions).__name__}; write a list of components, or a dict by label"
        )
    if not named:
        raise DeclarationError(
            f"'{slot}' has no versions; name one at least, or leave it out to keep what stands there"
        )
    place = system.component(slot)
    found = {}
    for label, thing in named.items():
        made = thing if isinstance(thing, Component) else component(place.name, thing, str(place.signature))
        try:
            system.replace(**{slot: made})
        except Exception as error:
            error.add_note(f"version '{label}' of '{slot}'")
            raise
        found[label] = made
    return found


def _place(order: Sequence[str], slot: str) -> int:
    return next(i for i, name in enumerate(order) if name == slot or name.startswith(f"{slot}."))


def _check_facts(candidates: Candidates) -> None:
    for fact, slots in candidates.facts.items():
        for slot, by_label in slots.items():
            if slot not in candidates.versions:
                raise DeclarationError(f"fact '{fact}': '{slot}' is no slot; slots: {listed(candidates.slots)}")
            if missing := [label for label in candidates.versions[slot] if label not in by_label]:
                raise DeclarationError(f"fact '{fact}' of '{slot}': nothing is said of version {listed(missing)}")
